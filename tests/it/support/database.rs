//! A database of its own for each test, dropped with it; and logins in the group roles.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls, Row};

use super::setting;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A database, dropped at the end of the test.
pub struct Database {
    /// Its URL for the superuser.
    pub url: String,
    name: String,
}

impl Database {
    pub async fn create() -> Self {
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let database = Self { url: url(&name), name: name.clone() };
        let admin = connect(&setting("LOGINETL_TEST_DATABASE_URL")).await;
        admin.batch_execute(&format!("create database {name}")).await.expect("a database");
        database
    }

    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }

    pub async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// As a superuser who goes around the triggers.
    pub async fn tamper(&self, sql: &str) {
        self.execute(&format!("set session_replication_role = replica; {sql}")).await;
    }

    pub async fn query(&self, sql: &str) -> Vec<Row> {
        self.client().await.query(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"))
    }

    pub async fn count(&self, sql: &str) -> i64 {
        self.query(&format!("select count(*) from ({sql}) as counted")).await[0].get(0)
    }

    /// Lets nobody in any more and ends every session.
    pub async fn shut(&self) {
        self.alter("allow_connections false").await;
        self.cut().await;
    }

    /// Lets everybody in again.
    pub async fn open(&self) {
        self.alter("allow_connections true").await;
    }

    /// `alter database …`, from outside.
    pub async fn alter(&self, change: &str) {
        let admin = connect(&setting("LOGINETL_TEST_DATABASE_URL")).await;
        admin
            .batch_execute(&format!("alter database {} {change}", self.name))
            .await
            .expect("a change");
    }

    /// Ends every session, as a server does that stops.
    pub async fn cut(&self) {
        let admin = connect(&setting("LOGINETL_TEST_DATABASE_URL")).await;
        let cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
        admin.query(cut, &[&self.name]).await.expect("cut");
    }

    /// From now on the log's clock is this many seconds behind: its records are that old,
    /// and its chain is as good as any.
    pub async fn log_behind(&self, seconds: u32) {
        let source = self.query("select pg_get_functiondef('audit.append'::regproc)").await[0]
            .get::<_, String>(0);
        let (before, rest) = source.split_once("moment := ").expect("a clock");
        let (_, after) = rest.split_once(";\n").expect("the end of a statement");
        self.execute(&format!(
            "{before}moment := clock_timestamp() - interval '{seconds} seconds';\n{after}"
        ))
        .await;
    }

    /// A login that is a member of one group, with a URL of its own.
    pub async fn login(&self, group: &str) -> Login {
        self.login_named(group, group.trim_start_matches("loginetl_")).await
    }

    /// One of several logins in a group.
    pub async fn login_named(&self, group: &str, name: &str) -> Login {
        let user = format!("{}_{name}", self.name);
        let admin = self.client().await;
        admin
            .batch_execute(&format!("create role {user} login; grant {group} to {user}"))
            .await
            .expect("a login");
        let url = self.url.replacen("postgres@", &format!("{user}@"), 1);
        Login { url, user }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = self.name.clone();
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let admin = connect(&setting("LOGINETL_TEST_DATABASE_URL")).await;
                let _ = admin
                    .batch_execute(&format!("drop database if exists {name} with (force)"))
                    .await;
                let users = admin
                    .query(
                        "select rolname from pg_roles where starts_with(rolname, $1)",
                        &[&format!("{name}_")],
                    )
                    .await;
                for user in users.unwrap_or_default() {
                    let _ = admin
                        .batch_execute(&format!("drop role {}", user.get::<_, String>(0)))
                        .await;
                }
            });
        });
        let _ = dropped.join();
    }
}

/// A login in a group.
pub struct Login {
    pub url: String,
    pub user: String,
}

impl Login {
    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }
}

fn url(name: &str) -> String {
    let admin = setting("LOGINETL_TEST_DATABASE_URL");
    let (base, options) = admin.split_once('?').unwrap_or((&admin, ""));
    let (server, _) = base.rsplit_once('/').expect("a database in the URL");
    format!("{server}/{name}?{options}")
}

async fn connect(url: &str) -> Client {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.unwrap_or_else(|e| panic!("no connection: {e}"));
    tokio::spawn(connection);
    client
}

//! The schema: bootstrap, numbered migrations, and the version that every command checks before it works.
//!
//! Invariants: one `init` at a time in a database; a migration that was applied is never changed; a schema newer
//! than this program is refused.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use refinery::{Migration, Runner};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::error::CREATING_ROLES;
use super::table::{self, TableFinding};
use super::{DbError, Session};

const BOOTSTRAP: &str = include_str!("../../sql/bootstrap.sql");
const MIGRATIONS: [(&str, &str); 4] = [
    ("V1__foundation", include_str!("../../sql/V1__foundation.sql")),
    ("V2__audit", include_str!("../../sql/V2__audit.sql")),
    ("V3__rotation", include_str!("../../sql/V3__rotation.sql")),
    ("V4__unused_keys", include_str!("../../sql/V4__unused_keys.sql")),
];
const VERSION: i32 = MIGRATIONS.len() as i32;
const HISTORY: &str = "vault.schema_version";

/// "loginetl" as a number: the advisory lock that serialises `init` in one database.
const INIT_LOCK: i64 = 0x6c6f_6769_6e65_746c;

/// A session that holds the right to initialise the database.
pub struct InitLock(Session);

impl Session {
    /// Refuses to work with a schema that is not this program's.
    ///
    /// # Errors
    /// When it is older (run `init`), newer (use a newer loginetl) or absent.
    pub async fn check_schema_version(&self) -> Result<(), DbError> {
        let found = applied_version(&self.client).await?;
        if found == VERSION { Ok(()) } else { Err(DbError::SchemaVersion { found, needed: VERSION }) }
    }

    /// Waits, up to a minute, until no other `init` runs in this database.
    ///
    /// # Errors
    /// When another one runs on, or the database is gone.
    pub async fn lock_init(self) -> Result<InitLock, DbError> {
        for _ in 0..300 {
            let statement = format!("select pg_catalog.pg_try_advisory_lock({INIT_LOCK})");
            let row = self.client.query_typed_one(&statement, &[]).await.map_err(|e| DbError::sql("locking the schema", &e))?;
            if row.get(0) {
                return Ok(InitLock(self));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(DbError::Connect("another init has been running for a minute".to_owned()))
    }
}

impl InitLock {
    /// The session that holds it.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.0
    }

    /// The same, for transactions.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.0
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(super) fn client_mut(&mut self) -> &mut Client {
        &mut self.0.client
    }

    /// Creates what is missing and upgrades what is older; returns the migrations applied and what stood there before.
    ///
    /// # Errors
    /// When the schema is newer than this program, `user_logins` does not fit, or the role may not.
    pub async fn upgrade(&mut self) -> Result<(Vec<String>, TableFinding), DbError> {
        let found = applied_version(self.client()).await?;
        if found > VERSION {
            return Err(DbError::SchemaVersion { found, needed: VERSION });
        }
        let finding = table::inspect(self.client()).await?;
        self.bootstrap().await?;
        Ok((self.migrate().await?, finding))
    }

    /// Roles belong to the cluster: another database's init may be making the same ones this instant.
    async fn bootstrap(&self) -> Result<(), DbError> {
        let run = || async { self.client().batch_execute(BOOTSTRAP).await };
        let patience = ConstantBuilder::default().with_delay(Duration::from_millis(50)).with_max_times(100);
        let result = run.retry(patience).when(is_collision_of_roles).await;
        result.map_err(|e| DbError::sql(CREATING_ROLES, &e))
    }

    async fn migrate(&mut self) -> Result<Vec<String>, DbError> {
        let invalid = |_| DbError::Invalid("migration in this program");
        let migrations: Result<Vec<_>, _> = MIGRATIONS.iter().map(|(name, sql)| Migration::unapplied(name, sql)).collect();
        let mut runner = Runner::new(&migrations.map_err(invalid)?);
        runner.set_migration_table_name(HISTORY);
        let report = runner.run_async(self.client_mut()).await.map_err(|error| migration_error(&error))?;
        Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
    }
}

async fn applied_version(client: &Client) -> Result<i32, DbError> {
    let failed = |e| DbError::sql("reading the schema's version", &e);
    let exists = client.query_typed_one("select to_regclass('vault.schema_version') is not null", &[]).await;
    if !exists.map_err(failed)?.get::<_, bool>(0) {
        return Ok(0);
    }
    let row = client.query_typed_one("select coalesce(max(version), 0) from vault.schema_version", &[]).await;
    Ok(row.map_err(failed)?.get(0))
}

fn is_collision_of_roles(error: &tokio_postgres::Error) -> bool {
    let Some(db) = error.as_db_error() else { return false };
    [SqlState::DUPLICATE_OBJECT, SqlState::UNIQUE_VIOLATION].contains(db.code())
        || db.message().contains("tuple concurrently updated")
}

fn migration_error(error: &refinery::Error) -> DbError {
    use refinery::error::Kind;
    match error.kind() {
        Kind::DivergentVersion(applied, _) | Kind::MissingVersion(applied) => DbError::Divergent(applied.to_string()),
        Kind::Connection(_, source) => match source.downcast_ref::<tokio_postgres::Error>() {
            Some(sql) => DbError::sql("applying a migration", sql),
            None => DbError::Lost { action: "applying a migration" },
        },
        _ => DbError::Invalid("migration in this program"),
    }
}

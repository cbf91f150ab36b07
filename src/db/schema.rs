//! The schema: bootstrap, numbered migrations, repair, and the version that every command
//! checks before it works.
//!
//! Invariants: `init` is one transaction, so that it works through any pooler and changes
//! all or nothing; one at a time in a database; a migration that was applied is never
//! changed; a schema newer than this program is refused.

use std::time::Duration;

use jiff::Timestamp;
use refinery_core::Migration;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::comments::write_comments;
use super::deviation::Deviation;
use super::fields::{mask_field, read_fields, take_fence};
use super::functions::run_functions;
use super::repair::repair;
use super::session::{Mode, Parameter, Transaction};
use super::table::{self, TableFinding, own_columns};
use super::words::OWNER;
use super::{DbError, Session};
use crate::audit::Group;
use crate::token::{Field, Fields};

const BOOTSTRAP: &str = include_str!("../../sql/bootstrap.sql");
const MIGRATIONS: [(&str, &str); 7] = [
    ("V1__foundation", include_str!("../../sql/V1__foundation.sql")),
    ("V2__audit", include_str!("../../sql/V2__audit.sql")),
    ("V3__rotation", include_str!("../../sql/V3__rotation.sql")),
    ("V4__unused_keys", include_str!("../../sql/V4__unused_keys.sql")),
    ("V5__primary_keys", include_str!("../../sql/V5__primary_keys.sql")),
    ("V6__fields", include_str!("../../sql/V6__fields.sql")),
    ("V7__archives", include_str!("../../sql/V7__archives.sql")),
];
/// The version of the schema that `init` makes.
pub(crate) const VERSION: i32 = MIGRATIONS.len() as i32;

/// The table of refinery, which earlier builds used to apply the same files.
const HISTORY: &str = "\
    create table if not exists vault.schema_version \
        (version int4 primary key, name varchar(255), applied_on varchar(255), \
          checksum varchar(255))";

/// "loginetl" as a number: the advisory lock that serialises `init` in one database, for
/// its transaction. If somebody holds a lock on the table, `init` waits only a while,
/// because everybody else queues up behind it.
const LOCK: &str = "\
    set local lock_timeout = '60s'; select pg_catalog.pg_advisory_xact_lock(7813026270484821356); \
      set local lock_timeout = '10s'; \
    set local check_function_bodies = off";

/// Making the first keys takes calls of KMS, for which no transaction of `init` stays
/// open. One init at a time does so: its turn is a transaction that does nothing else, on
/// a connection of its own, so that a pooler may stand between.
const TURN: &str = "\
    set local lock_timeout = '60s'; set local idle_in_transaction_session_timeout = '300s'; \
    select pg_catalog.pg_advisory_xact_lock(7813026270484821357)";

const COLLISIONS: usize = 100;

/// What `init` did to the schema.
#[derive(Clone, Debug, Default)]
pub(crate) struct Initialised {
    /// Migrations that were applied.
    pub migrations: Vec<String>,
    /// What stood there before.
    pub table: TableFinding,
    /// What was missing or another, and is as it must be again.
    pub repaired: Vec<String>,
    /// What only a person can put right.
    pub left: Vec<Deviation>,
    /// Which fields are masked now.
    pub fields: Fields,
    /// Which of them were not before.
    pub newly_masked: Vec<Field>,
}

/// The turn to make the first keys; given up when it is dropped.
pub(crate) struct KeyTurn<'a> {
    _transaction: Transaction<'a>,
}

impl Session {
    /// Waits, up to a minute, until no other `init` makes keys in this database.
    ///
    /// # Errors
    /// When another one goes on, or the database is gone.
    pub(crate) async fn turn_to_make_keys(&self) -> Result<KeyTurn<'_>, DbError> {
        Ok(KeyTurn {
            _transaction: self.begin(Mode::Write, TURN, "waiting for another init").await?,
        })
    }

    /// Refuses to work with a schema that is not this program's.
    ///
    /// # Errors
    /// When it is older (run `init`), newer (use a newer loginetl) or absent.
    pub(crate) async fn check_schema_version(&self) -> Result<(), DbError> {
        let found = self.schema_version().await?;
        if found == VERSION {
            Ok(())
        } else {
            Err(DbError::SchemaVersion { found, needed: VERSION })
        }
    }

    /// The version of the schema in the database; 0 before the first `init`.
    pub(crate) async fn schema_version(&self) -> Result<i32, DbError> {
        applied_version(&self.begin(Mode::Read, "", READING_VERSION).await?).await
    }

    /// Creates what is missing, upgrades what is older, and repairs what is not as it
    /// must be. The fields of `mask` are masked from now on too.
    ///
    /// # Errors
    /// When the schema is newer than this program, `user_logins` does not fit, or the
    /// role may not. Then nothing is changed.
    pub(crate) async fn initialise(&self, mask: Fields) -> Result<Initialised, DbError> {
        let mut tries_left = COLLISIONS;
        loop {
            match self.try_initialise(mask).await {
                // Roles belong to the cluster: another database's init may be making the
                // same ones this instant.
                Err(Failure::Collision(_)) if tries_left > 0 => {
                    tries_left -= 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(Failure::Collision(error) | Failure::Final(error)) => return Err(error),
                Ok(done) => return Ok(done),
            }
        }
    }

    /// Whether this login can change what is in the database and see what it changed.
    async fn check_login(&self) -> Result<(), DbError> {
        let about = "\
            select pg_is_in_recovery(), current_setting('session_replication_role'), \
                   exists (select from pg_roles where rolname = $1 \
                           and pg_has_role(current_user, oid, 'member') \
                           and not pg_has_role(current_user, oid, 'usage')), session_user::text";
        let about = self.read_one(READING_VERSION, about, &[OWNER]).await?;
        if about.get(0) {
            return Err(DbError::Standby);
        }
        if about.get(2) {
            return Err(DbError::NotInherited { login: about.get(3), group: Group::Owner });
        }
        let role: String = about.get(1);
        if role != "origin" {
            let spots = vec![format!(
                "session_replication_role is {role}, so that no trigger and no foreign key works"
            )];
            return Err(DbError::Blind { who: "this login", spots });
        }
        Ok(())
    }

    async fn try_initialise(&self, mask: Fields) -> Result<Initialised, Failure> {
        self.check_login().await?;
        let transaction = self.begin(Mode::Write, LOCK, "locking the schema").await?;
        let found = applied_version(&transaction).await?;
        if found > VERSION {
            return Err(DbError::SchemaVersion { found, needed: VERSION }.into());
        }
        let masked = read_fields(&transaction).await?;
        let new: Vec<Field> = mask.fields().filter(|field| !masked.contains(*field)).collect();
        if !new.is_empty() {
            take_fence(&transaction).await?;
        }
        let fields = new.iter().copied().fold(masked, Fields::with);
        let table = table::inspect(&transaction, fields).await?;
        make_roles(&transaction).await?;
        make_table(&transaction, &table, fields).await?;
        let migrations = migrate(&transaction).await?;
        if !migrations.is_empty() {
            run_functions(&transaction).await?;
        }
        for field in &new {
            mask_field(&transaction, *field).await?;
        }
        write_comments(&transaction, !migrations.is_empty()).await?;
        let is_upgrade = !migrations.is_empty() || !new.is_empty();
        let (repaired, left) = repair(&transaction, is_upgrade).await?;
        transaction.commit("committing the schema").await?;
        Ok(Initialised { migrations, table, repaired, left, fields, newly_masked: new })
    }
}

/// Why a try failed.
enum Failure {
    Collision(DbError),
    Final(DbError),
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Final(error)
    }
}

/// Makes the groups and schemas, and sees that their owner may use what it needs.
async fn make_roles(transaction: &Transaction<'_>) -> Result<(), Failure> {
    if let Err(error) = transaction.batch_execute(BOOTSTRAP).await {
        let is_collision = is_collision_of_roles(&error);
        let error = DbError::roles(&error);
        return Err(if is_collision { Failure::Collision(error) } else { Failure::Final(error) });
    }
    let is_shut_out = "select not has_schema_privilege($1, 'public', 'usage')";
    let is_shut_out = transaction.query_typed_one(is_shut_out, &[OWNER]).await;
    if is_shut_out.map_err(|e| DbError::roles(&e))?.get(0) {
        let run = "grant usage on schema public to loginetl_owner";
        return Err(DbError::Table(format!(
            "loginetl_owner may not use the schema public; run: {run}"
        ))
        .into());
    }
    Ok(())
}

const READING_VERSION: &str = "reading the schema's version";
const MIGRATING: &str = "applying a migration";

async fn applied_version(transaction: &Transaction<'_>) -> Result<i32, DbError> {
    let failed = |e| DbError::schema(READING_VERSION, &e);
    let exists = transaction
        .query_typed_one("select to_regclass('vault.schema_version') is not null", &[])
        .await;
    if !exists.map_err(failed)?.get::<_, bool>(0) {
        return Ok(0);
    }
    let row = transaction
        .query_typed_one("select coalesce(max(version), 0) from vault.schema_version", &[])
        .await;
    Ok(row.map_err(failed)?.get(0))
}

/// The table, or the columns that it lacks. A first `init` would do so too; later ones
/// find it gone or made anew.
async fn make_table(
    transaction: &Transaction<'_>,
    table: &TableFinding,
    fields: Fields,
) -> Result<(), DbError> {
    let columns = own_columns(fields);
    let columns =
        columns.iter().filter(|column| !table.existed || table.missing.contains(&column.name));
    let columns: Vec<String> =
        columns.map(|column| format!("{} {}", column.name, column.of_type)).collect();
    let statement = match (table.existed, columns.is_empty()) {
        (false, _) => format!("create table public.user_logins ({})", columns.join(", ")),
        (true, false) => {
            format!("alter table public.user_logins add column {}", columns.join(", add column "))
        }
        (true, true) => return Ok(()),
    };
    transaction
        .batch_execute(&statement)
        .await
        .map_err(|e| DbError::schema("making the table user_logins", &e))
}

/// Applies what is not applied yet, after comparing what is.
async fn migrate(transaction: &Transaction<'_>) -> Result<Vec<String>, DbError> {
    let failed = |e| DbError::schema(MIGRATING, &e);
    transaction.batch_execute(HISTORY).await.map_err(failed)?;
    let rows = transaction
        .query_typed("select version, checksum from vault.schema_version", &[])
        .await
        .map_err(failed)?;
    let applied: Vec<(i32, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut done = Vec::new();
    for (name, sql) in MIGRATIONS {
        let migration = Migration::unapplied(name, sql)
            .map_err(|_| DbError::Invalid("migration in this program"))?;
        let (version, checksum) = (migration.version(), migration.checksum().to_string());
        match applied.iter().find(|(of, _)| *of == version) {
            Some((_, known)) if *known == checksum => {}
            Some(_) => return Err(DbError::Divergent(migration.to_string())),
            None => {
                transaction.batch_execute(sql).await.map_err(failed)?;
                let (name, now) = (migration.name().to_owned(), Timestamp::now().to_string());
                let enter = "insert into vault.schema_version (version, name, applied_on, \
                               checksum) values ($1, $2, $3, $4)";
                let row: [Parameter<'_>; 4] = [
                    (&version, Type::INT4),
                    (&name, Type::TEXT),
                    (&now, Type::TEXT),
                    (&checksum, Type::TEXT),
                ];
                transaction.execute_typed(enter, &row).await.map_err(failed)?;
                done.push(migration.to_string());
            }
        }
    }
    Ok(done)
}

fn is_collision_of_roles(error: &tokio_postgres::Error) -> bool {
    let Some(db) = error.as_db_error() else { return false };
    [SqlState::DUPLICATE_OBJECT, SqlState::UNIQUE_VIOLATION].contains(db.code())
        || db.message().contains("tuple concurrently updated")
}

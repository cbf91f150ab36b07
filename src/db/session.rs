//! The session that carries our transactions: each says itself what it relies on, and the
//! connection is made anew where it was lost between two of them.
//!
//! Invariants: no default of a role, database or server has a say in a transaction; no
//! setting, prepared statement or session lock outlives one (so a pooler in transaction
//! mode may stand between); a transaction that is dropped is rolled back.

use std::ops::Deref;

use futures_util::FutureExt as _;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::{DbError, SqlKind, Target};

pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// A connection, or several in turn: made when the first transaction begins, and anew
/// where it is lost.
pub(crate) struct Session {
    target: Target,
    slot: Mutex<Slot>,
}

/// Where the connection is, if there is one.
struct Slot {
    link: Option<Link>,
    /// How many connections were made.
    made: u64,
}

/// What the connection is now.
pub(super) struct Link {
    pub(super) client: Client,
    /// The server's version, as in 180004.
    pub(super) version: i32,
    /// How many connections there were before this one.
    number: u64,
}

/// What a transaction may do, and what it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Each statement sees what is committed when it begins.
    Read,
    /// All statements see the same instant.
    Snapshot,
    /// Read committed, and written.
    Write,
    /// The same, and triggers of others run on its rows. They may need the search path of
    /// the login, so it stays, between `pg_catalog` (which comes first by itself unless
    /// it is named) and `pg_temp` (which would else come before all). A nearer match of
    /// types would still win there: such a transaction names functions by schema and
    /// casts to types for which `pg_catalog` has the very operator. (The parser itself
    /// knows `unnest` of several arrays.)
    WriteRows,
}

/// A transaction. Its statements go to the client that it stands for.
pub(super) struct Transaction<'a> {
    link: MappedMutexGuard<'a, Link>,
    is_open: bool,
}

impl Mode {
    const fn search_path(self) -> &'static str {
        match self {
            Self::Read | Self::Snapshot | Self::Write => {
                "set local search_path = pg_catalog, pg_temp"
            }
            Self::WriteRows => {
                "select pg_catalog.set_config('search_path', pg_catalog.concat( \
                 case when pg_catalog.int4gt(pg_catalog.strpos( \
                     pg_catalog.current_setting('search_path'), 'pg_catalog'), 0) \
                   then 'pg_catalog, ' end, \
                 pg_catalog.regexp_replace(pg_catalog.current_setting('search_path'), \
                   '^$', '\"\"'), ', pg_temp'), true)"
            }
        }
    }

    const fn begin(self) -> &'static str {
        match self {
            Self::Read => "begin isolation level read committed, read only, not deferrable",
            Self::Snapshot => "begin isolation level repeatable read, read only, not deferrable",
            Self::Write | Self::WriteRows => {
                "begin isolation level read committed, read write, not deferrable"
            }
        }
    }
}

/// What a transaction relies on. A client has the encoding that it asked for
/// when it connected.
const SETTINGS: &str = "\
    set local row_security = on; \
    set local statement_timeout = 0; \
    set local lock_timeout = 0; \
    set local idle_in_transaction_session_timeout = '60s'; \
    set local standard_conforming_strings = on; \
    set local quote_all_identifiers = off; \
    set local synchronous_commit = on; \
    set local client_encoding = 'UTF8'";

/// From this version on there is a limit on whole transactions.
const TRANSACTION_TIMEOUT_SINCE: i32 = 170_000;

impl Target {
    /// Opens a session and checks that the server can do our work.
    ///
    /// # Errors
    /// When there is no connection to be had, or the server is too old or not in UTF8.
    pub(crate) async fn connect(&self) -> Result<Session, DbError> {
        let (client, version) = self.open().await?;
        Ok(Session::new(self.clone(), client, version))
    }

    /// A session that connects when it is used first.
    #[must_use]
    pub(crate) fn session(&self) -> Session {
        Session::unconnected(self.clone())
    }
}

impl Session {
    pub(super) fn new(target: Target, client: Client, version: i32) -> Self {
        Self {
            target,
            slot: Mutex::new(Slot { link: Some(Link { client, version, number: 0 }), made: 1 }),
        }
    }

    /// A session that has not connected yet; its first transaction does.
    pub(super) fn unconnected(target: Target) -> Self {
        Self { target, slot: Mutex::new(Slot { link: None, made: 0 }) }
    }

    /// Gives the connection up, whatever is under way on it; the next transaction makes
    /// another. Where the server does not answer, or may be another one after a failover,
    /// nothing else would help.
    pub(crate) fn disconnect(&mut self) {
        self.slot.get_mut().link = None;
    }

    /// The connection, made anew where there is none that can be used, or where `is_lost`
    /// says so.
    async fn linked(&self, is_lost: bool) -> Result<MappedMutexGuard<'_, Link>, DbError> {
        let mut slot = self.slot.lock().await;
        if is_lost || slot.link.as_ref().is_none_or(|link| link.client.is_closed()) {
            let (client, version) = self.target.open().await?;
            slot.link = Some(Link { client, version, number: slot.made });
            slot.made += 1;
        }
        MutexGuard::try_map(slot, |slot| slot.link.as_mut())
            .map_err(|_| DbError::Invalid("connection: there is none"))
    }

    /// Begins a transaction, with settings of its own (`extra`) on top of those
    /// that all have. A connection that was lost meanwhile is made anew; nothing
    /// was under way on it.
    pub(super) async fn begin(
        &self,
        mode: Mode,
        extra: &str,
        action: &'static str,
    ) -> Result<Transaction<'_>, DbError> {
        let mut is_again = false;
        loop {
            let transaction = Transaction { link: self.linked(is_again).await?, is_open: true };
            let limit = transaction.link.version >= TRANSACTION_TIMEOUT_SINCE;
            let limit = if limit { "set local transaction_timeout = 0; " } else { "" };
            let begin =
                format!("{}; {limit}{SETTINGS}; {}; {extra}", mode.begin(), mode.search_path());
            let Err(error) = transaction.link.client.batch_execute(&begin).await else {
                return Ok(transaction);
            };
            let is_lost = transaction.link.client.is_closed() || is_end_of_connection(&error);
            if is_again || !is_lost {
                return Err(begin_error(mode, action, &error));
            }
            is_again = true;
        }
    }

    /// The rows of one statement, in a transaction of its own.
    pub(super) async fn read(
        &self,
        action: &'static str,
        sql: &str,
        with: &[Parameter<'_>],
    ) -> Result<Vec<Row>, DbError> {
        self.statement(Mode::Read, action, sql, with).await
    }

    /// The one row of one statement, in a transaction of its own.
    pub(super) async fn read_one(
        &self,
        action: &'static str,
        sql: &str,
        with: &[Parameter<'_>],
    ) -> Result<Row, DbError> {
        one(self.read(action, sql, with).await?)
    }

    /// The row of one statement, if it has one, in a transaction of its own.
    pub(super) async fn read_opt(
        &self,
        action: &'static str,
        sql: &str,
        with: &[Parameter<'_>],
    ) -> Result<Option<Row>, DbError> {
        Ok(self.read(action, sql, with).await?.into_iter().next())
    }

    /// The rows of one statement that writes, in a transaction of its own. It is
    /// committed when this returns.
    pub(super) async fn write(
        &self,
        action: &'static str,
        sql: &str,
        with: &[Parameter<'_>],
    ) -> Result<Vec<Row>, DbError> {
        self.statement(Mode::Write, action, sql, with).await
    }

    /// The one row of one statement that writes, in a transaction of its own.
    pub(super) async fn write_one(
        &self,
        action: &'static str,
        sql: &str,
        with: &[Parameter<'_>],
    ) -> Result<Row, DbError> {
        one(self.write(action, sql, with).await?)
    }

    /// How many rows one statement changed, in a transaction of its own.
    pub(super) async fn execute(
        &self,
        action: &'static str,
        sql: &str,
        with: &[Parameter<'_>],
    ) -> Result<u64, DbError> {
        let transaction = self.begin(Mode::Write, "", action).await?;
        let changed =
            transaction.execute_typed(sql, with).await.map_err(|e| DbError::sql(action, &e))?;
        transaction.commit(action).await?;
        Ok(changed)
    }

    async fn statement(
        &self,
        mode: Mode,
        action: &'static str,
        sql: &str,
        with: &[Parameter<'_>],
    ) -> Result<Vec<Row>, DbError> {
        let transaction = self.begin(mode, "", action).await?;
        let rows =
            transaction.query_typed(sql, with).await.map_err(|e| DbError::sql(action, &e))?;
        transaction.commit(action).await?;
        Ok(rows)
    }
}

impl Transaction<'_> {
    /// How many connections its session had before this one. What was known of the server
    /// on one may not be true on the next.
    pub(super) fn connection(&self) -> u64 {
        self.link.number
    }

    /// Commits. An error may leave the outcome unknown.
    pub(super) async fn commit(mut self, action: &'static str) -> Result<(), DbError> {
        // The answer to COMMIT of a failed transaction is ROLLBACK and no error: but then
        // a statement has failed before.
        self.link.client.batch_execute("commit").await.map_err(|e| DbError::sql(action, &e))?;
        self.is_open = false;
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.link.client
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // Sent at the first poll; whoever comes next on this
            // connection comes after it.
            let _ = self.link.client.batch_execute("rollback").now_or_never();
        }
    }
}

fn one(rows: Vec<Row>) -> Result<Row, DbError> {
    rows.into_iter().next().ok_or(DbError::Invalid("answer: it has no row"))
}

/// Whether the server, or a pooler before it, has ended the connection and not only
/// refused a statement.
fn is_end_of_connection(error: &tokio_postgres::Error) -> bool {
    let Some(db) = error.as_db_error() else { return true };
    let ends = ["57P01", "57P02", "57P03", "57P04", "57P05"];
    db.code().code().starts_with("08") || ends.contains(&db.code().code())
}

fn begin_error(mode: Mode, action: &'static str, error: &tokio_postgres::Error) -> DbError {
    let is_standby = matches!(mode, Mode::Write | Mode::WriteRows)
        && error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED);
    match DbError::sql(action, error) {
        DbError::Sql { action, code, object, message, .. } if is_standby => {
            DbError::Sql { action, kind: SqlKind::ReadOnly, code, object, message }
        }
        other => other,
    }
}

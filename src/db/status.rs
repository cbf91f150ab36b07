//! What `status` and `check` read: states and sizes, never a value.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::session::Mode;
use super::words::{head, word};
use super::{DbError, Session};
use crate::audit::Head;
use crate::token::{KeyId, KeyState, Purpose};

/// A data key without its wraps.
#[derive(Clone, Debug)]
pub(crate) struct KeyOverview {
    /// Its number.
    pub key_id: KeyId,
    /// What it is for.
    pub purpose: Purpose,
    /// How far it has come.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Session {
    /// All data keys.
    pub(crate) async fn key_lines(&self) -> Result<Vec<KeyOverview>, DbError> {
        let statement = "select key_id, purpose, state, created_at from vault.keys order by key_id";
        let rows = self.read("listing the keys", statement, &[]).await?;
        let key = |row: &Row| {
            let (key_id, purpose, state) = (word(row, 0)?, word(row, 1)?, word(row, 2)?);
            Ok(KeyOverview { key_id, purpose, state, created_at: row.get(3) })
        };
        rows.iter().map(key).collect()
    }

    /// How many messages are in quarantine, up to 100,001: a loader asks while others
    /// work, so it takes neither long nor part in a large count.
    pub(crate) async fn quarantine_depth(&self) -> Result<u64, DbError> {
        const ACTION: &str = "measuring the quarantine";
        let statement = "select count(*) from (select from ingest.quarantine limit 100001) as few";
        let limit = "set local statement_timeout = '3s'";
        let transaction = self.begin(Mode::Read, limit, ACTION).await?;
        let row = transaction.query_typed_one(statement, &[]).await;
        let row = row.map_err(|e| DbError::sql(ACTION, &e))?;
        transaction.commit(ACTION).await?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }

    /// The head of the audit log, and the number of the last record that is signed.
    pub(crate) async fn audit_state(&self) -> Result<(Head, Option<i64>), DbError> {
        let row = self
            .read_opt(
                "reading the head of the audit log",
                "select seq, hash, last_signed from audit.state",
                &[],
            )
            .await?;
        let row = row.ok_or(DbError::Invalid("audit log: its head is missing"))?;
        Ok((head(&row, 0), row.get(2)))
    }

    /// Bytes of the table with its indexes, of `shared_buffers` and of `max_wal_size`.
    pub(crate) async fn sizes(&self) -> Result<(i64, i64, i64), DbError> {
        let statement = "\
            select pg_total_relation_size('public.user_logins'), \
              pg_size_bytes(current_setting('shared_buffers')), \
                   pg_size_bytes(current_setting('max_wal_size'))";
        let row = self.read_one("reading sizes", statement, &[]).await?;
        Ok((row.get(0), row.get(1), row.get(2)))
    }

    /// The server's clock.
    pub(crate) async fn clock(&self) -> Result<Timestamp, DbError> {
        let row = self.read_one("reading the clock", "select clock_timestamp()", &[]).await;
        row.map(|row| row.get(0))
    }
}

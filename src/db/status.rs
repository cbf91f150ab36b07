//! What `status` and `check` read: counts and states, never a value.

use jiff::Timestamp;
use tokio_postgres::Row;

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

/// Rows of one field under one key.
#[derive(Clone, Debug)]
pub(crate) struct CensusLine {
    /// `ip` or `device_id`.
    pub field: String,
    /// The key id in their tokens, as it stands there; none for rows without a hash.
    pub key_id: Option<String>,
    /// How many.
    pub rows: i64,
}

/// Messages in quarantine for one reason.
#[derive(Clone, Debug)]
pub(crate) struct QuarantineLine {
    /// The reason code.
    pub reason: String,
    /// How many.
    pub messages: i64,
    /// Since when the oldest.
    pub oldest_at: Timestamp,
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

    /// Rows per field and key. Reads the whole table.
    pub(crate) async fn census(&self) -> Result<Vec<CensusLine>, DbError> {
        let line =
            |row: &Row| CensusLine { field: row.get(0), key_id: row.get(1), rows: row.get(2) };
        self.lines(
            "counting rows",
            "select field, key_id, row_count from vault.census order by 1, 2",
            line,
        )
        .await
    }

    /// Messages in quarantine by reason.
    pub(crate) async fn quarantine_summary(&self) -> Result<Vec<QuarantineLine>, DbError> {
        let line = |row: &Row| QuarantineLine {
            reason: row.get(0),
            messages: row.get(1),
            oldest_at: row.get(2),
        };
        let statement = "select reason, message_count, oldest_at from ingest.quarantine_summary \
                           order by 2 desc, 1";
        self.lines("counting the quarantine", statement, line).await
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

    async fn lines<T>(
        &self,
        action: &'static str,
        statement: &str,
        line: impl Fn(&Row) -> T,
    ) -> Result<Vec<T>, DbError> {
        let rows = self.read(action, statement, &[]).await?;
        Ok(rows.iter().map(line).collect())
    }
}

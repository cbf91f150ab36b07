//! What a recovery looks up: rows by hash, sealed bodies by number, and which keys there
//! are. Masked data only.

use std::collections::HashMap;

use jiff::civil::Date;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::quarantine::{SealedBody, sealed_body};
use super::session::Mode;
use super::sight::{Work, require_sight};
use super::words::word;
use super::{DbError, Session};
use crate::login::Plan;
use crate::token::{Field, KeyId, Purpose};

/// The rows that carry one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundRows {
    /// The value's hash.
    pub hash: Uuid,
    /// The least and the greatest of their tokens: one and the same, unless somebody
    /// changed a row.
    pub tokens: (Option<String>, Option<String>),
    /// How many there are.
    pub rows: i64,
    /// The first day.
    pub first_date: Option<Date>,
    /// The last day.
    pub last_date: Option<Date>,
}

const SEALED: &str = "select id, message_id, sealed from ingest.quarantine where id = any($1)";

impl Session {
    /// The rows of these hashes, by hash; a hash that nobody has is not in the answer.
    pub(crate) async fn rows_of(
        &self,
        field: Field,
        hashes: &[Uuid],
    ) -> Result<HashMap<Uuid, FoundRows>, DbError> {
        const ACTION: &str = "looking for rows";
        let (token, hash) = (field.token_column(), field.hash_column());
        let statement = format!(
            "select {hash}, min({token}), max({token}), count(*), \
                    min(create_date), max(create_date) \
             from public.user_logins where {hash} = any($1) group by {hash}"
        );
        let transaction = self.begin(Mode::Read, "", ACTION).await?;
        let rows = transaction.query_typed(&statement, &[(&hashes, Type::UUID_ARRAY)]).await;
        let rows = rows.map_err(|e| DbError::sql(ACTION, &e))?;
        // After the rows, which this transaction holds: "not found" is said of what
        // cannot be hidden.
        require_sight(&transaction, Work::Count).await?;
        transaction.commit(ACTION).await?;
        let found = rows.iter().map(|row| FoundRows {
            hash: row.get(0),
            tokens: (row.get(1), row.get(2)),
            rows: row.get(3),
            first_date: row.get(4),
            last_date: row.get(5),
        });
        Ok(found.map(|found| (found.hash, found)).collect())
    }

    /// The sealed bodies of these numbers, by number.
    pub(crate) async fn sealed_bodies(
        &self,
        ids: &[i64],
    ) -> Result<HashMap<i64, SealedBody>, DbError> {
        let rows = self.read("reading the quarantine", SEALED, &[(&ids, Type::INT8_ARRAY)]).await?;
        Ok(rows.iter().map(sealed_body).map(|body| (body.id, body)).collect())
    }

    /// Which keys there are, each with its purpose and whether it can still be unwrapped.
    pub(crate) async fn known_keys(&self) -> Result<HashMap<KeyId, (Purpose, bool)>, DbError> {
        let statement =
            "select key_id, purpose, state in ('active', 'retiring', 'retired') from vault.keys";
        let rows = self.read("listing the keys", statement, &[]).await?;
        let key = |row: &tokio_postgres::Row| {
            let (id, purpose): (KeyId, Purpose) = (word(row, 0)?, word(row, 1)?);
            Ok((id, (purpose, row.get(2))))
        };
        rows.iter().map(key).collect()
    }

    /// The keys in force; none before `init` has made them.
    pub(crate) async fn plan(&self) -> Result<Option<Plan>, DbError> {
        super::fence::plan_of(
            &self.read("reading the keys in force", super::fence::PLAN, &[]).await?,
        )
    }
}

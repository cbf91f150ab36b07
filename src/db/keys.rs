//! The vault's rows: data keys, their check values and their wraps. Wrapped bytes only;
//! never a key.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::session::{Mode, Parameter};
use super::words::{word, words};
use super::{DbError, Session};
use crate::token::{Holder, KeyId, KeyState, Purpose};

/// A data key as the vault knows it, with one of its wraps.
pub(crate) struct KeyRow {
    /// Its number.
    pub key_id: KeyId,
    /// What it is for.
    pub purpose: Purpose,
    /// Tells whether an unwrapped key is the one that was wrapped.
    pub check_value: Vec<u8>,
    /// The KMS key that it is wrapped under.
    pub kms_key_arn: String,
    /// The wrap.
    pub wrapped: Vec<u8>,
}

/// What the audit log says of a new key; nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyFacts {
    /// Its number.
    pub key_id: KeyId,
    /// What it is for.
    pub purpose: Purpose,
    /// Its check value.
    pub check_value: Vec<u8>,
    /// Holder and KMS key of each wrap.
    pub wraps: Vec<(Holder, String)>,
    /// Whether the log has its creation.
    pub is_recorded: bool,
}

/// A wrap to be written.
pub(crate) struct NewWrap {
    /// Who may unwrap it.
    pub holder: Holder,
    /// The KMS key that answered.
    pub kms_key_arn: String,
    /// Its ciphertext.
    pub wrapped: Vec<u8>,
}

const READING_WRAPS: &str = "reading the wraps";
const ACTIVATING: &str = "activating a key";

/// Every wrap of one holder; see [`key_row`].
pub(super) const WRAPS_OF_HOLDER: &str = "\
    select k.key_id, k.purpose, k.check_value, w.kms_key_arn, w.wrapped from vault.data_keys k \
    join vault.wraps w using (key_id) where w.holder = $1 and k.state <> 'destroyed' order by 1";

/// The wraps that a loader may unwrap; see [`key_row`].
pub(super) const INGEST_KEYS: &str = "select key_id, purpose, check_value, kms_key_arn, wrapped \
                                        from vault.ingest_keys order by key_id";

const WRAPS_OF: &str = "\
    select k.key_id, k.purpose, k.check_value, w.kms_key_arn, w.wrapped \
    from vault.data_keys k join vault.wraps w using (key_id) where k.key_id = $1 and w.holder = $2";

const FACTS: &str = "\
    select k.key_id, k.purpose, k.check_value, array_agg(w.holder order by w.holder), \
           array_agg(w.kms_key_arn order by w.holder), \
           exists (select from audit.created_keys c where c.key_id = k.key_id::text \
             and c.check_value = encode(k.check_value, 'hex')) \
    from vault.data_keys k join vault.wraps w using (key_id) where k.state <> 'destroyed' \
      group by 1, 2, 3 order by 1";

impl Session {
    /// Every key that is not destroyed.
    pub(crate) async fn key_facts(&self) -> Result<Vec<KeyFacts>, DbError> {
        let rows = self.read("reading the keys", FACTS, &[]).await?;
        let facts = |row: &Row| {
            let (holders, arns): (Vec<Holder>, Vec<String>) = (words(row, 3)?, row.get(4));
            Ok(KeyFacts {
                key_id: word(row, 0)?,
                purpose: word(row, 1)?,
                check_value: row.get(2),
                wraps: holders.into_iter().zip(arns).collect(),
                is_recorded: row.get(5),
            })
        };
        rows.iter().map(facts).collect()
    }

    /// The key of a purpose in a state, if there is one.
    pub(crate) async fn key_in_state(
        &self,
        purpose: Purpose,
        state: KeyState,
    ) -> Result<Option<KeyId>, DbError> {
        let statement = "select key_id from vault.data_keys where purpose = $1 and state = $2";
        let row = self
            .read_opt(
                "looking for a key",
                statement,
                &[(&purpose, Type::TEXT), (&state, Type::TEXT)],
            )
            .await?;
        row.map(|row| word(&row, 0)).transpose()
    }

    /// A key id that nobody else gets.
    pub(crate) async fn next_key_id(&self) -> Result<KeyId, DbError> {
        word(&self.write_one("numbering a key", "select nextval('vault.key_ids')", &[]).await?, 0)
    }

    /// Writes a pending key together with its wraps.
    pub(crate) async fn insert_pending(
        &mut self,
        key_id: KeyId,
        purpose: Purpose,
        check_value: [u8; 16],
        wraps: &[NewWrap],
    ) -> Result<(), DbError> {
        const ACTION: &str = "writing a new key";
        let failed = |e| DbError::sql(ACTION, &e);
        let check_value = check_value.as_slice();
        let transaction = self.begin(Mode::Write, "", ACTION).await?;
        let key = "insert into vault.data_keys (key_id, purpose, state, check_value) \
                     values ($1, $2, $3, $4)";
        let parameters: [Parameter<'_>; 4] = [
            (&key_id, Type::INT8),
            (&purpose, Type::TEXT),
            (&KeyState::Pending, Type::TEXT),
            (&check_value, Type::BYTEA),
        ];
        transaction.execute_typed(key, &parameters).await.map_err(failed)?;
        for wrap in wraps {
            let statement = "insert into vault.wraps (key_id, holder, kms_key_arn, wrapped) \
                               values ($1, $2, $3, $4)";
            let parameters: [Parameter<'_>; 4] = [
                (&key_id, Type::INT8),
                (&wrap.holder, Type::TEXT),
                (&wrap.kms_key_arn, Type::TEXT),
                (&wrap.wrapped, Type::BYTEA),
            ];
            transaction.execute_typed(statement, &parameters).await.map_err(failed)?;
        }
        transaction.commit(ACTION).await
    }

    /// A key with the wrap of one holder, read back.
    ///
    /// # Errors
    /// When it is not there, or the database is gone.
    pub(crate) async fn wrap_of(&self, key_id: KeyId, holder: Holder) -> Result<KeyRow, DbError> {
        let parameters: [Parameter<'_>; 2] = [(&key_id, Type::INT8), (&holder, Type::TEXT)];
        let row = self
            .read_opt("reading a key back", WRAPS_OF, &parameters)
            .await?
            .ok_or(DbError::Invalid("key: a wrap is missing"))?;
        key_row(&row)
    }

    /// Every wrap of one holder, for a rotator or the owner.
    pub(crate) async fn wraps_of_holder(&self, holder: Holder) -> Result<Vec<KeyRow>, DbError> {
        let rows = self.read(READING_WRAPS, WRAPS_OF_HOLDER, &[(&holder, Type::TEXT)]).await?;
        rows.iter().map(key_row).collect()
    }

    /// The wraps that a loader needs, and that are all that it can read.
    pub(crate) async fn ingest_wraps(&self) -> Result<Vec<KeyRow>, DbError> {
        let rows = self.read(READING_WRAPS, INGEST_KEYS, &[]).await?;
        rows.iter().map(key_row).collect()
    }

    /// Makes a pending key the active one of its purpose.
    ///
    /// # Errors
    /// When it is not pending, another is active, or the database is gone.
    pub(crate) async fn activate(&self, key_id: KeyId) -> Result<(), DbError> {
        let statement = "\
            update vault.data_keys set state = 'active', activated_at = clock_timestamp() \
            where key_id = $1 and state = 'pending'";
        let updated = self.execute(ACTIVATING, statement, &[(&key_id, Type::INT8)]).await;
        // Another init may have been faster with this very key.
        let is_active =
            "select exists (select from vault.data_keys where key_id = $1 and state = 'active')";
        match updated? {
            0 if !self
                .read_one(ACTIVATING, is_active, &[(&key_id, Type::INT8)])
                .await?
                .get::<_, bool>(0) =>
            {
                Err(DbError::Invalid("key: it was not pending any more"))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn key_row(row: &Row) -> Result<KeyRow, DbError> {
    Ok(KeyRow {
        key_id: word(row, 0)?,
        purpose: word(row, 1)?,
        check_value: row.get(2),
        kms_key_arn: row.get(3),
        wrapped: row.get(4),
    })
}

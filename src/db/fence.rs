//! The fence between loaders and a rotation's steps: whoever writes rows holds it shared for one transaction.
//!
//! Invariants: the fence is taken before anything is read that it protects (read committed: each later statement
//! sees what the last step committed); a transaction that is dropped is rolled back; a commit is on disk.

use jiff::civil::Date;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::keys::{INGEST_KEYS, KeyRow, key_row};
use super::session::{Mode, Transaction};
use super::{DbError, Session};
use crate::login::{FieldPlan, KeyPair, Plan};
use crate::token::KeyId;

const LIMITS_AND_FENCE: &str = "\
    set local statement_timeout = '10s'; \
    set local idle_in_transaction_session_timeout = '10s'; \
    lock table vault.fence in row exclusive mode; \
    lock table public.user_logins in row exclusive mode";

/// The fence for a rotation, which gives way: loaders that stand behind it wait no longer than this.
pub(super) const EXCLUSIVE_FENCE: &str = "set local lock_timeout = '250ms'; lock table vault.fence in exclusive mode";

/// One row of eleven columns; see [`plan_of`].
pub(super) const PLAN: &str = "\
    select ip_from_mask, ip_from_hash, ip_to_mask, ip_to_hash, ip_watermark, \
           device_id_from_mask, device_id_from_hash, device_id_to_mask, device_id_to_hash, device_id_watermark, seal \
    from vault.plan";

/// A transaction that holds the fence: the only place where rows are written.
pub struct Fenced<'a> {
    pub(super) transaction: Transaction<'a>,
}

impl Session {
    /// Begins a transaction and takes the fence. Waits while a rotation's step runs.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn fenced(&mut self) -> Result<Fenced<'_>, DbError> {
        Ok(Fenced { transaction: self.begin(Mode::WriteRows, LIMITS_AND_FENCE, "taking the fence").await? })
    }

    /// The keys in force now, and the wraps that a loader may unwrap, as of one instant; a moment later they may be
    /// others. No plan before the first `init`.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn plan_and_wraps(&mut self) -> Result<(Option<Plan>, Vec<KeyRow>), DbError> {
        const ACTION: &str = "reading the keys in force";
        let failed = |e| DbError::sql(ACTION, &e);
        let transaction = self.begin(Mode::Snapshot, "", ACTION).await?;
        let plan = transaction.query_typed_opt(PLAN, &[]).await.map_err(failed)?;
        let wraps = transaction.query_typed(INGEST_KEYS, &[]).await.map_err(failed)?;
        transaction.commit(ACTION).await?;
        let wraps: Result<_, _> = wraps.iter().map(key_row).collect();
        Ok((plan.as_ref().map(plan_of).transpose()?, wraps?))
    }

    /// Makes the ledger's partition of a day, in a transaction of its own.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn ensure_day(&mut self, day: Date) -> Result<(), DbError> {
        self.write("making a day of the ledger", "select ingest.ensure_day($1)", &[(&day, Type::DATE)]).await.map(drop)
    }
}

impl Fenced<'_> {
    /// The keys in force, for as long as the fence is held.
    ///
    /// # Errors
    /// When the database is gone, or there are no keys.
    pub async fn plan(&self) -> Result<Plan, DbError> {
        let failed = |e| DbError::sql("reading the keys in force", &e);
        let row = self.transaction.query_typed_opt(PLAN, &[]).await.map_err(failed)?;
        plan_of(&row.ok_or(DbError::Invalid("set of keys: none is active"))?)
    }

    /// Commits. An error leaves the outcome unknown: send the same rows again, the ledger sorts it out.
    ///
    /// # Errors
    /// When the database is gone or refuses.
    pub async fn commit(self) -> Result<(), DbError> {
        self.transaction.commit("committing").await
    }
}

pub(super) fn plan_of(row: &Row) -> Result<Plan, DbError> {
    let key = |column: usize| KeyId::try_from(row.get::<_, i64>(column)).map_err(|_| DbError::Invalid("key id"));
    let pair = |column| Ok::<_, DbError>(KeyPair { mask: key(column)?, hash: key(column + 1)? });
    let field = |column| {
        Ok::<_, DbError>(FieldPlan { from: pair(column)?, to: pair(column + 2)?, watermark: row.get::<_, Uuid>(column + 4) })
    };
    Ok(Plan { ip: field(0)?, device_id: field(5)?, seal: key(10)? })
}

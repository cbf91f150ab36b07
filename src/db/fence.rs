//! The fence between loaders and a rotation's steps: whoever writes rows holds it shared
//! for one transaction.
//!
//! Invariants: the fence is taken before anything is read that it protects (read
//! committed: each later statement sees what the last step committed); a transaction that
//! is dropped is rolled back; what a loader commits is on disk.

use jiff::civil::Date;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::keys::{INGEST_KEYS, KeyRow, WRAPS_OF_HOLDER, key_row};
use super::session::{Mode, Parameter, Transaction};
use super::words::word;
use super::{DbError, Session};
use crate::login::{FieldPlan, Plan, ValueKeys};
use crate::token::{Field, Holder};

const LIMITS_AND_FENCE: &str = "\
    set local statement_timeout = '10s'; \
    set local idle_in_transaction_session_timeout = '10s'; \
    lock table vault.fence in row exclusive mode; \
    lock table public.user_logins in row exclusive mode";

/// The fence for a rotation, which gives way: loaders that stand behind it wait no longer
/// than this.
pub(super) const EXCLUSIVE_FENCE: &str =
    "set local lock_timeout = '250ms'; lock table vault.fence in exclusive mode";

const TAKING_THE_FENCE: &str = "taking the fence";

/// A row a masked field; see [`plan_of`].
pub(super) const PLAN: &str =
    "select field, from_mask, from_hash, to_mask, to_hash, watermark, seal from vault.field_plans";

/// A transaction that holds the fence: where rows are added. A step of a sweep has its
/// own.
pub(crate) struct Fenced<'a> {
    pub(super) transaction: Transaction<'a>,
}

impl Session {
    /// Begins a transaction whose settings take the fence alone.
    pub(super) async fn begin_with_fence(
        &self,
        mode: Mode,
        settings: &str,
    ) -> Result<Transaction<'_>, DbError> {
        self.begin(mode, settings, TAKING_THE_FENCE).await.map_err(DbError::at_the_fence)
    }

    /// Begins a transaction and takes the fence. Waits while a rotation's step runs.
    pub(crate) async fn take_fence(&mut self) -> Result<Fenced<'_>, DbError> {
        Ok(Fenced {
            transaction: self.begin(Mode::WriteRows, LIMITS_AND_FENCE, TAKING_THE_FENCE).await?,
        })
    }

    /// The keys in force now, and the wraps that a loader may unwrap, as of one instant;
    /// a moment later they may be others. No plan before the first `init`.
    pub(crate) async fn plan_and_wraps(&mut self) -> Result<(Option<Plan>, Vec<KeyRow>), DbError> {
        self.plan_and(INGEST_KEYS, &[]).await
    }

    /// The same with the wraps of all keys that are not destroyed, for who may read them.
    pub(crate) async fn plan_and_all_wraps(
        &mut self,
    ) -> Result<(Option<Plan>, Vec<KeyRow>), DbError> {
        self.plan_and(WRAPS_OF_HOLDER, &[(&Holder::Ingest, Type::TEXT)]).await
    }

    async fn plan_and(
        &mut self,
        wraps: &str,
        with: &[Parameter<'_>],
    ) -> Result<(Option<Plan>, Vec<KeyRow>), DbError> {
        const ACTION: &str = "reading the keys in force";
        let failed = |e| DbError::sql(ACTION, &e);
        let transaction = self.begin(Mode::Snapshot, "", ACTION).await?;
        let plan = transaction.query_typed(PLAN, &[]).await.map_err(failed)?;
        let wraps = transaction.query_typed(wraps, with).await.map_err(failed)?;
        transaction.commit(ACTION).await?;
        let wraps: Result<_, _> = wraps.iter().map(key_row).collect();
        Ok((plan_of(&plan)?, wraps?))
    }

    /// Makes the ledger's partition of a day, in a transaction of its own.
    pub(crate) async fn ensure_day(&mut self, day: Date) -> Result<(), DbError> {
        self.write(
            "making a day of the ledger",
            "select ingest.ensure_day($1)",
            &[(&day, Type::DATE)],
        )
        .await
        .map(drop)
    }
}

impl Fenced<'_> {
    /// The keys in force, for as long as the fence is held.
    ///
    /// # Errors
    /// When the database is gone, or there are no keys.
    pub(crate) async fn plan(&self) -> Result<Plan, DbError> {
        let failed = |e| DbError::sql("reading the keys in force", &e);
        let rows = self.transaction.query_typed(PLAN, &[]).await.map_err(failed)?;
        plan_of(&rows)?.ok_or(DbError::Invalid("set of keys: none is active"))
    }

    /// Commits. An error leaves the outcome unknown: send the same rows again, the ledger
    /// sorts it out.
    pub(crate) async fn commit(self) -> Result<(), DbError> {
        self.transaction.commit("committing").await
    }
}

/// The plan in these rows; none before the first keys.
pub(super) fn plan_of(rows: &[Row]) -> Result<Option<Plan>, DbError> {
    let pair = |row: &Row, column| {
        Ok::<_, DbError>(ValueKeys { mask: word(row, column)?, hash: word(row, column + 1)? })
    };
    let field_plan = |row: &Row| {
        Ok::<_, DbError>((
            word::<Field>(row, 0)?,
            FieldPlan { from: pair(row, 1)?, to: pair(row, 3)?, watermark: row.get(5) },
        ))
    };
    let Some(first) = rows.first() else { return Ok(None) };
    let fields: Result<_, DbError> = rows.iter().map(field_plan).collect();
    Ok(Some(Plan { fields: fields?, seal: word(first, 6)? }))
}

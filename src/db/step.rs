//! A rotation's steps: a range is moved under the exclusive fence, from the watermark on.
//!
//! Invariants: a range is moved and the watermark advanced in one transaction; whoever
//! finds the watermark elsewhere changes nothing. So any number of processes may sweep at
//! once, and none needs to be alone. A step is committed only if it saw all rows of its
//! range and they stand there as it left them.

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::place::{Coverage, Place, Snapshot};
use super::session::{Mode, Parameter, Transaction};
use super::sight::{RowChange, Work, require_sight, row_triggers};
use super::sweep::{Move, Rotation, TokenGroup, token_group};
use super::{DbError, Session};

/// The transactions of a process's last steps: of as many as may have begun since a range
/// was read. A crash of the server may give a lost step's number to another's
/// transaction, so they are forgotten where a sweep begins anew, and where the connection
/// is another.
#[derive(Default)]
pub(crate) struct LastSteps {
    connection: u64,
    numbers: [u64; 2],
}

impl LastSteps {
    fn enter(&mut self, connection: u64, number: u64) {
        if self.connection != connection {
            *self = Self { connection, numbers: [0; 2] };
        }
        self.numbers.rotate_right(1);
        self.numbers[0] = number;
    }
}

/// A step in the making: it holds the fence, and is undone unless it is committed.
pub(crate) struct Step<'a> {
    transaction: Transaction<'a>,
    rotation: Rotation,
    /// The end of its range.
    next: Uuid,
    /// Which of this process's connections it is on.
    connection: u64,
    /// As of [`Step::look`].
    has_triggers: bool,
}

/// What a step sees when it has the fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether the range is what was read.
    pub growth: Growth,
    /// Triggers of others run on its changes.
    pub has_triggers: bool,
}

/// Whether rows may stand in a range that were not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// None: all were read, and only this process can have written since. Loaders write
    /// under the fence.
    None,
    /// Some: not all were read, or somebody else may have written.
    Possible,
}

/// Whether triggers of others run on an update.
macro_rules! has_update_triggers {
    () => {
        "exists (select from pg_trigger where tgrelid = 'public.user_logins'::regclass::oid and \
         not tgisinternal and tgenabled in ('O', 'A') and tgtype::int & 16 <> 0)"
    };
}

/// The planner would read the whole table for a step of some size; places and the index
/// on hashes are always better.
///
/// A step need not wait for the disk. A crash of the server may undo the last ones, each
/// as a whole with its watermark; what a loader has committed after a step, and has
/// waited for, keeps that step.
const SETTINGS: &str = "\
    set local jit = off; \
    set local plan_cache_mode = force_generic_plan; \
    set local lock_timeout = '250ms'; \
    set local synchronous_commit = off; \
    set local enable_seqscan = off; \
    set local enable_hashjoin = off; \
    set local enable_mergejoin = off; \
    lock table vault.fence in exclusive mode; \
    set local lock_timeout = '10s'; \
    set local statement_timeout = '120s'; \
    set local idle_in_transaction_session_timeout = '10s'";

const MOVING: &str = "moving rows to the new key";
const ADVANCING: &str = "advancing the watermark";

impl Session {
    /// Twice as many rows as the table has pages. Then each page is read and written
    /// seldom, and the new versions of its rows still find room on it. There are bounds,
    /// because loaders wait for a step.
    pub(crate) async fn rows_of_a_step(&self) -> Result<u32, DbError> {
        let statement = "\
            select (2 * pg_relation_size('public.user_logins') / \
              current_setting('block_size')::int)::bigint";
        let row = self.read_one("asking how large the table is", statement, &[]).await;
        let rows: i64 = row?.get(0);
        Ok(rows.clamp(Step::FEWEST_ROWS.into(), 60_000) as u32)
    }

    /// Begins a step from the watermark to `next`, holding the fence.
    ///
    /// # Errors
    /// [`super::SqlKind::FenceTaken`]: loaders hold the fence; try again in a moment.
    pub(crate) async fn begin_step(
        &mut self,
        rotation: Rotation,
        next: Uuid,
    ) -> Result<Step<'_>, DbError> {
        let transaction = self.begin_with_fence(Mode::WriteRows, SETTINGS).await?;
        let connection = transaction.connection();
        Ok(Step { transaction, rotation, next, connection, has_triggers: false })
    }
}

impl Step<'_> {
    /// A step moves at least so many rows, if there are as many and no
    /// caller wants fewer.
    pub(crate) const FEWEST_ROWS: u32 = 10_000;

    /// Gives rows their new tokens, each where it was seen; returns how
    /// many were still there.
    pub(crate) async fn move_placed(&self, moves: &[Move]) -> Result<u64, DbError> {
        let places: Vec<Option<Place>> = moves.iter().map(|m| m.place).collect();
        self.update(moves, "place", (&places, Type::TID_ARRAY), "u.ctid = n.place").await
    }

    /// Gives all rows of the values their new tokens; returns how many there were.
    pub(crate) async fn move_values(&self, moves: &[Move]) -> Result<u64, DbError> {
        let joined = self.transaction.batch_execute("set local enable_hashjoin = on").await;
        joined.map_err(|e| DbError::sql(MOVING, &e))?;
        let hashes: Vec<Uuid> = moves.iter().map(|m| m.hash).collect();
        let (_, hash) = self.rotation.columns();
        self.update(moves, "hash", (&hashes, Type::UUID_ARRAY), &format!("u.{hash} = n.hash")).await
    }

    /// Only rows that have the token and are in the range. Their hashes are written only
    /// if they change. Otherwise the entries of the indexes stay as they are, and the
    /// rows on their pages.
    async fn update(
        &self,
        moves: &[Move],
        name: &str,
        which: Parameter<'_>,
        join: &str,
    ) -> Result<u64, DbError> {
        let (masked, hash) = self.rotation.columns();
        let tokens: Vec<&str> = moves.iter().map(|m| m.token.as_str()).collect();
        let new_tokens: Vec<&str> = moves.iter().map(|m| m.new_token.as_str()).collect();
        let new_hashes: Vec<Uuid> = moves.iter().map(|m| m.new_hash).collect();
        let mut parameters: Vec<Parameter<'_>> = vec![
            (&self.rotation.watermark, Type::UUID),
            (&self.next, Type::UUID),
            (&tokens, Type::TEXT_ARRAY),
            (&new_tokens, Type::TEXT_ARRAY),
            which,
        ];
        let (mut set, mut columns) = (
            format!("{masked} = n.new_token"),
            format!(
                "pg_catalog.unnest($3) as token, pg_catalog.unnest($4) as new_token, \
                 pg_catalog.unnest($5) as {name}"
            ),
        );
        if self.rotation.from_hash_key != self.rotation.to_hash_key {
            parameters.push((&new_hashes, Type::UUID_ARRAY));
            set += &format!(", {hash} = n.new_hash");
            columns += ", pg_catalog.unnest($6) as new_hash";
        }
        // In the select list, arrays are read as they come; in `from`, each would be
        // stored first.
        let statement = format!(
            "update public.user_logins u set {set} from (select {columns}) as n \
             where {join} and u.{masked}::text = n.token and u.{hash} > $1 and u.{hash} <= $2"
        );
        self.transaction
            .execute_typed(&statement, &parameters)
            .await
            .map_err(|e| DbError::sql(MOVING, &e))
    }

    /// What has happened since the range was read, and what may happen to
    /// this step's changes.
    pub(crate) async fn look(
        &mut self,
        read: &Coverage,
        previous: &mut LastSteps,
    ) -> Result<Look, DbError> {
        let statement = concat!(
            "select pg_current_xact_id()::text, pg_current_snapshot()::text, ",
            has_update_triggers!()
        );
        // It asks when the fence is held: loaders that wrote have ended by then, and no
        // other can begin. It takes this step's own number too, so that the step is not
        // mistaken for somebody else, now or by the next one.
        let row = self.transaction.query_typed_one(statement, &[]).await;
        let row = row.map_err(|e| DbError::sql("looking who else has written", &e))?;
        let own: u64 =
            row.get::<_, &str>(0).parse().map_err(|_| DbError::Invalid("transaction id"))?;
        self.has_triggers = row.get(2);
        previous.enter(self.connection, own);
        let now = Snapshot::parse(row.get(1))?;
        let growth = match read {
            Coverage::Whole(seen) if seen.only_own_since(&now, &previous.numbers) => Growth::None,
            Coverage::Whole(_) | Coverage::Part => Growth::Possible,
        };
        Ok(Look { growth, has_triggers: self.has_triggers })
    }

    /// Has the rows of these moves remembered, under their old tokens and their new ones,
    /// by all columns that stay.
    pub(crate) async fn remember(&self, moves: &[Move]) -> Result<(), DbError> {
        self.about_rows("select vault.remember_rows($1, $2, $3)", moves).await.map(drop)
    }

    /// Whether as many rows stand there as were remembered, and nothing else
    /// of them has changed.
    pub(crate) async fn are_as_remembered(&self, moves: &[Move]) -> Result<bool, DbError> {
        Ok(self.about_rows("select vault.are_rows_as_remembered($1, $2, $3)", moves).await?.get(0))
    }

    async fn about_rows(&self, statement: &str, moves: &[Move]) -> Result<Row, DbError> {
        let hashes: Vec<Uuid> = moves.iter().flat_map(|m| [m.hash, m.new_hash]).collect();
        let tokens: Vec<&str> =
            moves.iter().flat_map(|m| [m.token.as_str(), m.new_token.as_str()]).collect();
        let parameters: [Parameter<'_>; 3] = [
            (&self.rotation.field.name(), Type::TEXT),
            (&hashes, Type::UUID_ARRAY),
            (&tokens, Type::TEXT_ARRAY),
        ];
        let row = self.transaction.query_typed_one(statement, &parameters).await;
        row.map_err(|e| DbError::sql("comparing rows before and after a step", &e))
    }

    /// Has deferred triggers run now, while the step can still be undone.
    ///
    /// # Errors
    /// When one of them raises an error.
    pub(crate) async fn run_deferred_triggers(&self) -> Result<(), DbError> {
        let run = self.transaction.batch_execute("set constraints all immediate").await;
        run.map_err(|e| DbError::sql(MOVING, &e))
    }

    /// Whether all rows of the range were seen; this transaction has changed some, so
    /// nobody can change that until its end.
    ///
    /// # Errors
    /// [`DbError::Blind`]: they were not.
    pub(crate) async fn require_sight(&self) -> Result<(), DbError> {
        require_sight(&self.transaction, Work::Rotate).await
    }

    /// The error of a step whose rows are not as it left them.
    pub(crate) async fn explain_swallowed(&self, what: String) -> Result<DbError, DbError> {
        let mut suspects = row_triggers(&self.transaction, RowChange::Update).await?;
        suspects.insert(0, what);
        Ok(DbError::Swallowed { action: MOVING, suspects })
    }

    /// What in the range is not under the new key now: loaders may have added values
    /// since it was read.
    pub(crate) async fn read_left(&self) -> Result<Vec<TokenGroup>, DbError> {
        let pattern = self.rotation.pattern();
        let parameters: [Parameter<'_>; 3] = [
            (&self.rotation.watermark, Type::UUID),
            (&pattern, Type::TEXT),
            (&self.next, Type::UUID),
        ];
        let left = self.transaction.query_typed(&self.rotation.left_sql(), &parameters).await;
        Ok(left
            .map_err(|e| DbError::sql("looking for values that were added", &e))?
            .iter()
            .map(token_group)
            .collect())
    }

    /// Advances the watermark to the end of the range and commits; false when another
    /// process has moved it.
    ///
    /// # Errors
    /// When the database is gone or refuses; then the step may or may not have been made.
    pub(crate) async fn commit(self) -> Result<bool, DbError> {
        let failed = |e| DbError::sql(ADVANCING, &e);
        // A trigger that was made since this step looked for them is looked at by the
        // next try.
        let statement = concat!(
            "update vault.rotation set watermark = $3 \
             where field = $1 and finished_at is null and watermark = $2 and to_key = $4 \
             and $5 = ",
            has_update_triggers!()
        );
        let parameters: [Parameter<'_>; 5] = [
            (&self.rotation.field.name(), Type::TEXT),
            (&self.rotation.watermark, Type::UUID),
            (&self.next, Type::UUID),
            (&self.rotation.to_key.to_i64(), Type::INT8),
            (&self.has_triggers, Type::BOOL),
        ];
        if self.transaction.execute_typed(statement, &parameters).await.map_err(failed)? == 0 {
            return Ok(false);
        }
        self.transaction.commit(ADVANCING).await?;
        Ok(true)
    }
}

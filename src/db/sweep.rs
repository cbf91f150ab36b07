//! A rotation's steps: values in the order of their hashes, a range at a time, under the exclusive fence.
//!
//! Invariants: a range is moved and the watermark advanced in one transaction; whoever finds the watermark elsewhere
//! changes nothing. So any number of processes may sweep at once, and none needs to be alone.

use std::pin::pin;

use futures_util::stream::TryStreamExt as _;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, SimpleQueryMessage, Transaction};
use uuid::Uuid;

use super::place::{Place, Snapshot};
use super::{DbError, Session};
use crate::token::{Field, KeyId};

/// A rotation of one field that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Whose tokens move.
    pub field: Field,
    /// The key that they leave.
    pub from_key: KeyId,
    /// The key that they get.
    pub to_key: KeyId,
    /// The key of the hashes that order them.
    pub from_hash_key: KeyId,
    /// The key of their hashes afterwards.
    pub to_hash_key: KeyId,
    /// How far the sweep has come.
    pub watermark: Uuid,
}

/// Rows with one hash and one token, which are not under the new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Their hash.
    pub hash: Uuid,
    /// Their token, as it stands there.
    pub token: Option<String>,
    /// How many were seen.
    pub rows: i64,
    /// Where it lies, if that is one row.
    pub place: Option<Place>,
}

/// What becomes of such rows.
#[derive(Clone, Debug)]
pub struct Move {
    /// The hash that they have.
    pub hash: Uuid,
    /// The token that they have.
    pub token: String,
    /// The token that they get.
    pub new_token: String,
    /// The hash that they get; the same, unless hashes change.
    pub new_hash: Uuid,
    /// Where the row lies, if it is one.
    pub place: Option<Place>,
}

/// The transactions of a process's last steps: of as many as may have begun since a range was read. A crash of the server may
/// give a lost step's number to another's transaction, so they are forgotten where a sweep begins anew.
#[derive(Default)]
pub struct LastSteps([u64; 2]);

/// A step in the making: it holds the fence, and is undone unless it is committed.
pub struct Step<'a> {
    transaction: Transaction<'a>,
    rotation: Rotation,
    /// The end of its range.
    next: Uuid,
}

/// Reading as many rows as come first. One index serves it, and no other plan is any good.
const IN_ORDER: &str = "\
    set local jit = off; \
    set local enable_seqscan = off; \
    set local enable_bitmapscan = off; \
    select pg_current_snapshot()::text";

/// Reading a range: each page once, in the order in which they lie. Pages are tidied (pruned) while they are read, which is
/// most of the work.
const PAGE_BY_PAGE: &str = "\
    set local jit = off; \
    set local max_parallel_workers_per_gather = 0; \
    set local enable_seqscan = off; \
    set local enable_indexscan = off; \
    select pg_current_snapshot()::text";

/// The planner would read the whole table for a step of some size; places and the index on hashes are always better.
///
/// A step need not wait for the disk. A crash of the server may undo the last ones, each as a whole with its watermark; what a
/// loader has committed after a step, and has waited for, keeps that step.
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

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

impl Rotation {
    /// Its columns of tokens and of hashes.
    const fn columns(&self) -> (&'static str, &'static str) {
        match self.field {
            Field::Ip => ("masked_ip", "ip_hash"),
            Field::DeviceId => ("masked_device_id", "device_id_hash"),
        }
    }

    /// At most `$3` rows whose tokens are not like `$2`: the next after `$1`, or any of those up to `$4`.
    fn next_sql(&self, until: Option<Uuid>) -> String {
        let (masked, hash) = self.columns();
        let which = if until.is_some() { format!("and {hash} <= $4 limit $3") } else { format!("order by {hash} limit $3") };
        format!(
            "select {hash}, {masked}, 1::bigint, ctid from public.user_logins \
             where {hash} > $1 and ({masked} like $2) is not true {which}"
        )
    }

    /// Such rows in the range from `$1` to `$3`, a value at a time.
    fn left_sql(&self) -> String {
        let (masked, hash) = self.columns();
        format!(
            "select {hash}, {masked}, count(*), null::tid from public.user_logins \
             where {hash} > $1 and {hash} <= $3 and ({masked} like $2) is not true group by 1, 2"
        )
    }

    /// The pattern of tokens under the new key.
    fn pattern(&self) -> String {
        format!("{}{}.%", self.field.prefix(), self.to_key)
    }
}

impl Session {
    /// The rotations that are not finished, in the order of fields.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn rotations(&self) -> Result<Vec<Rotation>, DbError> {
        let statement = "\
            select field, from_key, to_key, from_hash_key, to_hash_key, watermark from vault.rotation \
            where finished_at is null order by field desc";
        let rows = self.client.query_typed(statement, &[]).await.map_err(|e| DbError::sql("reading the rotation", &e))?;
        rows.iter().map(rotation).collect()
    }

    /// Whether a rotation is under way, or has been since this session began: whoever called for one then has got it.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn has_rotated_since_connecting(&self) -> Result<bool, DbError> {
        let statement = "\
            select exists (select from vault.rotation where finished_at is null or finished_at > \
            (select backend_start from pg_catalog.pg_stat_activity where pid = pg_backend_pid()))";
        let row = self.client.query_typed_one(statement, &[]).await;
        Ok(row.map_err(|e| DbError::sql("reading the rotation", &e))?.get(0))
    }

    /// Twice as many rows as the table has pages: so a page is read and written seldom, while what is rewritten on it still
    /// finds room there. Within bounds, because loaders wait for a step.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn rows_of_a_step(&self) -> Result<u32, DbError> {
        let statement = "\
            select (2 * pg_relation_size('public.user_logins') / current_setting('block_size')::int)::bigint";
        let row = self.client.query_typed_one(statement, &[]).await;
        let rows: i64 = row.map_err(|e| DbError::sql("asking how large the table is", &e))?.get(0);
        Ok(rows.clamp(Step::FEWEST_ROWS.into(), 60_000) as u32)
    }

    /// Hands out rows after the watermark that are not under the new key, `rows` at most: in the order of their hashes, or
    /// all up to `until` in no order. Returns a snapshot that was taken before.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn read_rows(
        &mut self,
        rotation: &Rotation,
        until: Option<Uuid>,
        rows: i64,
        mut each: impl FnMut(Value),
    ) -> Result<Snapshot, DbError> {
        let failed = |e: tokio_postgres::Error| DbError::sql("reading the next values", &e);
        let transaction = self.client.transaction().await.map_err(failed)?;
        let settings = if until.is_some() { PAGE_BY_PAGE } else { IN_ORDER };
        let seen = transaction.simple_query(settings).await.map_err(failed)?;
        let seen = seen.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        let seen = Snapshot::parse(seen.ok_or(DbError::Invalid("snapshot"))?)?;
        let pattern = rotation.pattern();
        let mut parameters: Vec<Parameter<'_>> =
            vec![(&rotation.watermark, Type::UUID), (&pattern, Type::TEXT), (&rows, Type::INT8)];
        parameters.extend(until.iter().map(|until| (until as &(dyn ToSql + Sync), Type::UUID)));
        let mut found = pin!(transaction.query_typed_raw(&rotation.next_sql(until), parameters).await.map_err(failed)?);
        while let Some(row) = found.try_next().await.map_err(failed)? {
            each(value(&row));
        }
        transaction.commit().await.map_err(failed)?;
        Ok(seen)
    }

    /// Begins a step from the watermark to `next`, holding the fence.
    ///
    /// # Errors
    /// [`DbError::is_fence_taken`]: loaders hold the fence; try again in a moment.
    pub async fn begin_step(&mut self, rotation: Rotation, next: Uuid) -> Result<Step<'_>, DbError> {
        let failed = |e| DbError::sql(super::error::TAKING_THE_FENCE, &e);
        let transaction = self.client.transaction().await.map_err(failed)?;
        transaction.batch_execute(SETTINGS).await.map_err(failed)?;
        Ok(Step { transaction, rotation, next })
    }

    /// Who holds the fence: login, name of the connection, address.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn fence_holders(&self) -> Result<Vec<String>, DbError> {
        let statement = "\
            select format('%s (%s, pid %s%s)', login, application_name, pid, ', from ' || host(client_addr)) \
            from vault.fence_holders where granted and pid <> pg_backend_pid() order by xact_start";
        let rows = self.client.query_typed(statement, &[]).await;
        Ok(rows.map_err(|e| DbError::sql("looking who holds the fence", &e))?.iter().map(|row| row.get(0)).collect())
    }
}

impl Step<'_> {
    /// What a step moves at least where there is as much, unless a caller wants less.
    pub const FEWEST_ROWS: u32 = 10_000;

    /// Gives rows their new tokens, each where it was seen; returns how many were still there.
    ///
    /// # Errors
    /// When the database is gone or refuses.
    pub async fn move_placed(&self, moves: &[Move]) -> Result<u64, DbError> {
        let places: Vec<Option<Place>> = moves.iter().map(|m| m.place).collect();
        self.update(moves, "place", (&places, Type::TID_ARRAY), "u.ctid = n.place").await
    }

    /// Gives all rows of the values their new tokens; returns how many there were.
    ///
    /// # Errors
    /// When the database is gone or refuses.
    pub async fn move_values(&self, moves: &[Move]) -> Result<u64, DbError> {
        let joined = self.transaction.batch_execute("set local enable_hashjoin = on").await;
        joined.map_err(|e| DbError::sql(MOVING, &e))?;
        let hashes: Vec<Uuid> = moves.iter().map(|m| m.hash).collect();
        let (_, hash) = self.rotation.columns();
        self.update(moves, "hash", (&hashes, Type::UUID_ARRAY), &format!("u.{hash} = n.hash")).await
    }

    /// Only rows that have the token and are in the range. Their hashes are left alone unless these change: else their index
    /// entries stay, and they on their pages.
    async fn update(&self, moves: &[Move], name: &str, which: Parameter<'_>, join: &str) -> Result<u64, DbError> {
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
        let (mut set, mut columns) =
            (format!("{masked} = n.new_token"), format!("unnest($3) as token, unnest($4) as new_token, unnest($5) as {name}"));
        if self.rotation.from_hash_key != self.rotation.to_hash_key {
            parameters.push((&new_hashes, Type::UUID_ARRAY));
            set += &format!(", {hash} = n.new_hash");
            columns += ", unnest($6) as new_hash";
        }
        // In the select list, arrays are read as they come; in `from`, each would be stored first.
        let statement = format!(
            "update public.user_logins u set {set} from (select {columns}) as n \
             where {join} and u.{masked} = n.token and u.{hash} > $1 and u.{hash} <= $2"
        );
        self.transaction.execute_typed(&statement, &parameters).await.map_err(|e| DbError::sql(MOVING, &e))
    }

    /// Whether only this step's transaction and those of `previous` can have written since `seen`: then nothing was added to
    /// the range, for loaders write under the fence.
    ///
    /// # Errors
    /// When the database is gone or refuses.
    pub async fn only_own_since(&self, seen: &Snapshot, previous: &mut LastSteps) -> Result<bool, DbError> {
        let statement = "select pg_current_xact_id()::text, pg_current_snapshot()::text";
        let row = self.transaction.query_typed(statement, &[]).await;
        let row = row.map_err(|e| DbError::sql("looking who else has written", &e))?;
        let row = row.first().ok_or(DbError::Invalid("snapshot"))?;
        let own: u64 = row.get::<_, &str>(0).parse().map_err(|_| DbError::Invalid("transaction id"))?;
        previous.0.rotate_right(1);
        previous.0[0] = own;
        Ok(seen.only_own_since(&Snapshot::parse(row.get(1))?, &previous.0))
    }

    /// What in the range is not under the new key now: loaders may have added values since it was read.
    ///
    /// # Errors
    /// When the database is gone or refuses.
    pub async fn left(&self) -> Result<Vec<Value>, DbError> {
        let pattern = self.rotation.pattern();
        let parameters: [Parameter<'_>; 3] =
            [(&self.rotation.watermark, Type::UUID), (&pattern, Type::TEXT), (&self.next, Type::UUID)];
        let left = self.transaction.query_typed(&self.rotation.left_sql(), &parameters).await;
        Ok(left.map_err(|e| DbError::sql("looking for values that were added", &e))?.iter().map(value).collect())
    }

    /// Advances the watermark to the end of the range and commits; false when another process has moved it.
    ///
    /// # Errors
    /// When the database is gone or refuses; then the step may or may not have been made.
    pub async fn commit(self) -> Result<bool, DbError> {
        let failed = |e| DbError::sql("advancing the watermark", &e);
        let statement = "\
            update vault.rotation set watermark = $3 where field = $1 and finished_at is null and watermark = $2 and to_key = $4";
        let parameters: [Parameter<'_>; 4] = [
            (&self.rotation.field.name(), Type::TEXT),
            (&self.rotation.watermark, Type::UUID),
            (&self.next, Type::UUID),
            (&self.rotation.to_key.to_i64(), Type::INT8),
        ];
        if self.transaction.execute_typed(statement, &parameters).await.map_err(failed)? == 0 {
            return Ok(false);
        }
        self.transaction.commit().await.map_err(failed)?;
        Ok(true)
    }
}

fn rotation(row: &Row) -> Result<Rotation, DbError> {
    let key = |column: usize| KeyId::try_from(row.get::<_, i64>(column)).map_err(|_| DbError::Invalid("key id"));
    let field = Field::ALL.into_iter().find(|field| field.name() == row.get::<_, &str>(0)).ok_or(DbError::Invalid("rotation"))?;
    Ok(Rotation {
        field,
        from_key: key(1)?,
        to_key: key(2)?,
        from_hash_key: key(3)?,
        to_hash_key: key(4)?,
        watermark: row.get(5),
    })
}

fn value(row: &Row) -> Value {
    Value { hash: row.get(0), token: row.get(1), rows: row.get(2), place: row.get(3) }
}

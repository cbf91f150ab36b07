//! What a rotation reads: the values after its watermark, in the order of their hashes, a
//! range at a time.
//!
//! Invariant: a range counts as read only if the reader is proved to have seen all of its
//! rows (`sight.rs`).

use std::pin::pin;

use futures_util::stream::TryStreamExt as _;
use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, SimpleQueryMessage};
use uuid::Uuid;

use super::place::{Place, Snapshot};
use super::session::{Mode, Parameter};
use super::sight::{Work, require_sight};
use super::words::word;
use super::{DbError, Session};
use crate::token::{Field, KeyId};

/// A rotation of one field that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
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
pub(crate) struct TokenGroup {
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
pub(crate) struct Move {
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

/// Reading as many rows as come first. One index serves it, and no
/// other plan is any good.
const IN_ORDER: &str = "\
    set local jit = off; \
    set local enable_seqscan = off; \
    set local enable_bitmapscan = off; \
    select pg_current_snapshot()::text";

/// Reading a range: each page once, in the order in which they lie. Pages are tidied
/// (pruned) while they are read, which is most of the work.
const PAGE_BY_PAGE: &str = "\
    set local jit = off; \
    set local max_parallel_workers_per_gather = 0; \
    set local enable_seqscan = off; \
    set local enable_indexscan = off; \
    select pg_current_snapshot()::text";

const READING: &str = "reading the next values";

impl Rotation {
    /// Its columns of tokens and of hashes.
    pub(super) const fn columns(&self) -> (&'static str, &'static str) {
        (self.field.token_column(), self.field.hash_column())
    }

    /// At most `$3` rows whose tokens are not like `$2`: the next after `$1`, or any of
    /// those up to `$4`.
    fn next_sql(&self, until: Option<Uuid>) -> String {
        let (masked, hash) = self.columns();
        let which = if until.is_some() {
            format!("and {hash} <= $4 limit $3")
        } else {
            format!("order by {hash} limit $3")
        };
        format!(
            "select {hash}, {masked}, 1::bigint, ctid from public.user_logins \
             where {hash} > $1 and ({masked}::text like $2) is not true {which}"
        )
    }

    /// Such rows in the range from `$1` to `$3`, a value at a time.
    pub(super) fn left_sql(&self) -> String {
        let (masked, hash) = self.columns();
        format!(
            "select {hash}, {masked}, pg_catalog.count(*), null::tid from public.user_logins \
             where {hash} > $1 and {hash} <= $3 and ({masked}::text like $2) is not true \
               group by 1, 2"
        )
    }

    /// The pattern of tokens under the new key.
    pub(super) fn pattern(&self) -> String {
        format!("{}{}.%", self.field.prefix(), self.to_key)
    }
}

impl Session {
    /// The rotations that are not finished, in the order of fields.
    pub(crate) async fn rotations(&self) -> Result<Vec<Rotation>, DbError> {
        let statement = "\
            select field, from_key, to_key, from_hash_key, to_hash_key, watermark \
            from vault.rotation where finished_at is null";
        let rows = self.read("reading the rotation", statement, &[]).await?;
        let rotations: Result<Vec<_>, _> = rows.iter().map(rotation).collect();
        let mut rotations = rotations?;
        rotations.sort_unstable_by_key(|rotation| rotation.field);
        Ok(rotations)
    }

    /// Whether a rotation is under way, or has ended since `begun` by the server's clock:
    /// whoever called for one then has got it. The age of a connection tells nothing:
    /// behind a pooler it is that of somebody else's.
    pub(crate) async fn has_rotated_since(&self, begun: Timestamp) -> Result<bool, DbError> {
        let statement = "select exists (select from vault.rotation where finished_at is null \
                           or finished_at > $1)";
        Ok(self
            .read_one("reading the rotation", statement, &[(&begun, Type::TIMESTAMPTZ)])
            .await?
            .get(0))
    }

    /// Hands out rows after the watermark that are not under the new key, `rows` at most:
    /// in the order of their hashes, or all up to `until` in no order. Returns a snapshot
    /// that was taken before.
    pub(crate) async fn read_rows(
        &mut self,
        rotation: &Rotation,
        until: Option<Uuid>,
        rows: i64,
        mut each: impl FnMut(TokenGroup),
    ) -> Result<Snapshot, DbError> {
        let failed = |e: tokio_postgres::Error| DbError::sql(READING, &e);
        let transaction = self.begin(Mode::Read, "", READING).await?;
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
        let mut found = pin!(
            transaction
                .query_typed_raw(&rotation.next_sql(until), parameters)
                .await
                .map_err(failed)?
        );
        while let Some(row) = found.try_next().await.map_err(failed)? {
            each(token_group(&row));
        }
        // After the rows: this transaction holds the table, so what hid some of them
        // would be there still.
        require_sight(&transaction, Work::Rotate).await?;
        transaction.commit(READING).await?;
        Ok(seen)
    }

    /// Who holds the fence: login, name of the connection, address.
    pub(crate) async fn fence_holders(&self) -> Result<Vec<String>, DbError> {
        let statement = "\
            select format('%s (%s, pid %s%s)', login, application_name, pid, \
                          ', from ' || host(client_addr)) \
            from vault.fence_holders where granted and pid <> pg_backend_pid() order by xact_start";
        let rows = self.read("looking who holds the fence", statement, &[]).await;
        Ok(rows?.iter().map(|row| row.get(0)).collect())
    }
}

fn rotation(row: &Row) -> Result<Rotation, DbError> {
    Ok(Rotation {
        field: word(row, 0)?,
        from_key: word(row, 1)?,
        to_key: word(row, 2)?,
        from_hash_key: word(row, 3)?,
        to_hash_key: word(row, 4)?,
        watermark: row.get(5),
    })
}

pub(super) fn token_group(row: &Row) -> TokenGroup {
    TokenGroup { hash: row.get(0), token: row.get(1), rows: row.get(2), place: row.get(3) }
}

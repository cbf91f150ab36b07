//! The quarantine: listed without content, retried by moving a message into the rows in
//! one transaction, purged by hand.

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::audit::append;
use super::rows::{RowColumns, has_insert_triggers, row_arrays, row_names};
use super::session::{Mode, Parameter};
use super::{DbError, Fenced, Session};
use crate::audit::RecordKind;
use crate::login::MaskedLogin;
use crate::token::Fields;

/// What `quarantine list` shows of a message: everything but its content.
pub(crate) struct QuarantineEntry {
    /// The number by which people name it.
    pub id: i64,
    /// The ledger's id of the message.
    pub message_id: Uuid,
    /// `queue` or `file`.
    pub source: String,
    /// When it was sent, where that is known.
    pub sent_at: Option<Timestamp>,
    /// When it was received.
    pub received_at: Timestamp,
    /// How often the queue had handed it out.
    pub receive_count: Option<i32>,
    /// The reason code.
    pub reason: String,
    /// The field to blame.
    pub field: Option<String>,
    /// The length of what is wrong.
    pub length: Option<i64>,
    /// When it was quarantined.
    pub quarantined_at: Timestamp,
}

/// The sealed body of a quarantined message.
#[derive(Clone)]
pub(crate) struct SealedBody {
    /// The number by which people name it.
    pub id: i64,
    /// The message for which it was sealed.
    pub message_id: Uuid,
    /// What was sealed, with its seal.
    pub sealed: Vec<u8>,
}

/// A quarantined message, to be opened and tried again.
pub(crate) struct RetryCandidate {
    /// Its body.
    pub body: SealedBody,
    /// The day of its row when the body carries none.
    pub row_day: Date,
}

/// Which messages a command means. An empty filter means all.
#[derive(Clone, Debug, Default)]
pub(crate) struct QuarantineFilter {
    /// These numbers.
    pub ids: Option<Vec<i64>>,
    /// This reason code.
    pub reason: Option<String>,
    /// Quarantined before this time.
    pub before: Option<Timestamp>,
}

/// `$1..$3` are the filter; null means any.
macro_rules! matching {
    () => {
        "($1::int8[] is null or id = any($1)) and ($2::text is null or reason = $2) \
         and ($3::timestamptz is null or quarantined_at < $3)"
    };
}

const LIST: &str = concat!(
    "select id, message_id, source, sent_at, received_at, receive_count, \
            reason, field, length, quarantined_at \
     from ingest.quarantine where ",
    matching!(),
    " order by id limit $4"
);

const COUNT: &str = concat!("select count(*) from ingest.quarantine where ", matching!());

const IDS: &str = concat!("select id from ingest.quarantine where ", matching!());

const PURGE: &str = "delete from ingest.quarantine where id = any($1)";

const SEALED: &str = concat!(
    "select id, message_id, sealed, row_day from ingest.quarantine where ",
    matching!(),
    " and id > $4 order by id limit $5"
);

/// Out of the quarantine and into the rows, with these fields masked.
fn move_sql(fields: Fields) -> String {
    let (names, arrays) = (row_names(fields), row_arrays(fields, 2));
    format!(
        "with logins as (
            select * from unnest($1::int8[], {arrays}) as t (id, {names})
        ), taken as (
            delete from ingest.quarantine q using logins l where q.id = l.id returning q.id
        ), moved as (
            insert into public.user_logins ({names}) select {names} from logins
              join taken using (id)
            returning 1
        )
        select (select pg_catalog.count(*) from taken),
               (select pg_catalog.count(*) from moved), {}",
        has_insert_triggers!()
    )
}

impl QuarantineFilter {
    fn parameters(&self) -> [Parameter<'_>; 3] {
        [
            (&self.ids, Type::INT8_ARRAY),
            (&self.reason, Type::TEXT),
            (&self.before, Type::TIMESTAMPTZ),
        ]
    }
}

impl Session {
    /// The oldest `limit` messages of the filter.
    pub(crate) async fn quarantine_list(
        &self,
        filter: &QuarantineFilter,
        limit: i64,
    ) -> Result<Vec<QuarantineEntry>, DbError> {
        let parameters = [&filter.parameters()[..], &[(&limit, Type::INT8)]].concat();
        let rows = self.read("listing the quarantine", LIST, &parameters).await?;
        let entry = |row: &Row| QuarantineEntry {
            id: row.get(0),
            message_id: row.get(1),
            source: row.get(2),
            sent_at: row.get(3),
            received_at: row.get(4),
            receive_count: row.get(5),
            reason: row.get(6),
            field: row.get(7),
            length: row.get(8),
            quarantined_at: row.get(9),
        };
        Ok(rows.iter().map(entry).collect())
    }

    /// How many messages the filter means now.
    pub(crate) async fn quarantine_count(&self, filter: &QuarantineFilter) -> Result<u64, DbError> {
        let row = self.read_one("counting the quarantine", COUNT, &filter.parameters()).await;
        row.map(|row| row.get::<_, i64>(0).unsigned_abs())
    }

    /// The numbers of the messages that the filter means now.
    pub(crate) async fn quarantine_ids(
        &self,
        filter: &QuarantineFilter,
    ) -> Result<Vec<i64>, DbError> {
        let rows =
            self.read("choosing messages of the quarantine", IDS, &filter.parameters()).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Deletes these messages for good, and no others, and writes that into the audit
    /// log, in one transaction.
    pub(crate) async fn quarantine_purge(
        &mut self,
        ids: &[i64],
        record: impl FnOnce(u64) -> String,
    ) -> Result<u64, DbError> {
        const ACTION: &str = "purging the quarantine";
        let transaction = self.begin(Mode::Write, "", ACTION).await?;
        let purged = transaction
            .execute_typed(PURGE, &[(&ids, Type::INT8_ARRAY)])
            .await
            .map_err(|e| DbError::sql(ACTION, &e))?;
        append(&transaction, RecordKind::QuarantinePurge, &record(purged)).await?;
        transaction.commit(ACTION).await?;
        Ok(purged)
    }

    /// The next `limit` sealed bodies of the filter after number `after`.
    pub(crate) async fn quarantine_bodies(
        &self,
        filter: &QuarantineFilter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<RetryCandidate>, DbError> {
        let parameters =
            [&filter.parameters()[..], &[(&after, Type::INT8), (&limit, Type::INT8)]].concat();
        let rows = self.read("reading the quarantine", SEALED, &parameters).await?;
        Ok(rows
            .iter()
            .map(|row| RetryCandidate { body: sealed_body(row), row_day: row.get(3) })
            .collect())
    }
}

impl Fenced<'_> {
    /// Moves messages from the quarantine into the rows; returns how many still stood
    /// there to be moved.
    ///
    /// # Errors
    /// [`super::SqlKind::Data`]: one of the rows is to blame.
    pub(crate) async fn move_from_quarantine(
        &self,
        logins: &[(i64, MaskedLogin)],
    ) -> Result<u64, DbError> {
        let ids: Vec<i64> = logins.iter().map(|(id, _)| *id).collect();
        let rows = RowColumns::of(logins.iter().map(|(_, login)| login))?;
        let ids: Parameter<'_> = (&ids, Type::INT8_ARRAY);
        let parameters: Vec<Parameter<'_>> =
            std::iter::once(ids).chain(rows.parameters()).collect();
        let answer = self.transaction.query_typed_one(&move_sql(rows.fields()), &parameters).await;
        let answer =
            answer.map_err(|e| DbError::sql("moving messages out of the quarantine", &e))?;
        let count = |column: usize| answer.get::<_, i64>(column).unsigned_abs();
        let moved = count(1);
        self.require_count(count(0), moved).await?;
        if answer.get::<_, bool>(2) && moved > 0 {
            self.compare(&rows, moved).await?;
        }
        Ok(moved)
    }
}

/// Number, message and sealed body, in this order.
pub(super) fn sealed_body(row: &Row) -> SealedBody {
    SealedBody { id: row.get(0), message_id: row.get(1), sealed: row.get(2) }
}

//! A batch of messages becomes rows: one guarded statement, in a transaction that holds
//! the fence.
//!
//! Invariants: a message whose id is in the ledger changes nothing; rows and ledger
//! change together; the statement inserts nothing at all when one row is under another
//! key than the plan asks for.

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::rows::{RowColumns, fields_of, has_insert_triggers, row_arrays, row_names};
use super::session::Parameter;
use super::sight::{Work, require_sight};
use super::{DbError, Fenced};
use crate::login::{Delivery, MaskedField, MaskedLogin, SealedRejection, Verdict};
use crate::token::{Field, Fields, KeyId};

/// Ledger before rows before quarantine, in the order of ids: two loaders with the same
/// messages cannot deadlock. The guard (`ingest.accepts`) judges all rows before one of
/// them is inserted.
fn insert_sql(fields: Fields) -> String {
    let (names, arrays) = (row_names(fields), row_arrays(fields, 20));
    format!(
        "with logins as (
    select * from unnest($18::date[], $19::uuid[], {arrays}) as t (sent_day, message_id, {names})
), rejections as (
    select * from unnest($1::date[], $2::uuid[], $3::text[], $4::timestamptz[],
                         $5::timestamptz[], $6::int4[], $7::date[], $8::text[], $9::text[],
                         $10::int8[], $11::int8[], $12::bytea[])
        as t (sent_day, message_id, source, sent_at, received_at, receive_count,
              row_day, reason, field, length, seal_key_id, sealed)
), accepted as (
    select ingest.accepts($13, $14, $15, $16, $17,
                          exists (select from logins where user_id is not null),
                          array(select distinct seal_key_id from rejections)) as yes
), fresh as (
    insert into ingest.ledger (sent_day, message_id)
    select sent_day, message_id
    from (select sent_day, message_id from logins
          union all select sent_day, message_id from rejections) as ids
    where (select yes from accepted)
    order by sent_day, message_id
    on conflict (sent_day, message_id) do nothing
    returning sent_day, message_id
), loaded as (
    insert into public.user_logins ({names})
    select {names} from logins join fresh using (sent_day, message_id)
    returning 1
), quarantined as (
    insert into ingest.quarantine (message_id, source, sent_at, received_at, receive_count,
                                   row_day, reason, field, length, seal_key_id, sealed)
    select message_id, source, sent_at, received_at, receive_count,
           row_day, reason, field, length, seal_key_id, sealed
    from rejections join fresh using (sent_day, message_id)
    returning 1
)
select (select yes from accepted),
       (select pg_catalog.count(*) from fresh join logins using (sent_day, message_id)),
       (select pg_catalog.count(*) from loaded),
       (select pg_catalog.count(*) from fresh join rejections using (sent_day, message_id)),
       (select pg_catalog.count(*) from quarantined),
       {},
       exists (select from pg_trigger where not tgisinternal and tgenabled <> 'D'
         and tgrelid = any(array(
                   select inhrelid from pg_inherits where inhparent = 'ingest.ledger'::regclass::oid
                   union all values ('ingest.ledger'::regclass::oid),
                     ('ingest.quarantine'::regclass::oid))))",
        has_insert_triggers!()
    )
}

/// One message of a batch. The ids of a batch are distinct.
#[derive(Clone, Copy)]
pub(crate) struct BatchRow<'a> {
    /// Its id and times.
    pub delivery: &'a Delivery,
    /// What became of it.
    pub verdict: &'a Verdict,
}

/// What a guarded insert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchAnswer {
    /// A row was under another key than the plan asks for: nothing was inserted.
    Refused,
    /// Inserted; whatever is missing had been loaded before.
    Inserted {
        /// New rows of `user_logins`.
        logins: u64,
        /// New rows of `ingest.quarantine`.
        rejections: u64,
    },
}

impl Fenced<'_> {
    /// Inserts a batch, once each.
    ///
    /// # Errors
    /// [`super::SqlKind::MissingDay`]: make the days and send again.
    /// [`super::SqlKind::Data`]: one of the rows is to blame.
    pub(crate) async fn insert_batch(
        &self,
        batch: &[BatchRow<'_>],
    ) -> Result<BatchAnswer, DbError> {
        let masked = batch.iter().filter_map(|row| match row.verdict {
            Verdict::Login(login) => Some(login),
            Verdict::Rejected(_) => None,
        });
        let mut logins = LoginColumns::new(fields_of(masked));
        let mut rejections = RejectionColumns::default();
        for row in batch {
            match row.verdict {
                Verdict::Login(login) if logins.push(row.delivery, login) => {}
                // Rows masked by two plans: one of them is not in force.
                Verdict::Login(_) => return Ok(BatchAnswer::Refused),
                Verdict::Rejected(rejected) => rejections.push(row.delivery, rejected),
            }
        }
        // The rows were masked by a plan that was read before the fence was held, and the
        // watermark may have moved since. So the statement that inserts asks the guard:
        // it began under the fence, and what it sees of the plan stays so until the
        // commit. The guard compares keys, not the age of the plan: a row on the right
        // side of the watermark may go in, else a loader would begin anew at every step
        // of a sweep.
        let parameters = [rejections.parameters(), logins.parameters()].concat();
        let answer =
            self.transaction.query_typed_one(&insert_sql(logins.rows.fields()), &parameters).await;
        let answer = answer.map_err(|e| DbError::sql("inserting a batch", &e))?;
        if !answer.get::<_, bool>(0) {
            return Ok(BatchAnswer::Refused);
        }
        let count = |column: usize| answer.get::<_, i64>(column).unsigned_abs();
        let (inserted, quarantined) = (count(2), count(4));
        self.require_count(count(1), inserted).await?;
        if count(3) != quarantined || answer.get::<_, bool>(6) {
            // Whoever stands there may have swallowed the ledger too, and a new message
            // would pass for an old one.
            require_sight(&self.transaction, Work::Load).await?;
            return Err(DbError::Swallowed {
                action: "quarantining messages",
                suspects: vec!["ingest.quarantine".to_owned()],
            });
        }
        if answer.get::<_, bool>(5) && inserted > 0 {
            self.compare(&logins.rows, inserted).await?;
        }
        Ok(BatchAnswer::Inserted { logins: inserted, rejections: quarantined })
    }
}

/// The columns of logins, as arrays, and what the guard must know of them.
struct LoginColumns<'a> {
    sent_day: Vec<Date>,
    message_id: Vec<Uuid>,
    rows: RowColumns<'a>,
    spans: Spans,
}

impl<'a> LoginColumns<'a> {
    fn new(fields: Fields) -> Self {
        let (sent_day, message_id, spans) = Default::default();
        Self { sent_day, message_id, rows: RowColumns::new(fields), spans }
    }

    /// Adds a row; false if it is masked in other fields.
    fn push(&mut self, delivery: &Delivery, login: &'a MaskedLogin) -> bool {
        if !self.rows.push(login) {
            return false;
        }
        self.sent_day.push(delivery.sent.ledger_day());
        self.message_id.push(delivery.message_id);
        login.masked.iter().for_each(|(field, masked)| self.spans.add(field, masked));
        true
    }

    fn parameters(&self) -> Vec<Parameter<'_>> {
        let ids: [Parameter<'_>; 2] =
            [(&self.sent_day, Type::DATE_ARRAY), (&self.message_id, Type::UUID_ARRAY)];
        self.spans.parameters().into_iter().chain(ids).chain(self.rows.parameters()).collect()
    }
}

/// All rows of one field with one key and one key of their order. The guard asks
/// on which side of the watermark they are, and the first and the last in that
/// order answer for all.
#[derive(Default)]
struct Spans {
    field: Vec<&'static str>,
    key: Vec<KeyId>,
    order_key: Vec<KeyId>,
    lowest: Vec<Uuid>,
    highest: Vec<Uuid>,
}

impl Spans {
    fn add(&mut self, field: Field, masked: &MaskedField) {
        let (key, order_key) = (masked.key_id(), masked.order_key);
        let is_same = |at: &usize| {
            (self.field[*at], self.key[*at], self.order_key[*at]) == (field.name(), key, order_key)
        };
        // There are a few: two keys a field while a rotation runs.
        if let Some(known) = (0..self.field.len()).find(is_same) {
            self.lowest[known] = self.lowest[known].min(masked.order);
            self.highest[known] = self.highest[known].max(masked.order);
            return;
        }
        self.field.push(field.name());
        self.key.push(key);
        self.order_key.push(order_key);
        self.lowest.push(masked.order);
        self.highest.push(masked.order);
    }

    fn parameters(&self) -> [Parameter<'_>; 5] {
        [
            (&self.field, Type::TEXT_ARRAY),
            (&self.key, Type::INT8_ARRAY),
            (&self.order_key, Type::INT8_ARRAY),
            (&self.lowest, Type::UUID_ARRAY),
            (&self.highest, Type::UUID_ARRAY),
        ]
    }
}

/// The columns of rejections, as arrays.
#[derive(Default)]
pub(super) struct RejectionColumns<'a> {
    sent_day: Vec<Date>,
    message_id: Vec<Uuid>,
    source: Vec<&'static str>,
    sent_at: Vec<Option<Timestamp>>,
    received_at: Vec<Timestamp>,
    receive_count: Vec<Option<i32>>,
    row_day: Vec<Date>,
    reason: Vec<&'static str>,
    field: Vec<Option<&'static str>>,
    length: Vec<Option<i64>>,
    seal_key_id: Vec<KeyId>,
    sealed: Vec<&'a [u8]>,
}

impl<'a> RejectionColumns<'a> {
    pub(super) fn len(&self) -> usize {
        self.sealed.len()
    }

    pub(super) fn push(&mut self, delivery: &Delivery, rejected: &'a SealedRejection) {
        self.sent_day.push(delivery.sent.ledger_day());
        self.message_id.push(delivery.message_id);
        self.source.push(delivery.source.name());
        self.sent_at.push(delivery.sent.timestamp());
        self.received_at.push(delivery.received_at);
        self.receive_count.push(delivery.receive_count);
        self.row_day.push(delivery.row_day);
        self.reason.push(rejected.rejection.reason.code());
        self.field.push(rejected.rejection.field);
        self.length.push(rejected.rejection.length.and_then(|n| i64::try_from(n).ok()));
        self.seal_key_id.push(rejected.key_id);
        self.sealed.push(&rejected.sealed);
    }

    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        vec![
            (&self.sent_day, Type::DATE_ARRAY),
            (&self.message_id, Type::UUID_ARRAY),
            (&self.source, Type::TEXT_ARRAY),
            (&self.sent_at, Type::TIMESTAMPTZ_ARRAY),
            (&self.received_at, Type::TIMESTAMPTZ_ARRAY),
            (&self.receive_count, Type::INT4_ARRAY),
            (&self.row_day, Type::DATE_ARRAY),
            (&self.reason, Type::TEXT_ARRAY),
            (&self.field, Type::TEXT_ARRAY),
            (&self.length, Type::INT8_ARRAY),
            (&self.seal_key_id, Type::INT8_ARRAY),
            (&self.sealed, Type::BYTEA_ARRAY),
        ]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;
    use crate::token::Token;

    #[test]
    fn a_span_knows_the_first_and_the_last_of_its_rows() {
        let masked = |key: u32, order_key: u32, order: u128| MaskedField {
            token: Token::parse(&format!("ip1.{key}.{}", "A".repeat(43))).unwrap(),
            hash: Uuid::nil(),
            order: Uuid::from_u128(order),
            order_key: KeyId::new(order_key).unwrap(),
        };
        let mut spans = Spans::default();
        for (field, one) in [
            (Field::Ip, masked(7, 2, 5)),
            (Field::Ip, masked(7, 2, 3)),
            (Field::Ip, masked(7, 2, 9)),
            (Field::Ip, masked(7, 8, 1)),
            (Field::Ip, masked(9, 2, 1)),
            (Field::DeviceId, masked(7, 2, 4)),
        ] {
            spans.add(field, &one);
        }
        assert_eq!(spans.field, ["ip", "ip", "ip", "device_id"]);
        assert_eq!((spans.lowest[0], spans.highest[0]), (Uuid::from_u128(3), Uuid::from_u128(9)));
        assert_eq!((spans.lowest[3], spans.highest[3]), (Uuid::from_u128(4), Uuid::from_u128(4)));
    }
}

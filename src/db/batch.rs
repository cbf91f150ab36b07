//! A batch of messages becomes rows: one guarded statement, in a transaction that holds the fence.
//!
//! Invariants: a message whose id is in the ledger changes nothing; rows and ledger change together; the statement
//! inserts nothing at all when one row is under another key than the plan asks for.

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::rows::{RowColumns, has_insert_triggers, row_columns};
use super::session::Parameter;
use super::sight::{Work, require_sight};
use super::{DbError, Fenced};
use crate::login::{Envelope, MaskedLogin, Outcome, SealedRejection};

/// Ledger before rows before quarantine, in the order of ids: two loaders with the same messages cannot deadlock.
/// The guard compares the key of each row with the one that the plan asks for at its place in the sweep.
const INSERT: &str = concat!(
    "with logins as (
    select * from unnest($1::date[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int4[],
                         $9::date[], $10::uuid[], $11::uuid[], $12::int8[], $13::int8[], $14::uuid[], $15::uuid[],
                         $16::int8[], $17::int8[])
        as t (sent_day, message_id, user_id, device_type, masked_ip, masked_device_id, locale, app_version,
              create_date, ip_hash, device_id_hash, ip_key, device_id_key, ip_order, device_id_order,
              ip_order_key, device_id_order_key)
), rejections as (
    select * from unnest($18::date[], $19::uuid[], $20::text[], $21::timestamptz[], $22::timestamptz[], $23::int4[],
                         $24::date[], $25::text[], $26::text[], $27::int8[], $28::int8[], $29::bytea[])
        as t (sent_day, message_id, source, sent_at, received_at, receive_count,
              row_day, reason, field, length, seal_key_id, sealed)
), accepted as (
    select not exists (
        select from logins l where
               l.ip_key <> case when l.ip_order <= p.ip_watermark then p.ip_to_mask else p.ip_from_mask end
            or l.device_id_key <> case when l.device_id_order <= p.device_id_watermark
                                       then p.device_id_to_mask else p.device_id_from_mask end
            -- While a rotation runs, only an order by its own hash key tells on which side of the watermark a value is.
            or (p.ip_from_mask <> p.ip_to_mask and l.ip_order_key <> p.ip_from_hash)
            or (p.device_id_from_mask <> p.device_id_to_mask and l.device_id_order_key <> p.device_id_from_hash)
    ) and not exists (select from rejections r where r.seal_key_id <> p.seal) as yes
    from vault.plan p
), fresh as (
    insert into ingest.ledger (sent_day, message_id)
    select sent_day, message_id
    from (select sent_day, message_id from logins union all select sent_day, message_id from rejections) as ids
    where (select yes from accepted)
    order by sent_day, message_id
    on conflict (sent_day, message_id) do nothing
    returning sent_day, message_id
), loaded as (
    insert into public.user_logins (",
    row_columns!(),
    ")
    select ",
    row_columns!(),
    "
    from logins join fresh using (sent_day, message_id)
    returning 1
), quarantined as (
    insert into ingest.quarantine (message_id, source, sent_at, received_at, receive_count,
                                   row_day, reason, field, length, seal_key_id, sealed)
    select message_id, source, sent_at, received_at, receive_count, row_day, reason, field, length, seal_key_id, sealed
    from rejections join fresh using (sent_day, message_id)
    returning 1
)
select coalesce((select yes from accepted), false),
       (select pg_catalog.count(*) from fresh join logins using (sent_day, message_id)),
       (select pg_catalog.count(*) from loaded),
       (select pg_catalog.count(*) from fresh join rejections using (sent_day, message_id)),
       (select pg_catalog.count(*) from quarantined),
       ",
    has_insert_triggers!(),
    ",
       exists (select from pg_trigger where not tgisinternal and tgenabled <> 'D' and tgrelid = any(array(
                   select inhrelid from pg_inherits where inhparent = 'ingest.ledger'::regclass::oid
                   union all values ('ingest.ledger'::regclass::oid), ('ingest.quarantine'::regclass::oid))))"
);

/// One message of a batch. The ids of a batch are distinct.
#[derive(Clone, Copy)]
pub struct BatchRow<'a> {
    /// Its id and times.
    pub envelope: &'a Envelope,
    /// What became of it.
    pub outcome: &'a Outcome,
}

/// What a guarded insert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchAnswer {
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
    /// [`super::SqlKind::MissingDay`]: make the days and send again. [`super::SqlKind::Data`]: one of the rows is to blame.
    pub async fn insert_batch(&self, batch: &[BatchRow<'_>]) -> Result<BatchAnswer, DbError> {
        let (mut logins, mut rejections) = (LoginColumns::default(), RejectionColumns::default());
        for row in batch {
            match row.outcome {
                Outcome::Login(login) => logins.push(row.envelope, login),
                Outcome::Rejected(rejected) => rejections.push(row.envelope, rejected),
            }
        }
        let parameters = [logins.parameters(), rejections.parameters()].concat();
        let answer = self.transaction.query_typed_one(INSERT, &parameters).await;
        let answer = answer.map_err(|e| DbError::sql("inserting a batch", &e))?;
        if !answer.get::<_, bool>(0) {
            return Ok(BatchAnswer::Refused);
        }
        let count = |column: usize| answer.get::<_, i64>(column).unsigned_abs();
        let (inserted, quarantined) = (count(2), count(4));
        self.require_count(count(1), inserted).await?;
        if count(3) != quarantined || answer.get::<_, bool>(6) {
            // Whoever stands there may have swallowed the ledger too, and a new message would pass for an old one.
            require_sight(&self.transaction, Work::Load).await?;
            return Err(DbError::Swallowed { action: "quarantining messages", suspects: vec!["ingest.quarantine".to_owned()] });
        }
        if answer.get::<_, bool>(5) && inserted > 0 {
            self.compare(&logins.rows, inserted).await?;
        }
        Ok(BatchAnswer::Inserted { logins: inserted, rejections: quarantined })
    }
}

/// The columns of logins, as arrays.
#[derive(Default)]
struct LoginColumns<'a> {
    sent_day: Vec<Date>,
    message_id: Vec<Uuid>,
    rows: RowColumns<'a>,
    ip_key: Vec<i64>,
    device_id_key: Vec<i64>,
    ip_order: Vec<Uuid>,
    device_id_order: Vec<Uuid>,
    ip_order_key: Vec<i64>,
    device_id_order_key: Vec<i64>,
}

impl<'a> LoginColumns<'a> {
    fn push(&mut self, envelope: &Envelope, login: &'a MaskedLogin) {
        self.sent_day.push(envelope.sent.ledger_day());
        self.message_id.push(envelope.message_id);
        self.rows.push(login);
        self.ip_key.push(login.ip.key_id().to_i64());
        self.device_id_key.push(login.device_id.key_id().to_i64());
        self.ip_order.push(login.ip.order);
        self.device_id_order.push(login.device_id.order);
        self.ip_order_key.push(login.ip.order_key.to_i64());
        self.device_id_order_key.push(login.device_id.order_key.to_i64());
    }

    fn parameters(&self) -> Vec<Parameter<'_>> {
        let ids: [Parameter<'_>; 2] = [(&self.sent_day, Type::DATE_ARRAY), (&self.message_id, Type::UUID_ARRAY)];
        let keys: [Parameter<'_>; 6] = [
            (&self.ip_key, Type::INT8_ARRAY),
            (&self.device_id_key, Type::INT8_ARRAY),
            (&self.ip_order, Type::UUID_ARRAY),
            (&self.device_id_order, Type::UUID_ARRAY),
            (&self.ip_order_key, Type::INT8_ARRAY),
            (&self.device_id_order_key, Type::INT8_ARRAY),
        ];
        ids.into_iter().chain(self.rows.parameters()).chain(keys).collect()
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
    seal_key_id: Vec<i64>,
    sealed: Vec<&'a [u8]>,
}

impl<'a> RejectionColumns<'a> {
    pub(super) fn len(&self) -> usize {
        self.sealed.len()
    }

    pub(super) fn push(&mut self, envelope: &Envelope, rejected: &'a SealedRejection) {
        self.sent_day.push(envelope.sent.ledger_day());
        self.message_id.push(envelope.message_id);
        self.source.push(envelope.source.name());
        self.sent_at.push(envelope.sent.timestamp());
        self.received_at.push(envelope.received_at);
        self.receive_count.push(envelope.receive_count);
        self.row_day.push(envelope.row_day);
        self.reason.push(rejected.rejection.reason.code());
        self.field.push(rejected.rejection.field);
        self.length.push(rejected.rejection.length.and_then(|n| i64::try_from(n).ok()));
        self.seal_key_id.push(rejected.key_id.to_i64());
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

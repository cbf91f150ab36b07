//! The quarantine: listed without content, retried by moving a message into the rows in one transaction, purged by hand.

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::audit::append;
use super::{DbError, Fenced, Session};
use crate::login::MaskedLogin;

/// What `quarantine list` shows of a message: everything but its content.
pub struct QuarantineEntry {
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

/// A sealed body, to be opened and tried again.
pub struct SealedBody {
    /// The number by which people name it.
    pub id: i64,
    /// The message for which it was sealed.
    pub message_id: Uuid,
    /// The day of its row when the body carries none.
    pub row_day: Date,
    /// The sealed body.
    pub sealed: Vec<u8>,
}

/// Which messages a command means. An empty filter means all.
#[derive(Clone, Debug, Default)]
pub struct QuarantineFilter {
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
    "select id, message_id, source, sent_at, received_at, receive_count, reason, field, length, quarantined_at \
     from ingest.quarantine where ",
    matching!(),
    " order by id limit $4"
);

const COUNT: &str = concat!("select count(*) from ingest.quarantine where ", matching!());

const IDS: &str = concat!("select id from ingest.quarantine where ", matching!());

const PURGE: &str = "delete from ingest.quarantine where id = any($1)";

const SEALED: &str = concat!(
    "select id, message_id, row_day, sealed from ingest.quarantine where ",
    matching!(),
    " and id > $4 order by id limit $5"
);

const MOVE: &str = "\
with logins as (
    select * from unnest($1::int8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int4[],
                         $8::date[], $9::uuid[], $10::uuid[])
        as t (id, user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, device_id_hash)
), taken as (
    delete from ingest.quarantine q using logins l where q.id = l.id returning q.id
)
insert into public.user_logins (user_id, device_type, masked_ip, masked_device_id, locale, app_version,
                                create_date, ip_hash, device_id_hash)
select user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, device_id_hash
from logins join taken using (id)";

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

impl QuarantineFilter {
    fn parameters(&self) -> [Parameter<'_>; 3] {
        [(&self.ids, Type::INT8_ARRAY), (&self.reason, Type::TEXT), (&self.before, Type::TIMESTAMPTZ)]
    }
}

impl Session {
    /// The oldest `limit` messages of the filter.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn quarantine_list(&self, filter: &QuarantineFilter, limit: i64) -> Result<Vec<QuarantineEntry>, DbError> {
        let parameters = [&filter.parameters()[..], &[(&limit, Type::INT8)]].concat();
        let rows = self.client.query_typed(LIST, &parameters).await.map_err(|e| DbError::sql("listing the quarantine", &e))?;
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
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn quarantine_count(&self, filter: &QuarantineFilter) -> Result<u64, DbError> {
        let row = self.client.query_typed_one(COUNT, &filter.parameters()).await;
        row.map(|row| row.get::<_, i64>(0).unsigned_abs()).map_err(|e| DbError::sql("counting the quarantine", &e))
    }

    /// The numbers of the messages that the filter means now.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn quarantine_ids(&self, filter: &QuarantineFilter) -> Result<Vec<i64>, DbError> {
        let rows = self.client.query_typed(IDS, &filter.parameters()).await;
        let rows = rows.map_err(|e| DbError::sql("choosing messages of the quarantine", &e))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Deletes these messages for good, and no others, and writes that into the audit log, in one transaction.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn quarantine_purge(&mut self, ids: &[i64], record: impl FnOnce(u64) -> String) -> Result<u64, DbError> {
        let failed = |e| DbError::sql("purging the quarantine", &e);
        let transaction = self.client.transaction().await.map_err(failed)?;
        let purged = transaction.execute_typed(PURGE, &[(&ids, Type::INT8_ARRAY)]).await.map_err(failed)?;
        append(transaction.client(), "quarantine.purge", &record(purged)).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(purged)
    }

    /// The next `limit` sealed bodies of the filter after number `after`.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn quarantine_bodies(&self, filter: &QuarantineFilter, after: i64, limit: i64) -> Result<Vec<SealedBody>, DbError> {
        let parameters = [&filter.parameters()[..], &[(&after, Type::INT8), (&limit, Type::INT8)]].concat();
        let rows = self.client.query_typed(SEALED, &parameters).await.map_err(|e| DbError::sql("reading the quarantine", &e))?;
        Ok(rows.iter().map(sealed_body).collect())
    }
}

impl Fenced<'_> {
    /// Moves messages from the quarantine into the rows; returns how many still stood there to be moved.
    ///
    /// # Errors
    /// [`super::SqlKind::Data`]: one of the rows is to blame.
    pub async fn move_from_quarantine(&self, logins: &[(i64, MaskedLogin)]) -> Result<u64, DbError> {
        let ids: Vec<i64> = logins.iter().map(|(id, _)| *id).collect();
        let text = |of: fn(&MaskedLogin) -> &str| logins.iter().map(|(_, l)| of(l)).collect::<Vec<_>>();
        let optional = |of: fn(&MaskedLogin) -> Option<&str>| logins.iter().map(|(_, l)| of(l)).collect::<Vec<_>>();
        let hash = |of: fn(&MaskedLogin) -> Uuid| logins.iter().map(|(_, l)| of(l)).collect::<Vec<_>>();
        let (user_id, device_type) = (text(|l| &l.user_id), optional(|l| l.device_type.as_deref()));
        let (ip, device_id) = (text(|l| l.ip.token.as_str()), text(|l| l.device_id.token.as_str()));
        let locale = optional(|l| l.locale.as_deref());
        let app_version: Vec<i32> = logins.iter().map(|(_, l)| l.app_version).collect();
        let create_date: Vec<Date> = logins.iter().map(|(_, l)| l.create_date).collect();
        let (ip_hash, device_id_hash) = (hash(|l| l.ip.hash), hash(|l| l.device_id.hash));
        let parameters: [Parameter<'_>; 10] = [
            (&ids, Type::INT8_ARRAY),
            (&user_id, Type::TEXT_ARRAY),
            (&device_type, Type::TEXT_ARRAY),
            (&ip, Type::TEXT_ARRAY),
            (&device_id, Type::TEXT_ARRAY),
            (&locale, Type::TEXT_ARRAY),
            (&app_version, Type::INT4_ARRAY),
            (&create_date, Type::DATE_ARRAY),
            (&ip_hash, Type::UUID_ARRAY),
            (&device_id_hash, Type::UUID_ARRAY),
        ];
        let moved = self.transaction.execute_typed(MOVE, &parameters).await;
        moved.map_err(|e| DbError::sql("moving messages out of the quarantine", &e))
    }
}

pub(super) fn sealed_body(row: &Row) -> SealedBody {
    SealedBody { id: row.get(0), message_id: row.get(1), row_day: row.get(2), sealed: row.get(3) }
}

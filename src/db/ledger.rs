//! Housekeeping of the ledger: days that SQS can no longer deliver are dropped whole. And
//! what that means for messages that come by another way.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::batch::BatchRow;
use super::session::Parameter;
use super::{DbError, Fenced, Session};
use crate::login::utc_day;

/// Days before today whose ids are kept (sql/functions/ingest.sql, `drop_old_days`).
const KEPT_DAYS: i64 = 16;

/// Ids of these messages that stand under another day that is kept, or under that of
/// messages without a time; and whether a day of theirs may have been dropped by now.
/// Each id is looked up by itself: a subquery with a limit is never joined as a whole. A
/// day that has no partition costs nothing.
const REMEMBERED: &str = "\
    with ids as (select * from unnest($1::date[], $2::uuid[]) as t (sent_day, message_id)), \
        now as (select (clock_timestamp() at time zone 'utc')::date as today), \
        days as (select today + n as day from now, generate_series(-1 - $3::int4, 1) as n \
                 union all select date '1970-01-01') \
    select (select min(sent_day) from ids, now where sent_day < today - $3::int4), \
           l.message_id, l.sent_day \
    from (values (1)) as one (row) left join lateral ( \
        select l.message_id, l.sent_day from ids \
        join days on days.day <> ids.sent_day \
        cross join lateral (select k.message_id, k.sent_day from ingest.ledger k \
            where k.sent_day = days.day and k.message_id = ids.message_id limit 1) as l \
        limit 1) as l on true";

/// The oldest day whose ids the ledger keeps for certain.
#[must_use]
pub(crate) fn oldest_day(now: Timestamp) -> Date {
    let today = utc_day(now);
    today.checked_sub(KEPT_DAYS.days()).unwrap_or(today)
}

/// Whoever looks sees what those have written that looked before: they have committed.
const ONE_LOOKS: &str = "select pg_catalog.pg_advisory_xact_lock(7813026270484821358)";

impl Session {
    /// Drops days older than 16 days; gives way to whoever writes. Returns how
    /// many were dropped.
    pub(crate) async fn drop_old_days(&self) -> Result<u32, DbError> {
        let row = self
            .write_one("dropping old days of the ledger", "select ingest.drop_old_days()", &[])
            .await;
        row.map(|row| row.get::<_, i32>(0).unsigned_abs())
    }
}

impl Fenced<'_> {
    /// Whether the ledger would have recognised these messages, which this transaction
    /// has just inserted: their days were never dropped, and they are not known under
    /// another day.
    ///
    /// # Errors
    /// [`DbError::Forgotten`], [`DbError::OtherDay`]; or when the database is gone.
    pub(crate) async fn require_remembered(&self, batch: &[BatchRow<'_>]) -> Result<(), DbError> {
        let days: Vec<Date> = batch.iter().map(|row| row.delivery.sent.ledger_day()).collect();
        let ids: Vec<Uuid> = batch.iter().map(|row| row.delivery.message_id).collect();
        let kept = KEPT_DAYS as i32;
        let parameters: [Parameter<'_>; 3] =
            [(&days, Type::DATE_ARRAY), (&ids, Type::UUID_ARRAY), (&kept, Type::INT4)];
        let failed = |e| DbError::sql("looking into the ledger", &e);
        self.transaction.query_typed(ONE_LOOKS, &[]).await.map_err(failed)?;
        let row = self.transaction.query_typed_one(REMEMBERED, &parameters).await;
        let row = row.map_err(failed)?;
        if let Some(day) = row.get::<_, Option<Date>>(0) {
            return Err(DbError::Forgotten { day });
        }
        match row.get::<_, Option<Uuid>>(1) {
            Some(message_id) => Err(DbError::OtherDay { message_id, day: row.get(2) }),
            None => Ok(()),
        }
    }
}

//! Housekeeping of the ledger: days that SQS can no longer deliver are dropped whole.

use super::{DbError, Session};

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

//! A message of a queue or log: one event, with an id of its own in the ledger. A batch
//! of them shares a transaction.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::parcel::{InHand, Judging, Parcel};
use crate::db::{BatchAnswer, BatchRow, DbError, Fenced};
use crate::error::Error;
use crate::login::{Body, Delivery, Masker, Verdict};
use crate::token::SealError;

/// A try that takes longer is given up.
const LONGEST_WRITE: Duration = Duration::from_secs(30);

/// One event as its source handed it out.
pub struct Message<H> {
    /// Its id and times.
    pub delivery: Delivery,
    /// What is in it.
    pub body: Body,
    /// What ends it, keeps it, or gives it back.
    pub handle: H,
}

impl<H: Send + Sync + 'static> Parcel for Message<H> {
    type Handle = H;
    const IS_BATCHED: bool = true;

    fn longest_write(&self) -> Duration {
        LONGEST_WRITE
    }

    fn events(&self) -> usize {
        1
    }

    fn bytes(&self) -> usize {
        self.body.len()
    }

    fn sent_at(&self) -> Option<Timestamp> {
        self.delivery.sent.timestamp()
    }

    fn ledger_day(&self) -> Option<Date> {
        Some(self.delivery.sent.ledger_day())
    }

    fn judge(&self, _: usize, masker: &mut Masker, how: Judging<'_>) -> Result<Verdict, SealError> {
        how.of(&self.body, masker, || self.delivery.message_id, self.delivery.row_day)
    }

    async fn insert(fenced: &Fenced<'_>, batch: &[InHand<Self>]) -> Result<BatchAnswer, DbError> {
        // What came twice in a batch is one row; both are ended at the
        // source all the same.
        let mut seen = HashSet::with_capacity(batch.len());
        let id = |message: &Self| (message.delivery.sent.ledger_day(), message.delivery.message_id);
        let distinct = batch.iter().filter(|in_hand| seen.insert(id(&in_hand.parcel)));
        let rows = distinct.map(|message| BatchRow {
            delivery: &message.parcel.delivery,
            verdict: &message.verdicts[0],
        });
        let rows: Vec<BatchRow<'_>> = rows.collect();
        fenced.insert_batch(&rows).await
    }

    async fn insert_in_part(
        fenced: &Fenced<'_>,
        refused: &mut InHand<Self>,
        masker: &mut Masker,
    ) -> Result<BatchAnswer, Error> {
        let message_id = refused.parcel.delivery.message_id;
        tracing::warn!(%message_id, "the database refuses a row; it goes to the quarantine");
        refused.reject(&[0], masker)?;
        Ok(Self::insert(fenced, std::slice::from_ref(refused)).await?)
    }

    fn handle(&self) -> Option<&H> {
        Some(&self.handle)
    }

    fn into_handle(self) -> Option<H> {
        Some(self.handle)
    }
}

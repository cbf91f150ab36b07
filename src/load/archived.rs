//! A message out of an archive: in the ledger it is the message of the queue, so that
//! one that the queue's loader has written changes nothing.
//!
//! Invariant: whether the ledger still knows its day is asked once more in the
//! transaction that writes it, while nobody can drop that day.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::message::{LONGEST_WRITE, distinct};
use super::parcel::{InHand, Judging, Parcel};
use crate::db::{BatchAnswer, DbError, Fenced};
use crate::error::Error;
use crate::login::{ArchivedMessage, Body, Delivery, Masker, SourceKind, Verdict};
use crate::token::SealError;

/// One event of an archive.
pub(crate) struct Archived {
    delivery: Delivery,
    body: Body,
}

impl Archived {
    /// A message that was read now.
    #[must_use]
    pub(super) fn new(message: ArchivedMessage, now: Timestamp) -> Self {
        let ArchivedMessage { message_id, sent, body } = message;
        let (row_day, source) = (sent.row_day(now), SourceKind::Queue);
        let receive_count = None;
        let delivery =
            Delivery { message_id, sent, received_at: now, receive_count, row_day, source };
        Self { delivery, body }
    }
}

impl Parcel for Archived {
    type Handle = Infallible;
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
        let rows = distinct(batch.iter().map(|in_hand| {
            let InHand { parcel, verdicts, .. } = in_hand;
            (&parcel.delivery, &verdicts[0])
        }));
        let answer = fenced.insert_batch(&rows).await?;
        if answer != BatchAnswer::Refused {
            // Its days cannot be dropped any more before the commit.
            fenced.require_remembered(&rows).await?;
        }
        Ok(answer)
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

    fn handle(&self) -> Option<&Infallible> {
        None
    }

    fn into_handle(self) -> Option<Infallible> {
        None
    }
}

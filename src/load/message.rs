//! A message of a queue or log: one event, with an id of its own in the ledger. A batch
//! of them shares a transaction.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::parcel::{InHand, Judging, Parcel};
use crate::db::{BatchAnswer, BatchRow, DbError, Fenced};
use crate::error::Error;
use crate::login::{Body, Delivery, Masker, SentAt, SourceKind, Verdict};
use crate::token::SealError;

/// A try that takes longer is given up.
pub(super) const LONGEST_WRITE: Duration = Duration::from_secs(30);

/// One event as its source handed it out.
pub struct Message<H> {
    /// Its id and times.
    pub delivery: Delivery,
    /// What is in it.
    pub body: Body,
    /// What ends it, keeps it, or gives it back.
    pub handle: H,
}

impl<H> Message<H> {
    /// An event that was received now, with the id that it has at every redelivery.
    pub fn new(message_id: Uuid, sent: SentAt, body: Body, handle: H) -> Self {
        Self { delivery: delivery_of(message_id, sent, Timestamp::now()), body, handle }
    }
}

/// What is known of a message that was received `now`. Its days are those of sending, so
/// that they are the same at every delivery, whatever this machine's clock does.
fn delivery_of(message_id: Uuid, sent: SentAt, now: Timestamp) -> Delivery {
    let (receive_count, source) = (None, SourceKind::Queue);
    Delivery {
        message_id,
        sent,
        received_at: now,
        receive_count,
        row_day: sent.row_day(now),
        source,
    }
}

/// The rows of a batch. What came twice in it is one row; both are ended at the source
/// all the same.
pub(super) fn distinct<'a>(
    batch: impl ExactSizeIterator<Item = (&'a Delivery, &'a Verdict)>,
) -> Vec<BatchRow<'a>> {
    let mut seen = HashSet::with_capacity(batch.len());
    let id = |delivery: &Delivery| (delivery.sent.ledger_day(), delivery.message_id);
    batch
        .filter(|(delivery, _)| seen.insert(id(delivery)))
        .map(|(delivery, verdict)| BatchRow { delivery, verdict })
        .collect()
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
        let rows = distinct(batch.iter().map(|in_hand| {
            let InHand { parcel, verdicts, .. } = in_hand;
            (&parcel.delivery, &verdicts[0])
        }));
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::{SentAt, Timestamp, Uuid, delivery_of};

    #[test]
    fn a_clock_that_jumps_moves_no_message_to_another_day() {
        let sent = SentAt::from_attribute(Some("1760000000000"));
        let days = ["1970-01-01T00:00:00Z", "2025-10-09T08:53:20Z", "2199-12-31T23:59:59Z"].map(
            |now: &str| {
                let delivery = delivery_of(Uuid::nil(), sent, now.parse().unwrap());
                assert_eq!(delivery.received_at, now.parse::<Timestamp>().unwrap());
                (delivery.sent.ledger_day().to_string(), delivery.row_day.to_string())
            },
        );
        assert_eq!(days, [(); 3].map(|()| ("2025-10-09".to_owned(), "2025-10-09".to_owned())));
    }
}

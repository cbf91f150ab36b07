//! The queue as a source: messages of SQS, each with a receipt handle and a
//! visibility timeout.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::message::Message;
use super::source::{Depth, Facts, Origin, Polled, Source, SourceError};
use crate::login::{Delivery, SentAt, SourceKind};
use crate::queue::{BATCH, Queue, QueueMessage, ReceiptHandle};

/// Writers of a queue that promises no order.
const WRITERS: usize = 2;

/// A queue, and how many may poll it at once.
pub(crate) struct QueueSource {
    queue: Queue,
    receivers: usize,
}

impl QueueSource {
    /// The queue, for up to so many receivers.
    #[must_use]
    pub(crate) fn new(queue: Queue, receivers: usize) -> Self {
        Self { queue, receivers }
    }
}

impl Source for QueueSource {
    type Handle = ReceiptHandle;
    type Parcel = Message<ReceiptHandle>;

    fn facts(&self) -> Facts {
        // SQS holds back what follows a message in its group until that is deleted, but
        // one answer may bring several of a group, and two writers could commit them in
        // another order.
        let writers = if self.queue.is_fifo() { 1 } else { WRITERS };
        Facts {
            lease: Some(self.queue.visibility_timeout()),
            at_once: BATCH,
            receivers: self.receivers,
            writers,
            has_end: false,
        }
    }

    fn origin(&self) -> Origin {
        Origin::Queue(self.queue.url().to_owned())
    }

    async fn poll(&self, most: usize, wait: Duration) -> Result<Polled<Self::Parcel>, SourceError> {
        let messages = self.queue.receive(most, wait).await?;
        Ok(Polled::Parcels(messages.into_iter().map(message).collect()))
    }

    async fn acknowledge(
        &self,
        handles: &[ReceiptHandle],
    ) -> Result<Vec<ReceiptHandle>, SourceError> {
        Ok(self.queue.delete(handles).await?)
    }

    async fn keep_alive(
        &self,
        handles: &[ReceiptHandle],
    ) -> Result<Vec<ReceiptHandle>, SourceError> {
        Ok(self.queue.change_visibility(handles, self.queue.visibility_timeout()).await?)
    }

    async fn give_back(
        &self,
        handles: &[ReceiptHandle],
    ) -> Result<Vec<ReceiptHandle>, SourceError> {
        Ok(self.queue.change_visibility(handles, Duration::ZERO).await?)
    }

    async fn depth(&self) -> Result<Option<Depth>, SourceError> {
        Ok(Some(self.queue.depth().await?))
    }
}

fn message(message: QueueMessage) -> Message<ReceiptHandle> {
    let QueueMessage { message_id, sent, receive_count, handle, body } = message;
    Message {
        delivery: delivery_of(message_id, sent, receive_count, Timestamp::now()),
        body,
        handle,
    }
}

/// What is known of a message that was received `now`. Its days are those of sending, so
/// that they are the same at every delivery, whatever this machine's clock does.
fn delivery_of(
    message_id: Uuid,
    sent: SentAt,
    receive_count: Option<i32>,
    now: Timestamp,
) -> Delivery {
    Delivery {
        message_id,
        sent,
        received_at: now,
        receive_count,
        row_day: sent.row_day(now),
        source: SourceKind::Queue,
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
                let delivery = delivery_of(Uuid::nil(), sent, Some(1), now.parse().unwrap());
                assert_eq!(delivery.received_at, now.parse::<Timestamp>().unwrap());
                (delivery.sent.ledger_day().to_string(), delivery.row_day.to_string())
            },
        );
        assert_eq!(days, [(); 3].map(|()| ("2025-10-09".to_owned(), "2025-10-09".to_owned())));
    }
}

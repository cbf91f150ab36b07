//! The queue as a source: messages of SQS, each with a receipt handle and a
//! visibility timeout.

use std::time::Duration;

use super::message::Message;
use super::source::{Depth, Facts, Origin, Polled, Source, SourceError};
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

    async fn dead_letters(&self) -> Result<Option<u64>, SourceError> {
        Ok(self.queue.dead_letters().await?)
    }
}

fn message(message: QueueMessage) -> Message<ReceiptHandle> {
    let QueueMessage { message_id, sent, receive_count, handle, body } = message;
    let mut message = Message::new(message_id, sent, body, handle);
    message.delivery.receive_count = receive_count;
    message
}

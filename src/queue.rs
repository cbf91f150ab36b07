//! SQS: receive, delete, keep or give back messages, and ask how many there are.
//!
//! Invariant: a body leaves the SDK's message straight into [`Body`]; nothing here looks
//! at it.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName as Attribute, QueueAttributeName,
};
use serde::Serialize;
use uuid::Uuid;

use crate::aws::{CallError, CallKind};
use crate::login::{Body, SentAt, message_id};

/// The most messages that one call of SQS takes or gives.
pub(crate) const BATCH: usize = 10;
/// How much longer than its long poll a receive may take: the SDK has been seen to hang.
const RECEIVE_GRACE: Duration = Duration::from_secs(10);

/// A message as the queue handed it out.
pub(crate) struct QueueMessage {
    /// The same at every redelivery.
    pub message_id: Uuid,
    /// When it was sent.
    pub sent: SentAt,
    /// How often it has been handed out.
    pub receive_count: Option<i32>,
    /// What deletes it.
    pub handle: ReceiptHandle,
    /// What is in it.
    pub body: Body,
}

/// The right to delete or give back a message, until its visibility timeout ends.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ReceiptHandle(String);

/// How many messages the queue has, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// Ready to be received.
    pub visible: u64,
    /// Handed out and neither deleted nor given back.
    pub in_flight: u64,
    /// Sent, and not handed out before a delay of the queue or the message is over.
    pub delayed: u64,
}

impl std::fmt::Display for Depth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} visible, {} in flight, {} delayed",
            self.visible, self.in_flight, self.delayed
        )
    }
}

/// A client of one queue.
#[derive(Clone)]
pub(crate) struct Queue {
    client: Client,
    url: String,
    visibility_timeout: Duration,
}

impl Queue {
    /// A client of the queue at `url`; whatever it receives stays invisible to others for
    /// `visibility_timeout`.
    #[must_use]
    pub(crate) fn new(config: &SdkConfig, url: String, visibility_timeout: Duration) -> Self {
        Self { client: Client::new(config), url, visibility_timeout }
    }

    /// Up to `max` (at most 10) messages; waits up to `wait` for the first.
    ///
    /// # Errors
    /// When SQS cannot be reached, or refuses.
    pub(crate) async fn receive(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<QueueMessage>, CallError> {
        let attempt =
            TimeoutConfig::builder().operation_attempt_timeout(wait + RECEIVE_GRACE).build();
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(max.min(BATCH)).unwrap_or(1))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(self.visibility_timeout))
            .message_system_attribute_names(Attribute::SentTimestamp)
            .message_system_attribute_names(Attribute::ApproximateReceiveCount);
        // One attempt: the receivers have their own back-off, and stopping must not wait
        // for three.
        let once = aws_sdk_sqs::config::Config::builder()
            .timeout_config(attempt)
            .retry_config(RetryConfig::disabled());
        let answer = request.customize().config_override(once).send().await;
        let answer = answer.map_err(|e| CallError::of("SQS ReceiveMessage", &e))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(queue_message).collect())
    }

    /// Deletes up to 10 messages; returns the handles of those of which the queue does
    /// not say that they are gone.
    ///
    /// # Errors
    /// When SQS cannot be reached, or refuses all.
    pub(crate) async fn delete(
        &self,
        handles: &[ReceiptHandle],
    ) -> Result<Vec<ReceiptHandle>, CallError> {
        const OPERATION: &str = "SQS DeleteMessageBatch";
        let entry = |(i, handle): (usize, &ReceiptHandle)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(i.to_string())
                .receipt_handle(&handle.0)
                .build()
        };
        let entries: Result<Vec<_>, _> = handles.iter().enumerate().map(entry).collect();
        let entries = entries.map_err(|_| CallError::new(OPERATION, CallKind::Refused))?;
        let answer = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await;
        let answer = answer.map_err(|e| CallError::of(OPERATION, &e))?;
        let gone: Vec<usize> =
            answer.successful.iter().filter_map(|gone| gone.id.parse().ok()).collect();
        let left = handles.iter().enumerate().filter(|(i, _)| !gone.contains(i));
        Ok(left.map(|(_, handle)| handle.clone()).collect())
    }

    /// Sets the time until up to 10 messages become visible again; zero gives them back
    /// now. Returns the handles that the queue refused: those messages are visible
    /// already, or become so at their time.
    ///
    /// # Errors
    /// When SQS cannot be reached, or refuses all.
    pub(crate) async fn change_visibility(
        &self,
        handles: &[ReceiptHandle],
        timeout: Duration,
    ) -> Result<Vec<ReceiptHandle>, CallError> {
        const OPERATION: &str = "SQS ChangeMessageVisibilityBatch";
        let entry = |(i, handle): (usize, &ReceiptHandle)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(i.to_string())
                .receipt_handle(&handle.0);
            entry.visibility_timeout(seconds(timeout)).build()
        };
        let entries: Result<Vec<_>, _> = handles.iter().enumerate().map(entry).collect();
        let entries = entries.map_err(|_| CallError::new(OPERATION, CallKind::Refused))?;
        let request = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries));
        let answer = request.send().await.map_err(|e| CallError::of(OPERATION, &e))?;
        let failed = answer
            .failed
            .iter()
            .filter_map(|f| f.id.parse::<usize>().ok())
            .filter_map(|i| handles.get(i).cloned());
        Ok(failed.collect())
    }

    /// How many messages the queue has, roughly.
    ///
    /// # Errors
    /// When SQS cannot be reached, or refuses.
    pub(crate) async fn depth(&self) -> Result<Depth, CallError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()));
        let answer =
            request.send().await.map_err(|e| CallError::of("SQS GetQueueAttributes", &e))?;
        let count = |name| {
            answer
                .attributes()
                .and_then(|all| all.get(name))
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        Ok(Depth {
            visible: count(&names[0]),
            in_flight: count(&names[1]),
            delayed: count(&names[2]),
        })
    }

    /// After how many receives a message goes to the dead-letter queue;
    /// nothing without one.
    ///
    /// # Errors
    /// When SQS cannot be reached, or refuses.
    pub(crate) async fn max_receive_count(&self) -> Result<Option<u64>, CallError> {
        let policy = self.redrive_policy().await?.unwrap_or_default();
        let count = policy.get("maxReceiveCount");
        Ok(count.and_then(|n| n.as_u64().or_else(|| n.as_str()?.parse().ok())))
    }

    /// How many messages the dead-letter queue has, roughly and in any state; nothing
    /// without one.
    ///
    /// # Errors
    /// When SQS cannot be reached, or refuses.
    pub(crate) async fn dead_letters(&self) -> Result<Option<u64>, CallError> {
        let policy = self.redrive_policy().await?.unwrap_or_default();
        let name =
            policy.get("deadLetterTargetArn").and_then(|arn| arn.as_str()?.rsplit(':').next());
        // It is of the same account and region, so that nobody has to be asked for its
        // address.
        let Some((name, (beside, _))) = name.zip(self.url.rsplit_once('/')) else {
            return Ok(None);
        };
        let dead = Self { url: format!("{beside}/{name}"), ..self.clone() };
        let Depth { visible, in_flight, delayed } = dead.depth().await?;
        Ok(Some(visible + in_flight + delayed))
    }

    async fn redrive_policy(&self) -> Result<Option<serde_json::Value>, CallError> {
        let name = QueueAttributeName::RedrivePolicy;
        let request =
            self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        let answer =
            request.send().await.map_err(|e| CallError::of("SQS GetQueueAttributes", &e))?;
        let policy = answer.attributes().and_then(|all| all.get(&name));
        Ok(policy.map(|policy| serde_json::from_str(policy).unwrap_or_default()))
    }

    /// Its address.
    #[must_use]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether it hands out the messages of a group in their order.
    #[must_use]
    pub(crate) fn is_fifo(&self) -> bool {
        self.url.ends_with(".fifo")
    }

    /// For how long a received message stays invisible to others.
    #[must_use]
    pub(crate) fn visibility_timeout(&self) -> Duration {
        self.visibility_timeout
    }
}

fn queue_message(mut message: Message) -> Option<QueueMessage> {
    let handle = ReceiptHandle(message.receipt_handle.take()?);
    let attribute = |name| message.attributes().and_then(|all| all.get(&name)).map(String::as_str);
    let sent = SentAt::from_attribute(attribute(Attribute::SentTimestamp));
    let receive_count =
        attribute(Attribute::ApproximateReceiveCount).and_then(|text| text.parse().ok());
    // Without an id, the body's place in the ledger is that of its handle: a redelivery
    // would be loaded again, but nothing is lost.
    let message_id = message_id(message.message_id.as_deref().unwrap_or(&handle.0));
    let body = Body::new(message.body.take().unwrap_or_default().into_bytes());
    Some(QueueMessage { message_id, sent, receive_count, handle, body })
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

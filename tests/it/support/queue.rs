//! A queue of its own for each test, deleted with it.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{QueueAttributeName as Attribute, SendMessageBatchRequestEntry};

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub struct TestQueue {
    pub url: String,
    client: Client,
}

impl TestQueue {
    pub async fn create() -> Self {
        let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
        let client = Client::new(&config);
        let name = format!("t{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let created = client.create_queue().queue_name(name).send().await.expect("a queue");
        let returned = created.queue_url().expect("a URL").to_owned();
        // The emulator may answer with a host name of its own; ours is the endpoint that
        // it was asked at.
        let path = returned.splitn(4, '/').nth(3).expect("a path").to_owned();
        let url = format!("{}/{path}", super::setting("AWS_ENDPOINT_URL").trim_end_matches('/'));
        Self { url, client }
    }

    /// Sends what is received too often to a dead-letter queue.
    pub async fn redrive_after(&self, receives: u32) {
        self.redrive_to(&Self::create().await, receives).await;
    }

    /// Sends what is received too often to this queue.
    pub async fn redrive_to(&self, dead: &Self, receives: u32) {
        let name = dead.url.rsplit('/').next().expect("a name");
        let policy = format!(
            "{{\"deadLetterTargetArn\": \"arn:aws:sqs:us-east-1:000000000000:{name}\", \
             \"maxReceiveCount\": {receives}}}"
        );
        let request = self
            .client
            .set_queue_attributes()
            .queue_url(&self.url)
            .attributes(Attribute::RedrivePolicy, policy);
        request.send().await.expect("a redrive policy");
    }

    /// There is no such queue any more.
    pub async fn delete(&self) {
        self.client.delete_queue().queue_url(&self.url).send().await.expect("deleted");
    }

    /// What is sent from now on is handed out so many seconds later.
    pub async fn delay(&self, seconds: u32) {
        let request = self.client.set_queue_attributes().queue_url(&self.url);
        let request = request.attributes(Attribute::DelaySeconds, seconds.to_string());
        request.send().await.expect("a delay");
    }

    pub async fn send(&self, bodies: &[String]) {
        for ten in bodies.chunks(10) {
            let entry = |(i, body): (usize, &String)| {
                SendMessageBatchRequestEntry::builder()
                    .id(i.to_string())
                    .message_body(body)
                    .build()
                    .expect("an entry")
            };
            let entries = ten.iter().enumerate().map(entry).collect();
            let sent = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries))
                .send()
                .await
                .expect("sent");
            assert!(sent.failed().is_empty(), "{:?}", sent.failed());
        }
    }

    /// The messages that the queue has, as an archive keeps them; they stay in the queue.
    pub async fn archive(&self) -> Vec<String> {
        let (mut lines, mut held) = (Vec::new(), Vec::new());
        loop {
            let request = self.client.receive_message().queue_url(&self.url);
            let request = request.max_number_of_messages(10).visibility_timeout(300);
            let request = request.message_system_attribute_names(
                aws_sdk_sqs::types::MessageSystemAttributeName::SentTimestamp,
            );
            let messages = request.send().await.expect("messages").messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            for message in messages {
                let sent = message.attributes.expect("a time").into_values().next();
                let sent = sent.expect("a time");
                let line = serde_json::json!({"message_id": message.message_id,
                    "sent_at": sent, "body": message.body});
                lines.push(line.to_string());
                held.push(message.receipt_handle.expect("a handle"));
            }
        }
        for handle in held {
            let request = self.client.change_message_visibility().queue_url(&self.url);
            let request = request.receipt_handle(handle).visibility_timeout(0);
            request.send().await.expect("given back");
        }
        lines
    }

    /// Messages that can be received, and those that somebody holds.
    pub async fn depth(&self) -> (u64, u64) {
        let names = [
            Attribute::ApproximateNumberOfMessages,
            Attribute::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()));
        let answer = request.send().await.expect("attributes");
        let count = |name| {
            answer
                .attributes()
                .and_then(|a| a.get(name))
                .and_then(|n| n.parse().ok())
                .expect("a count")
        };
        (count(&names[0]), count(&names[1]))
    }
}

impl Drop for TestQueue {
    fn drop(&mut self) {
        let (client, url) = (self.client.clone(), self.url.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { client.delete_queue().queue_url(url).send().await });
        }
    }
}

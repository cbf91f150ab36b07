//! The wire: AWS JSON 1.0 as SQS speaks it. Requests that borrow, refusals, and answers
//! that share large bodies.
//!
//! Invariant: an [`Answer`] is valid UTF-8 and, once it is a body, of known length.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

/// A shared piece larger than this is not copied.
const COPIED: usize = 8 * 1024;

/// The calls that the instrument knows, by their names in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Operation {
    ReceiveMessage,
    DeleteMessage,
    DeleteMessageBatch,
    ChangeMessageVisibility,
    ChangeMessageVisibilityBatch,
    GetQueueAttributes,
    GetQueueUrl,
    SendMessage,
    SendMessageBatch,
}

impl Operation {
    pub const ALL: [Self; 9] = [
        Self::ReceiveMessage,
        Self::DeleteMessage,
        Self::DeleteMessageBatch,
        Self::ChangeMessageVisibility,
        Self::ChangeMessageVisibilityBatch,
        Self::GetQueueAttributes,
        Self::GetQueueUrl,
        Self::SendMessage,
        Self::SendMessageBatch,
    ];

    /// Of the header `X-Amz-Target`.
    pub fn of_target(target: &str) -> Option<Self> {
        let name = target.strip_prefix("AmazonSQS.")?;
        Self::deserialize(StrDeserializer::<serde::de::value::Error>::new(name)).ok()
    }
}

/// Why a call or an entry of a batch is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: &'static str,
}

impl Refusal {
    pub const THROTTLED: Self = Self::new(400, "RequestThrottled", "Rate exceeded");
    pub const INTERNAL: Self =
        Self::new(500, "InternalError", "We encountered an internal error. Please try again.");
    pub const UNAVAILABLE: Self =
        Self::new(503, "ServiceUnavailable", "Service is currently unavailable.");
    pub const INVALID_RECEIPT: Self =
        Self::new(400, "ReceiptHandleIsInvalid", "The input receipt handle is invalid.");
    pub const EXPIRED_RECEIPT: Self = Self::invalid(
        "Value for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
    );
    pub const NOT_IN_FLIGHT: Self =
        Self::new(400, "MessageNotInflight", "The message referred to isn't in flight.");
    pub const OVER_LIMIT: Self = Self::new(400, "OverLimit", "Too many messages in flight.");
    pub const NO_QUEUE: Self =
        Self::new(400, "QueueDoesNotExist", "The specified queue does not exist.");

    pub const fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message }
    }

    pub const fn invalid(message: &'static str) -> Self {
        Self::new(400, "InvalidParameterValue", message)
    }

    /// Whether it is the client's fault.
    pub fn is_senders(&self) -> bool {
        self.status < 500
    }

    /// The code that the older query protocol has for it; clients prefer it.
    pub fn query_code(&self) -> String {
        match self.code {
            "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
            "MessageNotInflight"
            | "TooManyEntriesInBatchRequest"
            | "EmptyBatchRequest"
            | "BatchEntryIdsNotDistinct" => {
                format!("AWS.SimpleQueueService.{}", self.code)
            }
            code => code.to_owned(),
        }
    }

    pub fn answer(&self) -> Answer {
        let mut answer = Answer::default();
        answer.add(format_args!(
            r#"{{"__type":"com.amazonaws.sqs#{}","message":"{}"}}"#,
            self.code, self.message
        ));
        answer
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Receive<'a> {
    #[serde(borrow)]
    pub queue_url: Cow<'a, str>,
    pub max_number_of_messages: Option<u32>,
    pub wait_time_seconds: Option<u64>,
    pub visibility_timeout: Option<u64>,
    #[serde(default)]
    pub message_system_attribute_names: Vec<String>,
    /// What `message_system_attribute_names` was once called; the names of attributes in
    /// `GetQueueAttributes`.
    #[serde(default)]
    pub attribute_names: Vec<String>,
}

/// An entry of a batch, or with the queue's URL around it a call of its own: delete,
/// change of visibility, send.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entry<'a> {
    #[serde(borrow, default)]
    pub id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub receipt_handle: Cow<'a, str>,
    pub visibility_timeout: Option<u64>,
    #[serde(borrow, default)]
    pub message_body: Cow<'a, str>,
    pub delay_seconds: Option<u64>,
    pub message_group_id: Option<String>,
    pub message_deduplication_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Batch<'a> {
    #[serde(borrow)]
    pub queue_url: Cow<'a, str>,
    #[serde(borrow)]
    pub entries: Vec<Entry<'a>>,
}

/// The part of a call that says which queue it is about.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Target<'a> {
    #[serde(borrow, default)]
    pub queue_url: Cow<'a, str>,
    #[serde(borrow, default)]
    pub queue_name: Cow<'a, str>,
}

pub fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|_| {
        Refusal::new(400, "SerializationException", "The request is not what it should be.")
    })
}

/// The text of an answer while it is written.
#[derive(Default)]
pub struct Answer {
    pieces: VecDeque<Bytes>,
    tail: Vec<u8>,
}

impl Answer {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { tail: Vec::with_capacity(bytes), ..Self::default() }
    }

    pub fn text(&mut self, text: &str) {
        self.tail.extend_from_slice(text.as_bytes());
    }

    pub fn add(&mut self, text: std::fmt::Arguments<'_>) {
        self.tail.write_fmt(text).expect("memory takes it");
    }

    /// A JSON value, escaped.
    pub fn json(&mut self, value: &(impl Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.tail, value)
            .expect("memory takes it, and keys are strings");
    }

    pub fn shared(&mut self, piece: &Bytes) {
        if piece.len() <= COPIED {
            self.tail.extend_from_slice(piece);
        } else {
            self.flush();
            self.pieces.push_back(piece.clone());
        }
    }

    /// A name and value in an object or an element in a list: a comma first,
    /// but for the first.
    pub fn comma(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.text(",");
        }
    }

    /// Of an answer without shared pieces.
    pub fn into_bytes(self) -> Bytes {
        self.tail.into()
    }

    pub fn into_body(mut self) -> Pieces {
        self.flush();
        Pieces {
            left: self.pieces.iter().map(|piece| piece.len() as u64).sum(),
            pieces: self.pieces,
        }
    }

    fn flush(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(Bytes::from(std::mem::take(&mut self.tail)));
        }
    }
}

/// The body of an answer: its pieces go to the socket without being copied together.
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    left: u64,
}

impl Pieces {
    /// The bytes that are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

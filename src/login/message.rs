//! A message beside its body: what the ledger and the quarantine know of it. Harmless;
//! may be printed.

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::{MaskedLogin, Rejection, SentAt};
use crate::crypto::digest_uuid;
use crate::token::KeyId;

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// An SQS queue.
    Queue,
    /// A file or standard input.
    File,
}

impl SourceKind {
    /// The word in SQL and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::File => "file",
        }
    }
}

/// What the queue or file says of a message, beside its body.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The same at every redelivery: the key of the ledger.
    pub message_id: Uuid,
    /// When it was sent.
    pub sent: SentAt,
    /// When this process took it.
    pub received_at: Timestamp,
    /// How often the queue has handed it out, where it says so.
    pub receive_count: Option<i32>,
    /// The day of its row when the body carries none.
    pub row_day: Date,
    /// Where it came from.
    pub source: SourceKind,
}

/// What became of a message: a row, or a sealed body and the reason.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are logins: a box for each would cost more"
)]
pub enum Verdict {
    /// A row of `user_logins`.
    Login(MaskedLogin),
    /// A row of `ingest.quarantine`.
    Rejected(SealedRejection),
}

/// A body that could not be loaded, sealed.
#[derive(Clone, Debug)]
pub struct SealedRejection {
    /// What is wrong with it.
    pub rejection: Rejection,
    /// The body, sealed for its message.
    pub sealed: Vec<u8>,
    /// Under this key.
    pub key_id: KeyId,
}

/// SQS message ids are UUIDs; an emulator's other text becomes a UUIDv8 of its SHA-256,
/// the same every time.
#[must_use]
pub fn message_id(text: &str) -> Uuid {
    Uuid::try_parse(text)
        .unwrap_or_else(|_| digest_uuid(&[b"loginetl/message-id/v1", text.as_bytes()]))
}

/// The ledger id of a chunk of a file: its number and the digest of the content that it
/// belongs to.
#[must_use]
pub fn chunk_id(content: &[u8; 32], number: u64) -> Uuid {
    digest_uuid(&[b"loginetl/chunk/v1", content, &number.to_be_bytes()])
}

/// The message id of one line of a chunk.
#[must_use]
pub fn line_id(chunk: Uuid, line: u64) -> Uuid {
    digest_uuid(&[b"loginetl/line/v1", chunk.as_bytes(), &line.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_that_is_no_uuid_gets_a_stable_one() {
        let uuid = "0193b1c2-0000-7000-8000-00000000002a";
        assert_eq!(message_id(uuid).to_string(), uuid);
        assert_eq!(message_id("msg-1"), message_id("msg-1"));
        assert_ne!(message_id("msg-1"), message_id("msg-2"));
        assert_eq!(message_id("").get_version_num(), 8);
    }
}

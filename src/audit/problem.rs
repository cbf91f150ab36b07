//! What can be wrong with a record, and which of it is tampering.

use super::Head;

/// Something is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The record's number.
    pub seq: i64,
    /// Its kind, as it stands there; none, if the trouble is with no record.
    pub kind: String,
    /// The login that wrote it, as it stands there.
    pub db_user: String,
    /// What is wrong.
    pub trouble: Trouble,
}

/// What can be wrong with a record, in the order in which it is looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// A line of an export that is no record.
    #[error("should stand in line {line} of the export, which is no record: it was changed or cut")]
    Unreadable {
        /// Which line.
        line: u64,
    },
    /// Records are missing, or stand twice.
    #[error(
        "follows record {after}: records between them are missing, or records were moved or added"
    )]
    Order {
        /// The record before it.
        after: i64,
    },
    /// It does not continue the record before it.
    #[error(
        "does not continue the record before it: that one was changed, or another chain begins here"
    )]
    Chain,
    /// Its parts do not have its hash.
    #[error("was changed: its content does not have its hash")]
    Edited,
    /// A signature that no given key made over this record.
    #[error(
        "carries a signature that the audit key did not make over it: it, or a record after \
         {since}, was changed, or it never signed"
    )]
    BadSignature {
        /// The last record before it with a valid signature.
        since: i64,
    },
    /// A record that KMS signs has no signature.
    #[error(
        "has no signature and needs one: it was removed, or the run was killed before it signed"
    )]
    NoSignature,
    /// A request whose signature is not the one that its outcome names.
    #[error("carries another signature than the one that outcome {outcome} names")]
    AnotherSignature {
        /// The outcome's number.
        outcome: i64,
    },
    /// A release, outcome or withdrawal without its request.
    #[error("belongs to no open request of its login")]
    NoRequest,
    /// A withdrawal of a request for which a key was released.
    #[error("withdraws request {request}, for which a key was released")]
    WithdrawnAfterRelease {
        /// The request's number.
        request: i64,
    },
    /// A request without an outcome.
    #[error("is an open request: {}", say_release(*.is_released))]
    Open {
        /// Whether a key was released for it.
        is_released: bool,
    },
    /// The record that was kept as evidence is not there any more.
    #[error("is not the record of the head that was kept: the log was rewritten")]
    Rewritten,
    /// The log ends before the record that was kept as evidence.
    #[error("is the last record, but the head that was kept is a later one: the tail was cut off")]
    CutTail,
    /// The head row names another record than the last.
    #[error("is the last record, but the head of the log is {head}: records were removed or added")]
    OtherHead {
        /// What the head row says.
        head: Head,
    },
    /// A signature without its record.
    #[error("has a signature, but the record is missing")]
    MissingRecord,
    /// A log that nothing proves.
    #[error(
        "ends a log in which the audit key signed nothing: every log begins with signed records \
         of its keys"
    )]
    NothingSigned,
    /// A data key that no signed record tells of.
    #[error("ends a log without a signed record of key {key_id}, which the vault has")]
    UnrecordedKey {
        /// Which key.
        key_id: i64,
    },
}

fn say_release(is_released: bool) -> &'static str {
    if is_released {
        "a key was released, and nobody knows what was seen"
    } else {
        "no release is recorded"
    }
}

impl Trouble {
    /// Whether it is evidence of tampering, and not only something to look into.
    #[must_use]
    pub fn is_tampering(&self) -> bool {
        !matches!(self, Self::Open { .. })
    }
}

//! The audit log as it can be checked by anybody: records, their chain, their signatures.
//! Pure; knows no storage.
//!
//! A record's hash covers its parts and the hash before it; a signature covers the hash.
//! So whoever has the public key and the records can tell whether one was changed, added,
//! moved or taken away.

mod group;
mod justification;
mod kind;
mod listed;
mod problem;
mod record;
mod requests;
mod verify;

pub use group::Group;
pub use justification::{Justification, JustificationError};
pub use kind::RecordKind;
pub use listed::Listed;
pub use problem::{Problem, Trouble};
pub use record::{Head, Record};
pub use verify::{Stored, Verifier, VerifyReport};

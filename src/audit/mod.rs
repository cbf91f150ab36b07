//! The audit log as it can be checked by anybody: records, their chain, their signatures. Pure; knows no storage.
//!
//! A record's hash covers its parts and the hash before it; a signature covers the hash. So whoever has the public
//! key and the records can tell whether one was changed, added, moved or taken away.

mod entry;
mod listed;
mod reason;
mod requests;
mod verify;

pub use entry::{Entry, Head, Kind};
pub use listed::Listed;
pub use reason::{Reason, ReasonError};
pub use verify::{Problem, Report, Stored, Trouble, Verifier};

//! A file or standard input as a source: chunks of 5,000 lines, each with an id of its
//! content and its number.
//!
//! Invariant: a chunk whose id is in the ledger changes nothing, so that an interrupted
//! file is simply loaded again.

mod archive;
mod chunk;
mod reader;
mod refusal;
mod source;

pub(crate) use archive::{ArchiveSource, LedgerClock};
pub(crate) use source::FileSource;

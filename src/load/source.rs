//! What a source of events is asked to do: hand out, keep, end and take back. All else
//! exists once, in the stages.
//!
//! Three sources stand here: a queue of SQS ([`super::queue`]), a file or standard input
//! ([`super::file`]), and an archive of queue messages (`super::file::archive`), whose
//! lines have the ids of their messages. What one of them cannot do, its types say:
//! nothing of a file is ever given back, for its handle has no value
//! ([`std::convert::Infallible`]); a file has no lease, so that nothing keeps it alive.
//!
//! Another one would be one more file. A log with offsets in order, such as
//! Kafka, would hold:
//!
//! - a [`Source::Handle`] of partition and offset, and as parcel a [`super::Message`] of
//!   it;
//! - a `message_id` made of topic, partition and offset, which are the same at every
//!   redelivery, and as `sent` the time of the record; `SourceKind` and the check
//!   constraint of `ingest.quarantine` get one more word;
//! - [`Source::poll`]: records from where the last poll ended, at first from the
//!   committed offset;
//! - [`Source::acknowledge`]: the offset up to which *all* are acknowledged is committed.
//!   Two writers may be done in another order; what is not committed comes again after a
//!   crash, and the ledger recognises it;
//! - [`Source::give_back`] that does nothing, as what is not committed is given back
//!   already, and no lease: the client of such a log keeps its partitions by itself;
//! - [`Source::depth`]: the end of the log less what was handed out. One receiver and one
//!   writer a partition keep their order.

use std::hash::Hash;
use std::time::Duration;

use serde::Serialize;

use super::parcel::Parcel;
use crate::aws::CallError;
use crate::error::Error;
pub use crate::queue::Depth;

/// Where events come from.
///
/// Invariant: what was handed out and not acknowledged is handed out again, with the same
/// ids, by this process or the next.
pub trait Source: Send + Sync + Sized + 'static {
    /// What ends a parcel, keeps it, or gives it back.
    type Handle: Clone + Eq + Hash + Send + Sync + 'static;
    /// What is handed out as one, and written whole: a [`super::Message`] with an id of
    /// its own, or a chunk of a file.
    type Parcel: Parcel<Handle = Self::Handle>;

    /// What it is like.
    fn facts(&self) -> Facts;

    /// What the audit log calls it.
    fn origin(&self) -> Origin;

    /// Hands out up to `most` parcels; waits up to `wait` for the first. A run that is
    /// being stopped waits for the answer until its deadline: what is handed out is ours.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses.
    fn poll(
        &self,
        most: usize,
        wait: Duration,
    ) -> impl Future<Output = Result<Polled<Self::Parcel>, SourceError>> + Send;

    /// Ends parcels whose effect is committed; returns the handles that it refused.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses all.
    fn acknowledge(
        &self,
        handles: &[Self::Handle],
    ) -> impl Future<Output = Result<Vec<Self::Handle>, SourceError>> + Send;

    /// Makes parcels ours for another [`Facts::lease`]; returns the
    /// handles that it refused.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses all.
    fn keep_alive(
        &self,
        _handles: &[Self::Handle],
    ) -> impl Future<Output = Result<Vec<Self::Handle>, SourceError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Lets others have parcels at once; returns the handles that it refused.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses all.
    fn give_back(
        &self,
        _handles: &[Self::Handle],
    ) -> impl Future<Output = Result<Vec<Self::Handle>, SourceError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// How much it has, if it can tell.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses.
    fn depth(&self) -> impl Future<Output = Result<Option<Depth>, SourceError>> + Send {
        std::future::ready(Ok(None))
    }

    /// How many parcels it has put aside because nobody acknowledged them, if it does
    /// that and can tell.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses.
    fn dead_letters(&self) -> impl Future<Output = Result<Option<u64>, SourceError>> + Send {
        std::future::ready(Ok(None))
    }
}

/// What a source is like.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// For how long a parcel stays ours; nothing, if it stays so until we end.
    pub lease: Option<Duration>,
    /// Most parcels of one poll, and most handles in one call.
    pub at_once: usize,
    /// Most receivers that poll side by side.
    pub receivers: usize,
    /// Writers side by side: one, where order matters.
    pub writers: usize,
    /// Whether it has an end, before which a stop leaves a part of it unread.
    pub has_end: bool,
}

impl Facts {
    /// Most parcels or handles at once: at least one, whatever the source says.
    pub(crate) fn at_once(&self) -> usize {
        self.at_once.max(1)
    }
}

/// Where events came from, as the audit log has it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A queue, by its URL.
    Queue(String),
    /// A file, by the SHA-256 of its content: its name is not ours to keep.
    FileSha256(String),
    /// Standard input, a pipe, or a source of one's own.
    Stream(&'static str),
}

/// What a poll came to.
pub enum Polled<P> {
    /// What the source handed out; none, if nothing came in time.
    Parcels(Vec<P>),
    /// It has no more, and never will.
    End,
}

/// Why a source did not do what it was asked.
pub struct SourceError(Error);

impl SourceError {
    /// A fault of a source of one's own: what is wrong, and whether it
    /// may pass by itself.
    pub fn new(problem: impl std::fmt::Display, may_pass: bool) -> Self {
        Self(Error::Source { problem: problem.to_string(), may_pass })
    }
}

impl From<CallError> for SourceError {
    fn from(error: CallError) -> Self {
        Self(error.into())
    }
}

impl From<Error> for SourceError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<SourceError> for Error {
    fn from(SourceError(error): SourceError) -> Self {
        error
    }
}

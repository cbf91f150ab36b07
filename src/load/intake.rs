//! Between receiving and writing: whether what a queue begins with are login events at
//! all, decided before any is written.
//!
//! Invariant: a message that comes in goes out to a writer, once and in order; while the
//! beginning is undecided it stays here, neither written nor deleted, and is kept alive
//! like all that is in hand.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;

use super::parcel::{InHand, Parcel};
use crate::login::{RejectReason, Verdict};
use crate::stop::Stop;

/// After this many rejections in a row for one reason, it is perhaps the
/// wrong queue (fixed).
pub(super) const TOO_MANY: usize = 200;
/// If nothing comes from a queue for this long, it has no more. What came is then written
/// as ever.
const QUIET: Duration = Duration::from_secs(2);
/// Bodies that wait here take the room of others. When they grow larger than this, they
/// are written, and the poison budget watches over them.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What the receivers have handed on, for the writers.
pub(super) struct Intake<P> {
    receiver: mpsc::Receiver<InHand<P>>,
    /// What came before the beginning was decided.
    first: VecDeque<InHand<P>>,
    is_decided: bool,
}

impl<P: Parcel> Intake<P> {
    /// Nothing has come yet. A beginning that is `trusted` is not looked at.
    #[must_use]
    pub(super) fn new(receiver: mpsc::Receiver<InHand<P>>, trusted: bool) -> Self {
        Self { receiver, first: VecDeque::new(), is_decided: trusted }
    }

    /// The next message; nothing when the receivers have ended. Cancelling loses none.
    pub(super) async fn next(&mut self) -> Option<InHand<P>> {
        match self.first.pop_front() {
            Some(message) => Some(message),
            None => self.receiver.recv().await,
        }
    }

    /// Waits until it is clear what the run begins with; says for which one reason the
    /// first [`TOO_MANY`] messages are rejected, if they are. Once that is decided, it
    /// costs nothing.
    pub(super) async fn wait_for_common_rejection(&mut self, stop: &Stop) -> Option<RejectReason> {
        let mut bytes = 0;
        while !self.is_decided {
            let Some(message) = self.next_soon(stop).await else {
                self.is_decided = true;
                return None;
            };
            bytes += message.parcel.bytes();
            let reason = reason_of(&message);
            self.first.push_back(message);
            let is_like_first =
                reason.is_some() && reason == self.first.front().and_then(reason_of);
            let is_enough = self.first.len() >= TOO_MANY;
            self.is_decided = !is_like_first || is_enough || bytes >= MOST_BYTES;
            if is_like_first && is_enough {
                return reason;
            }
        }
        None
    }

    /// The next message of a queue that still has some. The first may be long in coming.
    async fn next_soon(&mut self, stop: &Stop) -> Option<InHand<P>> {
        if self.first.is_empty() {
            return self.receiver.recv().await;
        }
        let next = stop.unless_asked(tokio::time::timeout(QUIET, self.receiver.recv()));
        next.await.and_then(Result::ok).flatten()
    }
}

fn reason_of<P>(message: &InHand<P>) -> Option<RejectReason> {
    match message.verdicts.first() {
        Some(Verdict::Rejected(rejected)) => Some(rejected.rejection.reason),
        _ => None,
    }
}

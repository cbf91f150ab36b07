//! What happened so far, in numbers.
//!
//! Invariant: everything here only grows, except what says "now".

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde::Serialize;

use super::protocol::Operation;

/// What all queues saw, and each.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// Calls that arrived, with those that were refused.
    pub calls: BTreeMap<Operation, u64>,
    /// Calls that were refused or whose connection was reset, with nothing done.
    pub refused: u64,
    /// Calls that were carried out without an answer.
    pub lost: u64,
    /// Calls that hang, or hung until the client left.
    pub hung: u64,
    /// Receives that found nothing in all their time.
    pub empty_receives: u64,
    /// Receives that wait for a message now.
    pub receives_waiting: usize,
    /// The most receives at a time, answered or not.
    pub receives_at_once: usize,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub queues: BTreeMap<String, QueueStats>,
}

/// What one queue saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueStats {
    pub sent: u64,
    /// Times that a message was handed out.
    pub received: u64,
    /// Messages and duplicates that are deleted.
    pub deleted: u64,
    /// Ids that were deleted at least once.
    pub distinct_deleted: u64,
    /// Deletes of what was deleted already.
    pub redundant_deletes: u64,
    /// Deletes that were accepted but did nothing, for the message had been received
    /// again since.
    pub stale_deletes: u64,
    /// Duplicates, handed out or to be so.
    pub duplicated: u64,
    /// Times that a visibility timeout ended.
    pub expired: u64,
    /// Times that a receiver made a message visible at once.
    pub given_back: u64,
    pub dead_lettered: u64,
    pub max_receive_count: u32,
    /// Now.
    pub visible: u64,
    /// Now.
    pub in_flight: u64,
    /// Now.
    pub delayed: u64,
}

/// The counters behind [`Stats`].
#[derive(Default)]
pub struct Counters {
    pub calls: [AtomicU64; Operation::ALL.len()],
    pub refused: AtomicU64,
    pub lost: AtomicU64,
    pub hung: AtomicU64,
    pub empty_receives: AtomicU64,
    pub receives_waiting: AtomicUsize,
    pub receives: AtomicUsize,
    pub receives_at_once: AtomicUsize,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
}

impl Counters {
    pub fn stats(&self, queues: BTreeMap<String, QueueStats>) -> Stats {
        let calls =
            Operation::ALL.map(|operation| (operation, count(&self.calls[operation as usize])));
        Stats {
            calls: calls.into_iter().filter(|(_, calls)| *calls > 0).collect(),
            refused: count(&self.refused),
            lost: count(&self.lost),
            hung: count(&self.hung),
            empty_receives: count(&self.empty_receives),
            receives_waiting: self.receives_waiting.load(Ordering::SeqCst),
            receives_at_once: self.receives_at_once.load(Ordering::SeqCst),
            bytes_in: count(&self.bytes_in),
            bytes_out: count(&self.bytes_out),
            queues,
        }
    }
}

pub fn add(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

//! What a run has done so far: counted by the stages, shown by the progress line, printed at the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

/// Counters of one run. Counts are of messages (or lines).
pub struct Tally {
    started: Instant,
    received: AtomicU64,
    loaded: AtomicU64,
    duplicates: AtomicU64,
    quarantined: AtomicU64,
    deleted: AtomicU64,
    given_back: AtomicU64,
    in_hand: AtomicU64,
}

/// The summary (fixed: at least `received`, `loaded`, `duplicates`, `quarantined`, `deleted`).
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Taken from the queue or file.
    pub received: u64,
    /// New rows of `user_logins`.
    pub loaded: u64,
    /// Had their effect before, or came twice in one batch.
    pub duplicates: u64,
    /// New rows of `ingest.quarantine`.
    pub quarantined: u64,
    /// Deleted from the queue, as far as it said so.
    pub deleted: u64,
    /// Given back unread or unwritten, because the run was stopped.
    pub given_back: u64,
    /// Wall time.
    pub seconds: f64,
}

impl Default for Tally {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            started: Instant::now(),
            received: zero(),
            loaded: zero(),
            duplicates: zero(),
            quarantined: zero(),
            deleted: zero(),
            given_back: zero(),
            in_hand: zero(),
        }
    }
}

impl Tally {
    /// Messages came in.
    pub fn received(&self, count: usize) {
        self.received.fetch_add(count as u64, Ordering::Relaxed);
        self.in_hand.fetch_add(count as u64, Ordering::SeqCst);
    }

    /// The queue took messages back.
    pub fn given_back(&self, count: usize) {
        self.given_back.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Messages are not in hand any more.
    pub fn released(&self, count: usize) {
        self.in_hand.fetch_sub(count as u64, Ordering::SeqCst);
    }

    /// A batch of `messages` was committed.
    pub fn committed(&self, messages: usize, loaded: u64, quarantined: u64) {
        self.loaded.fetch_add(loaded, Ordering::Relaxed);
        self.quarantined.fetch_add(quarantined, Ordering::Relaxed);
        let duplicates = (messages as u64).saturating_sub(loaded + quarantined);
        self.duplicates.fetch_add(duplicates, Ordering::Relaxed);
    }

    /// The queue says that messages are gone.
    pub fn deleted(&self, count: usize) {
        self.deleted.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// How many messages this process holds.
    #[must_use]
    pub fn in_hand(&self) -> u64 {
        self.in_hand.load(Ordering::SeqCst)
    }

    /// How many messages this run has quarantined.
    #[must_use]
    pub fn quarantined(&self) -> u64 {
        self.quarantined.load(Ordering::Relaxed)
    }

    /// The counters now.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Summary {
            received: of(&self.received),
            loaded: of(&self.loaded),
            duplicates: of(&self.duplicates),
            quarantined: of(&self.quarantined),
            deleted: of(&self.deleted),
            given_back: of(&self.given_back),
            seconds: (self.started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        }
    }
}

impl Summary {
    /// Messages a second over the whole run.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.received as f64 / self.seconds.max(0.001)
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "received {}, loaded {}, duplicates {}, quarantined {}, deleted {}",
            self.received, self.loaded, self.duplicates, self.quarantined, self.deleted
        )
    }
}

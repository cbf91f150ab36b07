//! What a run has done so far: counted by the stages, shown by the progress line, printed
//! at the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use serde::Serialize;

use crate::login::{NearNameCount, NearNames};

/// Counters of one run. Counts are of messages (or lines).
pub(super) struct Tally {
    started: Instant,
    received: Counter,
    loaded: Counter,
    duplicates: Counter,
    quarantined: Counter,
    deleted: Counter,
    given_back: Counter,
    in_hand: AtomicU64,
    /// Names that are almost those of fields.
    pub near: NearNames,
}

/// The summary (fixed: at least `received`, `loaded`, `duplicates`,
/// `quarantined`, `deleted`).
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Summary {
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
    /// Names that are almost those of fields, and so were not read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near_names: Vec<NearNameCount>,
    /// Wall time.
    pub seconds: f64,
}

impl Default for Tally {
    fn default() -> Self {
        let [received, loaded, duplicates, quarantined, deleted, given_back] =
            [(); 6].map(|()| Counter::default());
        let (started, in_hand) = (Instant::now(), AtomicU64::new(0));
        Self {
            started,
            received,
            loaded,
            duplicates,
            quarantined,
            deleted,
            given_back,
            in_hand,
            near: NearNames::default(),
        }
    }
}

impl Tally {
    /// The counters with their names and what they mean.
    #[must_use]
    pub(super) fn counters(&self) -> [(&'static str, &'static str, &Counter); 6] {
        [
            ("messages_received", "Messages taken from the queue, each delivery", &self.received),
            ("messages_loaded", "New rows of user_logins", &self.loaded),
            ("messages_duplicate", "Messages that had their effect before", &self.duplicates),
            ("messages_quarantined", "New rows of the quarantine", &self.quarantined),
            ("messages_deleted", "Messages that the queue says are deleted", &self.deleted),
            (
                "messages_given_back",
                "Messages given back because the run was stopped",
                &self.given_back,
            ),
        ]
    }

    /// Messages came in.
    pub(super) fn count_received(&self, count: usize) {
        self.received.inc_by(count as u64);
        self.in_hand.fetch_add(count as u64, Ordering::SeqCst);
    }

    /// The queue took messages back.
    pub(super) fn count_given_back(&self, count: usize) {
        self.given_back.inc_by(count as u64);
    }

    /// Messages are not in hand any more.
    pub(super) fn count_released(&self, count: usize) {
        self.in_hand.fetch_sub(count as u64, Ordering::SeqCst);
    }

    /// A batch of `messages` was committed.
    pub(super) fn count_committed(&self, messages: usize, loaded: u64, quarantined: u64) {
        self.loaded.inc_by(loaded);
        self.quarantined.inc_by(quarantined);
        let duplicates = (messages as u64).saturating_sub(loaded + quarantined);
        self.duplicates.inc_by(duplicates);
    }

    /// The queue says that messages are gone.
    pub(super) fn count_deleted(&self, count: usize) {
        self.deleted.inc_by(count as u64);
    }

    /// How many messages this process holds.
    #[must_use]
    pub(super) fn in_hand(&self) -> u64 {
        self.in_hand.load(Ordering::SeqCst)
    }

    /// How many messages this run has quarantined.
    #[must_use]
    pub(super) fn quarantined_count(&self) -> u64 {
        self.quarantined.get()
    }

    /// The counters now.
    #[must_use]
    pub(super) fn summary(&self) -> Summary {
        Summary {
            received: self.received.get(),
            loaded: self.loaded.get(),
            duplicates: self.duplicates.get(),
            quarantined: self.quarantined.get(),
            deleted: self.deleted.get(),
            given_back: self.given_back.get(),
            near_names: self.near.counts(),
            seconds: (self.started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        }
    }
}

impl Summary {
    /// Messages a second over the whole run.
    #[must_use]
    pub(crate) fn rate(&self) -> f64 {
        self.received as f64 / self.seconds.max(0.001)
    }

    /// A line for each name that is almost that of a field.
    pub(crate) fn near_name_lines(&self) -> impl Iterator<Item = String> + '_ {
        let line = |near: &NearNameCount| {
            let NearNameCount { name, almost, count } = near;
            format!(
                "\"{name}\" stood in {count} events without \"{almost}\", and was not read: is it \
                 misspelt?"
            )
        };
        self.near_names.iter().map(line)
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

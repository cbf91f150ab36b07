//! Which of the services that a run needs have answered last.

use std::sync::atomic::{AtomicBool, Ordering};

/// A service that a run cannot do without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Where events come from.
    Source,
    /// Postgres.
    Database,
}

/// What is known of them; at first, nothing bad.
#[derive(Default)]
pub(super) struct Health {
    source_fails: AtomicBool,
    database_fails: AtomicBool,
}

impl Health {
    /// A service has answered, or has not.
    pub(super) fn note(&self, service: Service, works: bool) {
        let flag = match service {
            Service::Source => &self.source_fails,
            Service::Database => &self.database_fails,
        };
        flag.store(!works, Ordering::Relaxed);
    }

    /// What does not work.
    #[must_use]
    pub(super) fn waits_for(&self) -> Option<&'static str> {
        match (
            self.database_fails.load(Ordering::Relaxed),
            self.source_fails.load(Ordering::Relaxed),
        ) {
            (false, false) => None,
            (true, false) => Some("waiting for the database"),
            (false, true) => Some("waiting for the queue"),
            (true, true) => Some("waiting for the database and the queue"),
        }
    }
}

//! What others see of a run: its counters, the receivers at work, what the source says of
//! itself, who does not answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::faults::Faults;
use super::health::Health;
use super::metrics::{Metrics, Now};
use super::source::Depth;
use super::survey::Survey;
use super::tally::Tally;
use crate::login::Plan;

/// The state of one run, for whoever watches it.
pub(super) struct Watch {
    /// The counters.
    pub tally: Tally,
    /// The same for a monitoring system, and more.
    pub metrics: Metrics,
    /// Whether the services answer.
    pub health: Health,
    /// What went wrong with them.
    pub faults: Faults,
    /// Receivers at work.
    pub receivers: AtomicUsize,
    depth: Mutex<Option<Depth>>,
    survey: Mutex<Survey>,
}

impl Default for Watch {
    fn default() -> Self {
        let (tally, faults) = (Tally::default(), Faults::default());
        let (health, receivers, depth, survey) = Default::default();
        let metrics = Metrics::new(&tally, &faults);
        Self { tally, metrics, health, faults, receivers, depth, survey }
    }
}

impl Watch {
    /// What the source last said of itself, if anybody wanted to know.
    #[must_use]
    pub(super) fn depth(&self) -> Option<Depth> {
        *self.depth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The source has said how much it has.
    pub(super) fn note_depth(&self, depth: Depth) {
        *self.depth.lock().unwrap_or_else(PoisonError::into_inner) = Some(depth);
    }

    /// What changes slowly was looked up.
    pub(super) fn note_survey(&self, survey: Survey) {
        *self.survey.lock().unwrap_or_else(PoisonError::into_inner) = survey;
    }

    /// The metrics, as text.
    #[must_use]
    pub(super) fn metrics_text(&self, plan: Plan, is_ready: bool) -> String {
        let receivers = self.receivers.load(Ordering::Relaxed);
        self.metrics.text(&Now {
            in_hand: self.tally.in_hand(),
            receivers,
            depth: self.depth(),
            plan,
            is_ready,
            survey: self.survey.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        })
    }
}

//! What the stages of one run share: where events come from and go to, the keys, what is
//! in hand, and how it ends.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::budget::Budget;
use super::ending::Ending;
use super::give_back::give_back;
use super::held::Held;
use super::record::{End, record_run};
use super::source::{Depth, Source};
use super::tally::Summary;
use super::watch::Watch;
use crate::db::Target;
use crate::error::Error;
use crate::login::Reading;
use crate::stop::Stop;
use crate::vault::KeyCache;

/// What the user asks for.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// End when the source stays empty.
    pub drain: bool,
    /// End after this many parcels.
    pub max_messages: Option<u64>,
    /// How often the source is asked for its depth, if somebody wants to know.
    pub ask_depth: Option<Duration>,
    /// How often what changes slowly is looked up, if somebody wants to know.
    pub survey_every: Option<Duration>,
    /// Most rows in one transaction.
    pub batch_rows: usize,
    /// How bodies are read.
    pub reading: Reading,
    /// Whether the first messages may all be rejected for one reason.
    pub quarantine_from_start: bool,
    /// Most messages to quarantine before the run stops.
    pub poison_budget: u64,
}

/// One run of the pipeline.
pub(crate) struct Run<S: Source> {
    /// What the user asks for.
    pub(super) options: Options,
    /// Where events come from.
    pub(super) source: S,
    /// Where the keys are.
    pub(super) key_cache: KeyCache,
    /// Where the rows go.
    pub(super) target: Target,
    /// Parcels in hand.
    pub(super) held: Held<S::Handle>,
    /// How much they may take.
    pub(super) budget: Budget,
    /// What others see of it.
    pub(super) watch: Watch,
    /// How it ends.
    pub(super) ending: Ending<S::Handle>,
}

impl<S: Source> Run<S> {
    /// A run that has not begun.
    #[must_use]
    pub(crate) fn new(
        options: Options,
        source: S,
        key_cache: KeyCache,
        target: Target,
        stop: Stop,
    ) -> Self {
        let (held, budget, watch): (_, _, Watch) = Default::default();
        // While known keys serve, nobody else hears of it.
        let faults = watch.faults.clone();
        key_cache.tell_failures(move |error| faults.note_vault(error));
        Self { options, source, key_cache, target, held, budget, watch, ending: Ending::new(stop) }
    }

    /// The counters now.
    #[must_use]
    pub(crate) fn summary(&self) -> Summary {
        self.watch.tally.summary()
    }

    /// What the source last said of itself.
    #[must_use]
    pub(crate) fn last_depth(&self) -> Option<Depth> {
        self.watch.depth()
    }

    /// Whether the source has an end, before which a stop leaves a part of it unread.
    #[must_use]
    pub(crate) fn has_end(&self) -> bool {
        self.source.facts().has_end
    }

    /// How it has ended, and the error that ended it, if one did.
    pub(crate) fn conclude(&self) -> (End, Option<Error>) {
        let failure = self.ending.take_failure();
        let end = match () {
            () if self.is_poisoned() => End::Poisoned,
            () if failure.is_some() => End::Failed,
            () if self.ending.stop.is_asked() && !self.ending.has_all() => End::Stopped,
            () => End::Done,
        };
        (end, failure)
    }

    /// Writes the run into the audit log.
    ///
    /// # Errors
    /// When the database is gone, mute, or does not let this login.
    pub(crate) async fn record(&self, end: End, summary: &Summary) -> Result<(), Error> {
        let origin = self.source.origin();
        record_run(&self.target, &self.ending.stop, &origin, end, summary).await
    }

    /// What the source says of itself now, if it can tell.
    pub(crate) async fn ask_depth(&self) -> Option<Depth> {
        self.source.depth().await.ok().flatten()
    }

    /// Whether more has been quarantined than the budget allows.
    #[must_use]
    pub(super) fn is_poisoned(&self) -> bool {
        self.watch.tally.quarantined_count() > self.options.poison_budget
    }

    /// Asks the source for its depth, again and again, where somebody wants to know.
    pub(super) async fn watch_depth(self: Arc<Self>, done: CancellationToken) {
        let Some(every) = self.options.ask_depth else { return };
        while let Some(depth) = done.run_until_cancelled(self.source.depth()).await {
            match depth.map_err(Error::from) {
                Ok(depth) => depth.into_iter().for_each(|depth| self.watch.note_depth(depth)),
                Err(error) => self.watch.faults.note(&error),
            }
            done.run_until_cancelled(tokio::time::sleep(every)).await;
        }
    }

    /// Makes parcels visible to others; at once, or when the last receiver has ended.
    pub(super) async fn give_back(&self, handles: Vec<S::Handle>) {
        self.give_back_now(self.ending.keep_unwanted(handles)).await;
    }

    /// The last receiver has ended.
    pub(super) async fn give_back_unwanted(&self) {
        self.give_back_now(self.ending.take_unwanted()).await;
    }

    /// A message that cannot be given back comes back by its timeout.
    async fn give_back_now(&self, handles: Vec<S::Handle>) {
        self.held.let_go(&handles);
        let taken = |count| self.watch.tally.count_given_back(count);
        // Whatever fails is told where it fails; a run that ends has nobody else to tell.
        let given = self.ending.stop.before_end(give_back(&self.source, &handles, taken)).await;
        if let Some(Err(error)) = given {
            self.watch.faults.note(&error);
        }
        self.watch.tally.count_released(handles.len());
    }

    /// Runs a stage's worker on its tracker. A worker that panics ends the run with an
    /// error, never in silence.
    pub(super) fn spawn(
        self: &Arc<Self>,
        tracker: &TaskTracker,
        worker: impl Future<Output = ()> + Send + 'static,
    ) {
        let run = Arc::clone(self);
        tracker.spawn(async move {
            if AssertUnwindSafe(worker).catch_unwind().await.is_err() {
                run.ending.give_up(Error::Panicked);
            }
        });
    }
}

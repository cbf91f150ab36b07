//! What the stages of one run share: options, clients, counters, and the way to stop.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::give_back::give_back;
use super::health::Health;
use super::held::Held;
use super::metrics::{Metrics, Now};
use super::tally::Tally;
use crate::db::Target;
use crate::error::Error;
use crate::login::Reading;
use crate::queue::{Depth, Queue, ReceiptHandle};
use crate::stop::Stop;
use crate::vault::KeyCache;

/// The flags that stages need.
pub(super) struct Options {
    /// End when the queue stays empty.
    pub drain: bool,
    /// End after this many messages.
    pub max_messages: Option<u64>,
    /// Most receivers at once.
    pub receivers: usize,
    /// Somebody asks for metrics.
    pub is_watched: bool,
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
pub(super) struct Run {
    /// The flags.
    pub options: Options,
    /// Where messages come from.
    pub queue: Queue,
    /// Where the keys are.
    pub key_cache: KeyCache,
    /// Where the rows go.
    pub target: Target,
    /// Messages in hand.
    pub held: Held,
    /// The counters.
    pub tally: Tally,
    /// The same for a monitoring system, and more.
    pub metrics: Metrics,
    /// Whether the services answer.
    pub health: Health,
    /// Receivers at work.
    pub receivers: AtomicUsize,
    /// What the queue last said of itself, if anybody wants to know.
    pub depth: Mutex<Option<Depth>>,
    /// Asked for when no more is to be received.
    pub stop: Stop,
    failure: Mutex<Option<Error>>,
    /// What is to be given back; none any more when the last receiver has ended.
    unwanted: Mutex<Option<Vec<ReceiptHandle>>>,
}

impl Run {
    /// A run that has not begun.
    #[must_use]
    pub(super) fn new(options: Options, queue: Queue, key_cache: KeyCache, target: Target, stop: Stop) -> Self {
        let tally = Tally::default();
        Self {
            options,
            queue,
            key_cache,
            target,
            held: Held::default(),
            metrics: Metrics::new(&tally),
            tally,
            health: Health::default(),
            receivers: AtomicUsize::new(0),
            depth: Mutex::default(),
            stop,
            failure: Mutex::default(),
            unwanted: Mutex::new(Some(Vec::new())),
        }
    }

    /// The metrics, as text.
    #[must_use]
    pub(super) fn metrics_text(&self) -> String {
        self.metrics.text(&Now {
            in_hand: self.tally.in_hand(),
            receivers: self.receivers.load(Ordering::Relaxed),
            depth: self.last_depth(),
            plan: self.key_cache.current().plan(),
        })
    }

    /// What the queue last said of itself.
    #[must_use]
    pub(super) fn last_depth(&self) -> Option<Depth> {
        *self.depth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the queue for its depth, again and again.
    pub(super) async fn watch_depth(self: Arc<Self>, every: Duration, done: CancellationToken) {
        while let Some(depth) = done.run_until_cancelled(self.queue.depth()).await {
            if let Ok(depth) = depth {
                *self.depth.lock().unwrap_or_else(PoisonError::into_inner) = Some(depth);
            }
            done.run_until_cancelled(tokio::time::sleep(every)).await;
        }
    }

    /// Ends the run with an error; the first one is kept. Stages finish what they can and give back the rest.
    pub(super) fn fail(&self, error: Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.stop.ask();
    }

    /// Whether a stage has failed.
    #[must_use]
    pub(super) fn has_failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The error that ended the run, if one did.
    pub(super) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether more has been quarantined than the budget allows.
    #[must_use]
    pub(super) fn is_poisoned(&self) -> bool {
        self.tally.quarantined_count() > self.options.poison_budget
    }

    /// Makes messages visible to others; at once, or when the last receiver has ended: a poll of this very process would
    /// get them again, and each time costs a message one of the receives after which it is a dead letter.
    pub(super) async fn give_back(&self, handles: Vec<ReceiptHandle>) {
        if let Some(unwanted) = self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            unwanted.extend(handles);
            return;
        }
        self.give_back_now(handles).await;
    }

    /// The last receiver has ended.
    pub(super) async fn give_back_unwanted(&self) {
        let unwanted = self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.give_back_now(unwanted.unwrap_or_default()).await;
    }

    /// A message that cannot be given back comes back by its timeout.
    async fn give_back_now(&self, handles: Vec<ReceiptHandle>) {
        self.held.let_go(&handles);
        let taken = |count| self.tally.count_given_back(count);
        // Whatever fails is told where it fails; a run that ends has nobody else to tell.
        let _ = self.stop.before_end(give_back(&self.queue, &handles, taken)).await;
        self.tally.count_released(handles.len());
    }

    /// Runs a stage's worker on its tracker. A worker that panics ends the run with an error, never in silence.
    pub(super) fn spawn(self: &Arc<Self>, tracker: &TaskTracker, worker: impl Future<Output = ()> + Send + 'static) {
        let run = Arc::clone(self);
        tracker.spawn(async move {
            if AssertUnwindSafe(worker).catch_unwind().await.is_err() {
                run.fail(Error::Panicked);
            }
        });
    }
}

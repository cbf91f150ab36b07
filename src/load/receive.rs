//! First stage: poll the source, parse and mask at once, hand on. One receiver scouts;
//! more join while answers are full.
//!
//! Invariant: what was received is handed on or given back, also when the
//! run is being stopped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::budget::Reservation;
use super::health::Service;
use super::parcel::{InHand, Judging, Parcel};
use super::patience::Backoff;
use super::run::Run;
use super::source::{Polled, Source};
use crate::error::Error;
use crate::logging;
use crate::login::Verdict;
use crate::vault::Masking;

/// How long a poll waits for the first parcel. Stopping waits for polls that were sent.
const LONG_POLL: Duration = Duration::from_secs(5);
const DRAIN_POLL: Duration = Duration::from_secs(1);
/// How long the source must have been empty before `--drain` ends.
const QUIET: Duration = Duration::from_secs(3);

/// The receivers of a run.
pub(super) struct Fleet<S: Source> {
    run: Arc<Run<S>>,
    tracker: TaskTracker,
    quota: AtomicU64,
    quiet_since: Mutex<Instant>,
    out: mpsc::Sender<InHand<S::Parcel>>,
}

/// Parcels with their shares of the memory budget.
type Received<P> = Vec<(P, Option<Reservation>)>;

/// What one turn of a receiver came to.
enum Turn {
    /// So many parcels; fewer than were wanted, when the source has no more now.
    Received { wanted: usize, count: usize },
    /// It takes its leave: stopped, out of quota, or at the end of the source.
    Ended,
    /// It failed, and has paused.
    Again,
}

/// How a receiver left.
enum Left {
    /// It is already taken off the number of active ones.
    SteppedDown,
    Ended,
}

impl<S: Source> Fleet<S> {
    /// Starts the scout. The fleet ends when the run is stopped, the quota is used up, or
    /// the source has no more.
    pub(super) fn start(
        run: &Arc<Run<S>>,
        tracker: &TaskTracker,
        out: mpsc::Sender<InHand<S::Parcel>>,
    ) {
        let quota = AtomicU64::new(run.options.max_messages.unwrap_or(u64::MAX));
        let quiet_since = Mutex::new(Instant::now());
        let (run, tracker) = (Arc::clone(run), tracker.clone());
        Arc::new(Self { run, tracker, quota, quiet_since, out }).join();
    }

    /// One more receiver, unless there are enough.
    fn join(self: Arc<Self>) {
        let active = &self.run.watch.receivers;
        if active.fetch_add(1, Ordering::SeqCst) < self.run.source.facts().receivers {
            let tracker = self.tracker.clone();
            let run = Arc::clone(&self.run);
            run.spawn(&tracker, async move {
                match self.receive_until_stopped().await {
                    Ok(Left::SteppedDown) => return,
                    Ok(Left::Ended) => {}
                    // What was read before the fault may take all the time that it needs.
                    Err(error) if self.run.has_end() => self.run.ending.keep_failure(error),
                    Err(error) => self.run.ending.fail(error),
                }
                self.run.watch.receivers.fetch_sub(1, Ordering::SeqCst);
            });
        } else {
            active.fetch_sub(1, Ordering::SeqCst);
        }
    }

    async fn receive_until_stopped(self: &Arc<Self>) -> Result<Left, Error> {
        let mut masking = Masking::default();
        let (mut patience, mut asking) = (Backoff::default(), Backoff::default());
        let stop = &self.run.ending.stop;
        while !stop.is_asked() {
            match self.receive_once(&mut masking, &mut patience).await? {
                Turn::Ended => break,
                Turn::Again => {}
                Turn::Received { wanted, count } if count == wanted && count > 0 => {
                    Arc::clone(self).join()
                }
                Turn::Received { count, .. } if count > 0 => {}
                Turn::Received { .. } if self.steps_down() => return Ok(Left::SteppedDown),
                Turn::Received { .. } => match self.is_drained().await {
                    Ok(true) => {
                        self.run.ending.note_all();
                        break;
                    }
                    Ok(false) => asking.reset(),
                    Err(error) => asking.bear(error, &self.run.watch.faults, stop).await?,
                },
            }
        }
        Ok(Left::Ended)
    }

    /// Polls once, and hands on what comes.
    async fn receive_once(
        &self,
        masking: &mut Masking,
        patience: &mut Backoff,
    ) -> Result<Turn, Error> {
        let wanted = self.take_quota();
        if wanted == 0 {
            self.run.ending.note_all();
            return Ok(Turn::Ended);
        }
        let received = self.receive(wanted, masking).await;
        let count =
            if let Ok(Some(Polled::Parcels(parcels))) = &received { parcels.len() } else { 0 };
        self.give_back_quota(wanted - count.min(wanted));
        match received {
            Ok(Some(Polled::Parcels(parcels))) => {
                patience.reset();
                self.run.watch.health.note(Service::Source, true);
                self.hand_on(parcels, masking).await?;
                // Fewer may be left of the quota than one poll can bring.
                Ok(Turn::Received { wanted: self.run.source.facts().at_once(), count })
            }
            Ok(Some(Polled::End)) => {
                self.run.ending.note_all();
                Ok(Turn::Ended)
            }
            Ok(None) => {
                self.run.ending.note_left();
                Ok(Turn::Ended)
            }
            Err(error) => {
                if matches!(error, Error::Aws(_) | Error::Source { .. }) {
                    self.run.watch.health.note(Service::Source, false);
                }
                patience.bear(error, &self.run.watch.faults, &self.run.ending.stop).await?;
                Ok(Turn::Again)
            }
        }
    }

    /// Polls once, with room for the answer and keys to mask it; what comes is in hand at
    /// once, and so kept alive. Nothing, when the run was stopped meanwhile: the source
    /// was not asked, or did not answer in time.
    async fn receive(
        &self,
        wanted: usize,
        masking: &mut Masking,
    ) -> Result<Option<Polled<(S::Parcel, Option<Reservation>)>>, Error> {
        let Run { source, budget, ending, .. } = self.run.as_ref();
        // A chunk is large: none is read before a writer can take it.
        if !S::Parcel::IS_BATCHED
            && ending.stop.unless_asked(self.out.reserve()).await.is_none_or(|room| room.is_err())
        {
            return Ok(None);
        }
        let Some(Some(mut reserved)) = ending.stop.unless_asked(budget.reserve(wanted)).await
        else {
            return Ok(None);
        };
        let keyed = ending.stop.unless_asked(masking.masker(&self.run.key_cache)).await;
        let Some(keyed) = keyed else { return Ok(None) };
        keyed?;
        let polled = Instant::now();
        let poll = source.poll(wanted, if self.run.options.drain { DRAIN_POLL } else { LONG_POLL });
        let Some(answer) = ending.stop.before_deadline(poll).await else { return Ok(None) };
        let Polled::Parcels(parcels) = answer? else { return Ok(Some(Polled::End)) };
        if !parcels.is_empty() {
            *self.lock_quiet() = Instant::now();
        }
        let received =
            parcels.into_iter().map(|parcel| self.take(parcel, polled, &mut reserved)).collect();
        Ok(Some(Polled::Parcels(received)))
    }

    fn take(
        &self,
        parcel: S::Parcel,
        polled: Instant,
        reserved: &mut Reservation,
    ) -> (S::Parcel, Option<Reservation>) {
        if let Some(handle) = parcel.handle() {
            self.run.watch.tally.count_received(parcel.events());
            if let Some(lease) = self.run.source.facts().lease {
                self.run.held.take(handle, polled + lease);
            }
        }
        let share = self.run.budget.share(parcel.bytes(), reserved);
        (parcel, share)
    }

    /// Masks each parcel and hands it on, while the writers can take more; gives back
    /// what cannot be handed on.
    async fn hand_on(
        &self,
        received: Received<S::Parcel>,
        masking: &mut Masking,
    ) -> Result<(), Error> {
        let mut result = Ok(());
        let mut unwanted = Vec::new();
        for (parcel, share) in received {
            // What has no handle cannot be given back: it is in hand.
            if result.is_err() || (self.run.ending.stop.is_asked() && parcel.handle().is_some()) {
                unwanted.extend(parcel.into_handle());
                continue;
            }
            match self.mask(&parcel, masking).await {
                Ok(verdicts) => {
                    let refused = self.out.send(InHand::new(parcel, verdicts, share)).await.err();
                    unwanted.extend(refused.and_then(|refused| refused.0.parcel.into_handle()));
                }
                Err(error) => {
                    unwanted.extend(parcel.into_handle());
                    result = Err(error);
                }
            }
        }
        logging::near_names(&self.run.watch.tally.near);
        if !unwanted.is_empty() {
            self.run.ending.note_left();
            self.run.give_back(unwanted).await;
        }
        result
    }

    /// Reads and masks all events of a parcel; bears faults that may pass, as when keys
    /// have to be unwrapped again.
    async fn mask(&self, parcel: &S::Parcel, masking: &mut Masking) -> Result<Vec<Verdict>, Error> {
        let how = Judging::Read(self.run.options.reading, &self.run.watch.tally.near);
        let stop = &self.run.ending.stop;
        let mut patience = Backoff::default();
        loop {
            let judged = async {
                let masker = masking.masker(&self.run.key_cache).await?;
                Ok::<_, Error>(InHand::judge_all(parcel, masker, how)?)
            };
            match stop.before_deadline(judged).await.unwrap_or(Err(Error::Stopped)) {
                Ok(verdicts) => return Ok(verdicts),
                Err(error) => patience.bear(error, &self.run.watch.faults, stop).await?,
            }
        }
    }

    /// As many parcels as one poll may bring, of the quota of `--max-messages`.
    fn take_quota(&self) -> usize {
        let most = self.run.source.facts().at_once() as u64;
        let taken = self.quota.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            Some(left.saturating_sub(most))
        });
        taken.unwrap_or_else(|left| left).min(most) as usize
    }

    fn give_back_quota(&self, unused: usize) {
        self.quota.fetch_add(unused as u64, Ordering::SeqCst);
    }

    /// After an empty answer, all but one receiver leave; the one that stays is the
    /// scout. With a quota, all stay until it is used up: what one gives back, another
    /// may have to take.
    fn steps_down(&self) -> bool {
        if self.run.options.max_messages.is_some() {
            return false;
        }
        let others = |active: usize| (active > 1).then(|| active - 1);
        self.run.watch.receivers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, others).is_ok()
    }

    /// Whether `--drain` may end: quiet for a while, nothing in hand, nothing visible.
    async fn is_drained(&self) -> Result<bool, Error> {
        let quiet_for = self.lock_quiet().elapsed();
        if !self.run.options.drain || quiet_for < QUIET || self.run.watch.tally.in_hand() > 0 {
            return Ok(false);
        }
        let depth = self.run.source.depth().await?;
        Ok(depth.is_none_or(|depth| depth.visible == 0))
    }

    fn lock_quiet(&self) -> MutexGuard<'_, Instant> {
        self.quiet_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

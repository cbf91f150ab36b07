//! First stage: poll the queue, parse and mask at once, hand on. One receiver scouts; more join while answers are full.
//!
//! Invariant: a message that was received is handed on or given back, also when the run is being stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::InHand;
use super::health::Service;
use super::held::Reservation;
use super::patience::Backoff;
use super::run::Run;
use super::tally::log_near_names;
use crate::aws::CallError;
use crate::error::Error;
use crate::login::{Delivery, SentAt, Source};
use crate::queue::{BATCH, QueueMessage};
use crate::vault::Masking;

/// How long a poll waits for the first message. Stopping waits for polls that were sent.
const LONG_POLL: Duration = Duration::from_secs(5);
const DRAIN_POLL: Duration = Duration::from_secs(1);
/// How long the queue must have been empty before `--drain` ends.
const QUIET: Duration = Duration::from_secs(3);

/// The receivers of a run.
pub(super) struct Fleet {
    run: Arc<Run>,
    tracker: TaskTracker,
    quota: AtomicU64,
    quiet_since: std::sync::Mutex<Instant>,
    out: mpsc::Sender<InHand>,
}

/// A message in hand, with its share of the memory budget.
struct ReceivedMessage {
    message: QueueMessage,
    share: Option<Reservation>,
}

/// What a poll came to.
enum Polled {
    /// What the queue handed out; nothing, when it is empty.
    Messages(Vec<ReceivedMessage>),
    /// The run was stopped meanwhile: the queue was not asked, or did not answer in time.
    Stopped,
}

/// How a receiver left.
enum Left {
    /// It is already taken off the number of active ones.
    SteppedDown,
    /// The run is being stopped, drained, or out of quota.
    Ended,
}

impl Fleet {
    /// Starts the scout. The fleet ends when the run is stopped, the quota is used up, or the queue is drained.
    pub(super) fn start(run: &Arc<Run>, tracker: &TaskTracker, out: mpsc::Sender<InHand>) {
        let quota = AtomicU64::new(run.options.max_messages.unwrap_or(u64::MAX));
        let quiet_since = std::sync::Mutex::new(Instant::now());
        let (run, tracker) = (Arc::clone(run), tracker.clone());
        Arc::new(Self { run, tracker, quota, quiet_since, out }).join();
    }

    /// One more receiver, unless there are enough.
    fn join(self: Arc<Self>) {
        if self.run.receivers.fetch_add(1, Ordering::SeqCst) < self.run.options.receivers {
            let tracker = self.tracker.clone();
            let run = Arc::clone(&self.run);
            run.spawn(&tracker, async move {
                match self.receive_until_stopped().await {
                    Ok(Left::SteppedDown) => return,
                    Ok(Left::Ended) => {}
                    Err(error) => self.run.fail(error),
                }
                self.run.receivers.fetch_sub(1, Ordering::SeqCst);
            });
        } else {
            self.run.receivers.fetch_sub(1, Ordering::SeqCst);
        }
    }

    async fn receive_until_stopped(self: &Arc<Self>) -> Result<Left, Error> {
        let mut masking = Masking::default();
        let (mut patience, mut asking) = (Backoff::default(), Backoff::default());
        while !self.run.stop.is_asked() {
            let wanted = self.take_quota();
            if wanted == 0 {
                break;
            }
            let polled = self.receive(wanted, &mut masking).await;
            let received = if let Ok(Polled::Messages(messages)) = &polled { messages.len() } else { 0 };
            self.give_back_quota(wanted - received.min(wanted));
            let messages = match polled {
                Ok(Polled::Messages(messages)) => messages,
                Ok(Polled::Stopped) => break,
                Err(error) => {
                    if matches!(error, Error::Aws(_)) {
                        self.run.health.note(Service::Queue, false);
                    }
                    patience.bear(error, &self.run.stop).await?;
                    continue;
                }
            };
            patience.reset();
            self.run.health.note(Service::Queue, true);
            self.hand_on(messages, &mut masking).await?;
            if received == BATCH {
                Arc::clone(self).join();
            } else if received == 0 && self.steps_down() {
                return Ok(Left::SteppedDown);
            } else if received == 0 {
                match self.is_drained().await {
                    Ok(true) => break,
                    Ok(false) => asking.reset(),
                    Err(error) => asking.bear(error.into(), &self.run.stop).await?,
                }
            }
        }
        Ok(Left::Ended)
    }

    /// Polls once, with room for the answer and keys to mask it; what comes is in hand at once, and so kept alive.
    async fn receive(&self, wanted: usize, masking: &mut Masking) -> Result<Polled, Error> {
        let Some(Some(mut reserved)) = self.run.stop.unless_asked(self.run.held.reserve(wanted)).await else {
            return Ok(Polled::Stopped);
        };
        let keyed = self.run.stop.unless_asked(masking.masker(&self.run.key_cache)).await;
        let Some(keyed) = keyed else { return Ok(Polled::Stopped) };
        keyed?;
        let until = Instant::now() + self.run.queue.visibility_timeout();
        let poll = self.run.queue.receive(wanted, if self.run.options.drain { DRAIN_POLL } else { LONG_POLL });
        let Some(answer) = self.run.stop.before_deadline(poll).await else { return Ok(Polled::Stopped) };
        let messages = answer?;
        if !messages.is_empty() {
            *self.lock_quiet() = Instant::now();
            self.run.tally.count_received(messages.len());
        }
        let take = |message: QueueMessage| {
            let share = self.run.held.take(&message.handle, message.body.len(), until, &mut reserved);
            ReceivedMessage { message, share }
        };
        Ok(Polled::Messages(messages.into_iter().map(take).collect()))
    }

    /// Masks each message and hands it on, while the writers can take more; gives back what cannot be handed on.
    async fn hand_on(&self, messages: Vec<ReceivedMessage>, masking: &mut Masking) -> Result<(), Error> {
        let mut result = Ok(());
        let mut unwanted = Vec::new();
        for taken in messages {
            if result.is_err() || self.run.stop.is_asked() {
                unwanted.push(taken.message.handle);
                continue;
            }
            let handle = taken.message.handle.clone();
            let masked = self.run.stop.before_deadline(self.mask(taken, masking)).await;
            match masked.unwrap_or(Err(Error::Stopped)) {
                Ok(in_hand) => unwanted.extend(self.out.send(in_hand).await.err().map(|refused| refused.0.handle)),
                Err(error) => {
                    unwanted.push(handle);
                    result = Err(error);
                }
            }
        }
        log_near_names(&self.run.tally.near);
        if !unwanted.is_empty() {
            self.run.give_back(unwanted).await;
        }
        result
    }

    async fn mask(&self, taken: ReceivedMessage, masking: &mut Masking) -> Result<InHand, Error> {
        let ReceivedMessage { message, share } = taken;
        let delivery = delivery_of(message.message_id, message.sent, message.receive_count, Timestamp::now());
        let masker = masking.masker(&self.run.key_cache).await?;
        let (reading, near) = (self.run.options.reading, &self.run.tally.near);
        let verdict = masker.judge(&message.body, || delivery.message_id, delivery.row_day, reading, near)?;
        Ok(InHand { delivery, verdict, body: message.body, handle: message.handle, _share: share })
    }

    /// Up to ten messages of the quota of `--max-messages`.
    fn take_quota(&self) -> usize {
        let taken = self.quota.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(BATCH as u64)));
        taken.unwrap_or_else(|left| left).min(BATCH as u64) as usize
    }

    fn give_back_quota(&self, unused: usize) {
        self.quota.fetch_add(unused as u64, Ordering::SeqCst);
    }

    /// After an empty answer, all but one receiver leave; the one that stays is the scout. With a quota, all stay until
    /// it is used up: what one gives back, another may have to take.
    fn steps_down(&self) -> bool {
        if self.run.options.max_messages.is_some() {
            return false;
        }
        let others = |active: usize| (active > 1).then(|| active - 1);
        self.run.receivers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, others).is_ok()
    }

    /// Whether `--drain` may end: quiet for a while, nothing in hand, nothing visible.
    async fn is_drained(&self) -> Result<bool, CallError> {
        let quiet_for = self.lock_quiet().elapsed();
        if !self.run.options.drain || quiet_for < QUIET || self.run.tally.in_hand() > 0 {
            return Ok(false);
        }
        Ok(self.run.queue.depth().await?.visible == 0)
    }

    fn lock_quiet(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.quiet_since.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What is known of a message that was received `now`. Its days are those of sending, so that they are the same at every
/// delivery, whatever this machine's clock does.
fn delivery_of(message_id: Uuid, sent: SentAt, receive_count: Option<i32>, now: Timestamp) -> Delivery {
    Delivery { message_id, sent, received_at: now, receive_count, row_day: sent.row_day(now), source: Source::Queue }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::{SentAt, Timestamp, Uuid, delivery_of};

    #[test]
    fn a_clock_that_jumps_moves_no_message_to_another_day() {
        let sent = SentAt::from_attribute(Some("1760000000000"));
        let days = ["1970-01-01T00:00:00Z", "2025-10-09T08:53:20Z", "2199-12-31T23:59:59Z"].map(|now: &str| {
            let delivery = delivery_of(Uuid::nil(), sent, Some(1), now.parse().unwrap());
            assert_eq!(delivery.received_at, now.parse::<Timestamp>().unwrap());
            (delivery.sent.ledger_day().to_string(), delivery.row_day.to_string())
        });
        assert_eq!(days, [(); 3].map(|()| ("2025-10-09".to_owned(), "2025-10-09".to_owned())));
    }
}

//! One queue: its shelf behind a mutex, long polls, its dead-letter queue, and what a
//! test asks it.
//!
//! Invariant: the mutex is never held while something is awaited, nor while that of
//! another queue is taken.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::faults::Counted;
use super::message::State;
use super::messages::{Content, Maker, Messages, md5_hex};
use super::protocol::{Answer, Entry, Receive, Refusal};
use super::shelf::{Shelf, Want};
use super::shown::Shown;
use super::stats::{Counters, QueueStats, add};

/// How a queue is set up. A name that ends in `.fifo` makes it a FIFO queue.
#[derive(Clone, Debug)]
pub struct QueueOptions {
    /// For receives that do not say their own.
    pub visibility_timeout: Duration,
    /// The dead-letter queue, and after how many receipts a message goes there.
    pub dead_letters: Option<(String, u32)>,
    /// As many messages may be in flight.
    pub in_flight_limit: u64,
    /// Of message ids, and of the choice of duplicates.
    pub seed: u64,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            visibility_timeout: Duration::from_secs(30),
            dead_letters: None,
            in_flight_limit: 120_000,
            seed: 1,
        }
    }
}

/// Milliseconds since 1970 that never go back.
#[derive(Clone, Copy)]
struct Clock(Instant, u64);

impl Clock {
    fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(Instant::now(), since.as_millis() as u64)
    }

    fn now(self) -> u64 {
        self.1 + self.0.elapsed().as_millis() as u64
    }
}

/// A queue of the instrument.
pub struct Queue {
    name: String,
    url: String,
    options: QueueOptions,
    dead: Option<Arc<Self>>,
    clock: Clock,
    shelf: Mutex<Shelf>,
    changed: Notify,
    /// How far the queue's clock has jumped, in milliseconds.
    skipped: AtomicU64,
}

impl Queue {
    pub(super) fn new(
        name: &str,
        url: String,
        options: QueueOptions,
        dead: Option<Arc<Self>>,
    ) -> Self {
        let shelf = Mutex::new(Shelf::new(options.seed, name.ends_with(".fifo")));
        let (clock, changed, skipped) = (Clock::start(), Notify::new(), AtomicU64::new(0));
        Self { name: name.to_owned(), url, options, dead, clock, shelf, changed, skipped }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends bodies; their ids.
    pub fn send<S: AsRef<str>>(&self, bodies: &[S]) -> Vec<String> {
        self.send_to_group("group", bodies)
    }

    /// Sends bodies to one message group; their ids.
    pub fn send_to_group<S: AsRef<str>>(&self, group: &str, bodies: &[S]) -> Vec<String> {
        let (now, mut shelf) = self.open();
        let ids = bodies.iter().map(|body| {
            let id = shelf.next_id();
            shelf.put(id, Content::ready(id, body.as_ref()), group, now, 0);
            id.to_string()
        });
        let ids = ids.collect();
        drop(shelf);
        self.changed.notify_waiters();
        ids
    }

    /// Sends messages made from a seed. Small ones are made now, large ones when
    /// they are received.
    pub fn fill(&self, messages: &Messages) {
        let maker = Maker::new(messages.clone());
        let groups: Vec<_> =
            (0..messages.groups.max(1)).map(|group| format!("group-{group}")).collect();
        let (now, mut shelf) = self.open();
        shelf.messages.reserve_exact(messages.count as usize);
        for index in 0..messages.count {
            let id = shelf.next_id();
            shelf.put(id, maker.make(index, id), &groups[index as usize % groups.len()], now, 0);
        }
        drop(shelf);
        self.changed.notify_waiters();
    }

    pub fn stats(&self) -> QueueStats {
        let (_, shelf) = self.open();
        let count = |state: State| shelf.counts[state as usize];
        QueueStats {
            visible: count(State::Visible),
            in_flight: count(State::InFlight),
            delayed: count(State::Delayed),
            ..shelf.stats.clone()
        }
    }

    /// Ids and bodies of all messages that were ever here. Large bodies are made for it:
    /// mind the memory.
    pub fn sent(&self) -> BTreeMap<String, String> {
        let (_, shelf) = self.open();
        shelf
            .messages
            .iter()
            .map(|message| (message.id.to_string(), message.content.body()))
            .collect()
    }

    /// Ids of the messages that may still be handed out, now or later; a message is gone
    /// when its duplicate is, too.
    pub fn still_here(&self) -> Vec<String> {
        let (_, shelf) = self.open();
        let here = shelf.messages.iter().filter(|message| message.is_here());
        let mut ids: Vec<_> = here.map(|message| message.id.to_string()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Group and sequence number of each message of a FIFO queue that was deleted, in
    /// that order.
    pub fn deletion_order(&self) -> Vec<(String, u64)> {
        let (_, shelf) = self.open();
        let group = |slot: u32| {
            shelf
                .order
                .group_name(shelf.messages[slot as usize].group)
                .unwrap_or_default()
                .to_owned()
        };
        shelf.deletion_order.iter().map(|slot| (group(*slot), u64::from(*slot))).collect()
    }

    pub(super) async fn receive(
        &self,
        request: &Receive<'_>,
        duplicates: f64,
        all: &Counters,
    ) -> Result<Answer, Refusal> {
        let visibility =
            request.visibility_timeout.unwrap_or(self.options.visibility_timeout.as_secs());
        let (max, wait) =
            (request.max_number_of_messages.unwrap_or(1), request.wait_time_seconds.unwrap_or(0));
        if !(1..=10).contains(&max) || wait > 20 || visibility > 43_200 {
            return Err(Refusal::invalid("A number is out of range."));
        }
        let max_receives = self.options.dead_letters.as_ref().map(|(_, max)| *max);
        let want =
            Want { max: max as usize, visibility: visibility * 1000, duplicates, max_receives };
        let shown = Shown::of(request);
        let deadline = self.now() + wait * 1000;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let (answer, now, next_due) = self.take(&want, shown);
            match answer {
                Some(answer) => return Ok(answer),
                None if wait == 0 && next_due == 0 => return Err(Refusal::OVER_LIMIT),
                None if now >= deadline => break,
                None => {}
            }
            let _counted = Counted::new(&all.receives_waiting);
            let until = if next_due == 0 { now + 100 } else { next_due };
            let _ = timeout(Duration::from_millis(until.min(deadline) - now), changed).await;
        }
        add(&all.empty_receives, 1);
        let mut answer = Answer::default();
        answer.text("{}");
        Ok(answer)
    }

    /// An answer with messages, if there are any; now; and when to look again, which is 0
    /// when too many are in flight.
    fn take(&self, want: &Want, shown: Shown) -> (Option<Answer>, u64, u64) {
        let (now, mut shelf) = self.open();
        if shelf.counts[State::InFlight as usize] >= self.options.in_flight_limit {
            return (None, now, 0);
        }
        let (slots, dead) = shelf.take(want, now);
        let dead: Vec<_> = dead
            .into_iter()
            .map(|m| (shelf.order.group_name(m.group).unwrap_or_default().to_owned(), m))
            .collect();
        let answer = (!slots.is_empty()).then(|| shown.answer(&shelf, &slots));
        let next_due = shelf.next_due();
        drop(shelf);
        if answer.is_some() || !dead.is_empty() {
            self.changed.notify_waiters();
        }
        if let Some(queue) = self.dead.as_ref().filter(|_| !dead.is_empty()) {
            let (_, mut shelf) = queue.open();
            for (group, message) in dead {
                shelf.bury(message, &group);
            }
            drop(shelf);
            queue.changed.notify_waiters();
        }
        (answer, now, next_due)
    }

    pub(super) fn delete(&self, entry: &Entry<'_>, stale: bool) -> Result<String, Refusal> {
        self.open().1.delete(&entry.receipt_handle, stale)?;
        self.changed.notify_waiters();
        Ok(String::new())
    }

    pub(super) fn change_visibility(
        &self,
        entry: &Entry<'_>,
        stale: bool,
    ) -> Result<String, Refusal> {
        let Some(seconds) = entry.visibility_timeout.filter(|seconds| *seconds <= 43_200) else {
            return Err(Refusal::invalid("Value for parameter VisibilityTimeout is invalid."));
        };
        let (now, mut shelf) = self.open();
        shelf.change_visibility(&entry.receipt_handle, stale, now, seconds * 1000)?;
        drop(shelf);
        self.changed.notify_waiters();
        Ok(String::new())
    }

    /// Takes in a message; the members of the answer.
    pub(super) fn accept(&self, entry: &Entry<'_>, _: bool) -> Result<String, Refusal> {
        let (now, mut shelf) = self.open();
        let group = entry.message_group_id.as_deref();
        if group.is_none() && self.is_fifo() {
            return Err(Refusal::new(
                400,
                "MissingParameter",
                "The request must contain the parameter MessageGroupId.",
            ));
        }
        let deduplication = entry.message_deduplication_id.as_deref().filter(|_| self.is_fifo());
        let known = deduplication.and_then(|id| shelf.deduplicated.get(id).copied());
        let slot = known.unwrap_or_else(|| {
            let id = shelf.next_id();
            let content = Content::ready(id, &entry.message_body);
            let slot = shelf.put(
                id,
                content,
                group.unwrap_or_default(),
                now,
                entry.delay_seconds.unwrap_or(0) * 1000,
            );
            if let Some(id) = deduplication {
                shelf.messages[slot as usize].deduplication = Some(id.into());
                shelf.deduplicated.insert(id.into(), slot);
            }
            slot
        });
        let (id, md5) = (shelf.messages[slot as usize].id, md5_hex(&entry.message_body));
        drop(shelf);
        self.changed.notify_waiters();
        let sequence = if self.is_fifo() {
            format!(r#","SequenceNumber":"{slot:020}""#)
        } else {
            String::new()
        };
        Ok(format!(r#""MessageId":"{id}","MD5OfMessageBody":"{md5}"{sequence}"#))
    }

    pub(super) fn attributes(&self) -> Vec<(&'static str, String)> {
        let stats = self.stats();
        let mut attributes = vec![
            ("ApproximateNumberOfMessages", stats.visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", stats.in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", stats.delayed.to_string()),
            ("VisibilityTimeout", self.options.visibility_timeout.as_secs().to_string()),
            ("QueueArn", arn(&self.name)),
        ];
        if self.is_fifo() {
            attributes.push(("FifoQueue", "true".to_owned()));
        }
        if let Some((dead, max)) = &self.options.dead_letters {
            let policy =
                format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":{max}}}"#, arn(dead));
            attributes.push(("RedrivePolicy", policy));
        }
        attributes
    }

    fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }

    /// Time passes for this queue alone: what is in flight or delayed for no longer than
    /// that is visible again.
    pub fn skip(&self, time: Duration) {
        self.skipped.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    fn now(&self) -> u64 {
        self.clock.now() + self.skipped.load(Ordering::SeqCst)
    }

    /// The shelf as it is now.
    fn open(&self) -> (u64, MutexGuard<'_, Shelf>) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        shelf.advance(now);
        (now, shelf)
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

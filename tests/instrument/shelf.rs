//! The messages of one queue and what becomes of them: handed out, back
//! again, deleted, dead.
//!
//! Invariants: a message is in one state, and `counts` knows how many are in each; only
//! the newest receipt of a message deletes it; a duplicate is a message of its own with
//! the id of another, and is made at most once for each.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use uuid::Uuid;

use super::faults::Random;
use super::message::{Message, State};
use super::messages::{Content, message_id};
use super::order::Order;
use super::protocol::Refusal;
use super::receipt;
use super::stats::QueueStats;

/// How long after its message a duplicate comes at the latest, in milliseconds.
const LATE: u64 = 2_000;

/// What a receive asks for.
pub struct Want {
    pub max: usize,
    pub visibility: u64,
    /// The share of messages that get a duplicate.
    pub duplicates: f64,
    /// After as many receipts a message is dead.
    pub max_receives: Option<u32>,
}

pub struct Shelf {
    seed: u64,
    fifo: bool,
    pub messages: Vec<Message>,
    pub order: Order,
    random: Random,
    /// When messages become visible; entries may be out of date.
    timers: BinaryHeap<Reverse<(u64, u32)>>,
    receipts: u64,
    pub counts: [u64; 5],
    pub stats: QueueStats,
    pub deduplicated: HashMap<Box<str>, u32>,
    pub deletion_order: Vec<u32>,
}

impl Shelf {
    pub fn new(seed: u64, fifo: bool) -> Self {
        Self {
            seed,
            fifo,
            messages: Vec::new(),
            order: Order::new(fifo),
            random: Random::new(seed),
            timers: BinaryHeap::new(),
            receipts: 0,
            counts: [0; 5],
            stats: QueueStats::default(),
            deduplicated: HashMap::new(),
            deletion_order: Vec::new(),
        }
    }

    /// The id of the message that is put next.
    pub fn next_id(&self) -> Uuid {
        message_id(self.seed, self.messages.len() as u32)
    }

    /// Puts a new message here; its slot.
    pub fn put(&mut self, id: Uuid, content: Content, group: &str, now: u64, delay: u64) -> u32 {
        let message = Message::new(id, content, self.order.group(group), now, now + delay);
        self.stats.sent += 1;
        self.push(message, delay == 0, false)
    }

    /// Takes in a message that was received too often elsewhere, from a
    /// group of that name.
    pub fn bury(&mut self, message: Message, group: &str) {
        let group = self.order.group(group);
        self.push(Message { group, receipt: 0, stale: false, ..message }, true, false);
    }

    /// A message that is visible, or becomes so when it is due.
    fn push(&mut self, mut message: Message, visible: bool, first: bool) -> u32 {
        let slot = self.messages.len() as u32;
        if visible {
            message.state = State::Visible;
            self.order.add(slot, message.group, first);
        } else {
            self.timers.push(Reverse((message.due, slot)));
        }
        self.counts[message.state as usize] += 1;
        self.messages.push(message);
        slot
    }

    /// Lets come back what is due.
    pub fn advance(&mut self, now: u64) {
        while let Some(&Reverse((due, slot))) = self.timers.peek() {
            let message = &self.messages[slot as usize];
            let waits =
                matches!(message.state, State::InFlight | State::Delayed) && message.due == due;
            if waits && due > now {
                break;
            }
            self.timers.pop();
            if waits {
                let duplicate = message.receive_count == 0 && message.twin_of.is_some();
                self.stats.expired += u64::from(message.receive_count > 0);
                self.enter(slot, State::Visible, duplicate);
            }
        }
    }

    /// When the next message comes back, as of the last `advance`.
    pub fn next_due(&self) -> u64 {
        self.timers.peek().map_or(u64::MAX, |Reverse((due, _))| *due)
    }

    /// Hands out visible messages: their slots, and those that have been received too
    /// often already.
    pub fn take(&mut self, want: &Want, now: u64) -> (Vec<u32>, Vec<Message>) {
        let (mut taken, mut dead) = (Vec::with_capacity(want.max), Vec::new());
        let mut duplicated = Vec::new();
        while taken.len() < want.max {
            let next = self.order.take(want.max - taken.len());
            if next.is_empty() {
                break;
            }
            for slot in next {
                let message = &self.messages[slot as usize];
                if message.state != State::Visible {
                    continue;
                }
                let is_dead = want.max_receives.is_some_and(|max| message.receive_count >= max);
                let first = message.receive_count == 0 && message.twin_of.is_none();
                self.enter(slot, State::InFlight, false);
                if is_dead {
                    dead.extend(self.die(slot));
                    continue;
                }
                self.hand_out(slot, now, now + want.visibility);
                if first
                    && !self.fifo
                    && Random::of(self.seed, !u64::from(slot)).chance(want.duplicates)
                {
                    duplicated.push(slot);
                }
                taken.push(slot);
            }
        }
        for slot in duplicated {
            self.duplicate(slot, now);
        }
        (taken, dead)
    }

    fn hand_out(&mut self, slot: u32, now: u64, due: u64) {
        self.receipts += 1;
        let message = &mut self.messages[slot as usize];
        if message.receive_count == 0 {
            message.first_received = now;
        }
        message.receive_count += 1;
        (message.receipt, message.due, message.stale) = (self.receipts, due, false);
        self.timers.push(Reverse((due, slot)));
        self.stats.received += 1;
        self.stats.max_receive_count = self.stats.max_receive_count.max(message.receive_count);
    }

    /// Nothing for a duplicate: its message dies on its own, and once.
    fn die(&mut self, slot: u32) -> Option<Message> {
        self.enter(slot, State::Dead, false);
        let message = &self.messages[slot as usize];
        self.stats.dead_lettered += u64::from(message.twin_of.is_none());
        message.twin_of.is_none().then(|| message.clone())
    }

    /// Hands a message out once more: at once, a little later, or when all
    /// others have been. The second is in flight until then, so that nobody
    /// takes the queue for empty.
    fn duplicate(&mut self, slot: u32, now: u64) {
        let kind = self.random.below(3);
        let due = now + 1 + self.random.below(LATE);
        let message = self.messages[slot as usize].clone();
        let twin = Message {
            twin_of: Some(slot),
            receive_count: 0,
            state: State::InFlight,
            due,
            receipt: u64::MAX,
            ..message
        };
        self.stats.duplicated += 1;
        self.push(twin, kind != 1, kind == 0);
    }

    /// Deletes by a receipt; `stale` is whether the receipt is refused from now on.
    pub fn delete(&mut self, handle: &str, stale: bool) -> Result<(), Refusal> {
        let (slot, current) = self.find(handle, stale)?;
        let state = self.messages[slot as usize].state;
        if matches!(state, State::Deleted | State::Dead) {
            self.stats.redundant_deletes += 1;
        } else if self.fifo && !(current && state == State::InFlight) {
            return Err(Refusal::EXPIRED_RECEIPT);
        } else if !current {
            self.stats.stale_deletes += 1;
        } else {
            self.enter(slot, State::Deleted, false);
            let root = self.messages[slot as usize].twin_of.unwrap_or(slot);
            let seen = std::mem::replace(&mut self.messages[root as usize].id_deleted, true);
            self.stats.distinct_deleted += u64::from(!seen);
            self.stats.deleted += 1;
            if self.fifo {
                self.deletion_order.push(slot);
            }
        }
        Ok(())
    }

    /// Makes a message visible at another time, or now.
    pub fn change_visibility(
        &mut self,
        handle: &str,
        stale: bool,
        now: u64,
        timeout: u64,
    ) -> Result<(), Refusal> {
        let (slot, current) = self.find(handle, stale)?;
        let message = &mut self.messages[slot as usize];
        match message.state {
            State::Visible if current => return Err(Refusal::NOT_IN_FLIGHT),
            State::InFlight if current => {}
            _ => {
                return Err(Refusal::invalid(
                    "Message does not exist or is not available for visibility timeout change.",
                ));
            }
        }
        if timeout == 0 {
            self.stats.given_back += 1;
            self.enter(slot, State::Visible, false);
        } else {
            message.due = now + timeout;
            self.timers.push(Reverse((message.due, slot)));
        }
        Ok(())
    }

    /// The message of a receipt, and whether the receipt is its newest.
    fn find(&mut self, handle: &str, stale: bool) -> Result<(u32, bool), Refusal> {
        let (slot, number) = receipt::read(handle).ok_or(Refusal::INVALID_RECEIPT)?;
        let message = self.messages.get_mut(slot as usize).ok_or(Refusal::INVALID_RECEIPT)?;
        let current = message.receipt == number;
        if number == 0 || number > self.receipts {
            return Err(Refusal::INVALID_RECEIPT);
        }
        message.stale |= stale && current;
        if message.stale && current { Err(Refusal::INVALID_RECEIPT) } else { Ok((slot, current)) }
    }

    fn enter(&mut self, slot: u32, next: State, first: bool) {
        let message = &mut self.messages[slot as usize];
        let (group, before) = (message.group, std::mem::replace(&mut message.state, next));
        self.counts[before as usize] -= 1;
        self.counts[next as usize] += 1;
        if next == State::Visible {
            self.order.add(slot, group, first);
        } else if before == State::Visible && next != State::InFlight {
            self.order.remove(slot, group);
        }
        if before == State::InFlight {
            self.order.landed(group);
        }
    }
}

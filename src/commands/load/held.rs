//! The messages this process holds: their share of the memory budget, and the deadline until which they stay ours.
//!
//! Invariant: a message that is in hand is prolonged before its visibility timeout ends, until it is deleted or given back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::queue::{BATCH, Queue, Receipt};

/// All bodies in hand together, in KiB.
const BUDGET_KIB: usize = 64 * 1024;
/// What a receive reserves for each message until larger bodies are seen, in KiB.
const FIRST_GUESS_KIB: usize = 64;

/// Which messages are in hand.
pub struct Held {
    budget: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    largest_kib: usize,
    deadlines: HashMap<Receipt, Instant>,
}

/// The right to hold bodies of a certain size. Given up by dropping it.
pub struct Reservation(OwnedSemaphorePermit);

impl Default for Held {
    fn default() -> Self {
        let state = State { largest_kib: FIRST_GUESS_KIB, deadlines: HashMap::new() };
        Self { budget: Arc::new(Semaphore::new(BUDGET_KIB)), state: Mutex::new(state) }
    }
}

impl Held {
    /// Waits until there is room for `messages` more of the largest size seen.
    pub async fn reserve(&self, messages: usize) -> Option<Reservation> {
        let kib = (messages * self.lock().largest_kib).min(BUDGET_KIB);
        let permit = Arc::clone(&self.budget).acquire_many_owned(u32::try_from(kib).unwrap_or(1)).await;
        permit.ok().map(Reservation)
    }

    /// Takes a message in hand, and its share out of what was reserved for it.
    pub fn take(&self, receipt: &Receipt, body_len: usize, until: Instant, reserved: &mut Reservation) -> Option<Reservation> {
        let kib = body_len / 1024 + 1;
        let mut state = self.lock();
        state.largest_kib = state.largest_kib.max(kib);
        state.deadlines.insert(receipt.clone(), until);
        drop(state);
        let available = reserved.0.num_permits();
        reserved.0.split(kib.min(available)).map(Reservation)
    }

    /// Lets messages go: they were deleted or given back.
    pub fn let_go<'a>(&self, receipts: impl IntoIterator<Item = &'a Receipt>) {
        let mut state = self.lock();
        for receipt in receipts {
            state.deadlines.remove(receipt);
        }
    }

    /// Prolongs what is in hand until cancelled.
    pub async fn keep_alive(&self, queue: &Queue, stop: &CancellationToken) {
        let timeout = queue.visibility_timeout();
        let tick = (timeout / 8).max(Duration::from_secs(1));
        while stop.run_until_cancelled(tokio::time::sleep(tick)).await.is_some() {
            let due = self.due_before(Instant::now() + timeout / 2);
            for receipts in due.chunks(BATCH) {
                let until = Instant::now() + timeout;
                match queue.change_visibility(receipts, timeout).await {
                    Ok(()) => self.prolong(receipts, until),
                    Err(error) => tracing::warn!(%error, messages = receipts.len(), "messages in hand could not be prolonged"),
                }
            }
        }
    }

    fn due_before(&self, deadline: Instant) -> Vec<Receipt> {
        let state = self.lock();
        state.deadlines.iter().filter(|(_, until)| **until < deadline).map(|(receipt, _)| receipt.clone()).collect()
    }

    fn prolong(&self, receipts: &[Receipt], until: Instant) {
        let mut state = self.lock();
        for receipt in receipts {
            if let Some(deadline) = state.deadlines.get_mut(receipt) {
                *deadline = until;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

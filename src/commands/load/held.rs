//! The messages this process holds: their share of the memory budget, and the deadline until which they stay ours.
//!
//! Invariant: a message that is in hand is prolonged before its visibility timeout ends, until it is deleted or given back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::queue::{BATCH, Queue, ReceiptHandle};

/// Calls to the queue at once, where there are many to make.
pub(super) const CALLS_AT_ONCE: usize = 16;
/// All bodies in hand together, in KiB.
const BUDGET_KIB: usize = 48 * 1024;
/// What a receive reserves for each message, in KiB, unless larger bodies have been seen lately.
const LEAST_GUESS_KIB: usize = 64;
/// A large body is remembered for one to two of these.
const MEMORY: Duration = Duration::from_secs(30);

/// Which messages are in hand.
pub(super) struct Held {
    budget: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    /// The largest body since `since`, and in the time before.
    largest_kib: (usize, usize),
    since: Instant,
    deadlines: HashMap<ReceiptHandle, Instant>,
}

/// The right to hold bodies of a certain size. Given up by dropping it.
pub(super) struct Reservation(OwnedSemaphorePermit);

impl Default for Held {
    fn default() -> Self {
        let state = State { largest_kib: (0, 0), since: Instant::now(), deadlines: HashMap::new() };
        Self { budget: Arc::new(Semaphore::new(BUDGET_KIB)), state: Mutex::new(state) }
    }
}

impl Held {
    /// Waits until there is room for `messages` more of the largest size seen lately.
    pub(super) async fn reserve(&self, messages: usize) -> Option<Reservation> {
        let kib = (messages * self.lock().guess_kib(Instant::now())).min(BUDGET_KIB);
        let permit = Arc::clone(&self.budget).acquire_many_owned(u32::try_from(kib).unwrap_or(1)).await;
        permit.ok().map(Reservation)
    }

    /// Takes a message in hand, and its share out of what was reserved for it.
    pub(super) fn take(
        &self,
        handle: &ReceiptHandle,
        body_len: usize,
        until: Instant,
        reserved: &mut Reservation,
    ) -> Option<Reservation> {
        let kib = body_len / 1024 + 1;
        let mut state = self.lock();
        state.largest_kib.0 = state.largest_kib.0.max(kib);
        state.deadlines.insert(handle.clone(), until);
        drop(state);
        let available = reserved.0.num_permits();
        reserved.0.split(kib.min(available)).map(Reservation)
    }

    /// Lets messages go: they were deleted or given back.
    pub(super) fn let_go<'a>(&self, handles: impl IntoIterator<Item = &'a ReceiptHandle>) {
        let mut state = self.lock();
        for handle in handles {
            state.deadlines.remove(handle);
        }
    }

    /// Prolongs what is in hand until cancelled.
    pub(super) async fn keep_alive(&self, queue: &Queue, stop: &CancellationToken) {
        let tick = (queue.visibility_timeout() / 8).max(Duration::from_secs(1));
        while stop.run_until_cancelled(tokio::time::sleep(tick)).await.is_some() {
            let due = self.due_before(Instant::now() + queue.visibility_timeout() / 2);
            for many in due.chunks(BATCH * CALLS_AT_ONCE) {
                let beats = join_all(many.chunks(BATCH).map(|ten| self.prolong(queue, ten.to_vec())));
                stop.run_until_cancelled(beats).await;
            }
        }
    }

    async fn prolong(&self, queue: &Queue, mut handles: Vec<ReceiptHandle>) {
        // Some may have been deleted or given back since they were found due: those must not be hidden again.
        handles.retain(|handle| self.lock().deadlines.contains_key(handle));
        if handles.is_empty() {
            return;
        }
        let until = Instant::now() + queue.visibility_timeout();
        match queue.change_visibility(&handles, queue.visibility_timeout()).await {
            Ok(refused) => handles.retain(|handle| !refused.contains(handle)),
            Err(error) => {
                tracing::warn!(%error, messages = handles.len(), "messages in hand could not be prolonged");
                return;
            }
        }
        let mut state = self.lock();
        for handle in &handles {
            if let Some(deadline) = state.deadlines.get_mut(handle) {
                *deadline = until;
            }
        }
    }

    fn due_before(&self, deadline: Instant) -> Vec<ReceiptHandle> {
        let state = self.lock();
        state.deadlines.iter().filter(|(_, until)| **until < deadline).map(|(handle, _)| handle.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the next body may need: while an answer is read, it is there as text and as messages.
    fn guess_kib(&mut self, now: Instant) -> usize {
        if now.saturating_duration_since(self.since) > MEMORY {
            (self.largest_kib, self.since) = ((0, self.largest_kib.0), now);
        }
        (2 * self.largest_kib.0.max(self.largest_kib.1)).max(LEAST_GUESS_KIB)
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, LEAST_GUESS_KIB, MEMORY};
    use std::time::{Duration, Instant};

    #[test]
    fn large_bodies_are_expected_for_a_while_and_then_forgotten() {
        let (held, start) = (Held::default(), Instant::now());
        let guess = |after: Duration| held.lock().guess_kib(start + after);
        assert_eq!(guess(Duration::ZERO), LEAST_GUESS_KIB);
        held.lock().largest_kib.0 = 256;
        assert_eq!(guess(Duration::from_secs(1)), 512);
        assert_eq!(guess(MEMORY + Duration::from_secs(2)), 512, "it was lately");
        assert_eq!(guess(2 * MEMORY + Duration::from_secs(4)), LEAST_GUESS_KIB);
    }
}

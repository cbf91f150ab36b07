//! The parcels that this process holds, and until when each stays ours.
//!
//! Invariant: a parcel in hand is kept alive before its lease ends, until it is
//! acknowledged or given back.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::CALLS_AT_ONCE;
use super::faults::Faults;
use super::source::Source;

/// Which parcels are in hand, and until when. A source without leases has none here.
pub(super) struct Held<H>(Mutex<HashMap<H, Instant>>);

impl<H> Default for Held<H> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<H: Clone + Eq + Hash> Held<H> {
    /// Takes a parcel in hand.
    pub(super) fn take(&self, handle: &H, until: Instant) {
        self.lock().insert(handle.clone(), until);
    }

    /// Lets parcels go: they were acknowledged or given back.
    pub(super) fn let_go<'a>(&self, handles: impl IntoIterator<Item = &'a H>)
    where
        H: 'a,
    {
        let mut held = self.lock();
        for handle in handles {
            held.remove(handle);
        }
    }

    /// Keeps what is in hand alive until that is done.
    pub(super) async fn keep_alive(
        &self,
        source: &impl Source<Handle = H>,
        faults: &Faults,
        done: &CancellationToken,
    ) {
        let facts = source.facts();
        let Some(lease) = facts.lease else { return };
        let tick = (lease / 8).max(Duration::from_secs(1));
        while done.run_until_cancelled(tokio::time::sleep(tick)).await.is_some() {
            let due = self.due_before(Instant::now() + lease / 2);
            for many in due.chunks(facts.at_once() * CALLS_AT_ONCE) {
                let calls = many
                    .chunks(facts.at_once())
                    .map(|some| self.prolong(source, faults, lease, some.to_vec()));
                done.run_until_cancelled(join_all(calls)).await;
            }
        }
    }

    async fn prolong(
        &self,
        source: &impl Source<Handle = H>,
        faults: &Faults,
        lease: Duration,
        mut handles: Vec<H>,
    ) {
        // Some may have been acknowledged or given back since they were found due: those
        // must not be hidden again.
        handles.retain(|handle| self.lock().contains_key(handle));
        if handles.is_empty() {
            return;
        }
        let until = Instant::now() + lease;
        match source.keep_alive(&handles).await.map_err(crate::error::Error::from) {
            Ok(refused) => handles.retain(|handle| !refused.contains(handle)),
            Err(error) => {
                faults.note(&error);
                tracing::warn!(%error, messages = handles.len(),
                    "messages in hand could not be prolonged");
                return;
            }
        }
        let mut held = self.lock();
        for handle in &handles {
            if let Some(deadline) = held.get_mut(handle) {
                *deadline = until;
            }
        }
    }

    fn due_before(&self, deadline: Instant) -> Vec<H> {
        let held = self.lock();
        held.iter()
            .filter(|(_, until)| **until < deadline)
            .map(|(handle, _)| handle.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<H, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

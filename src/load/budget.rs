//! How much may be in hand: the bodies of all parcels together, and room for those of the
//! next poll.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All bodies in hand together, in KiB.
const BUDGET_KIB: usize = 48 * 1024;
/// What a poll reserves for each parcel, in KiB, unless larger ones
/// have been seen lately.
const LEAST_GUESS_KIB: usize = 64;
/// A large parcel is remembered for one to two of these.
const MEMORY: Duration = Duration::from_secs(30);

/// The memory that bodies may take.
pub(super) struct Budget {
    room: Arc<Semaphore>,
    seen: Mutex<LargestSeen>,
}

struct LargestSeen {
    /// The largest parcel since `since`, and in the time before.
    kib: (usize, usize),
    since: Instant,
}

/// The right to hold bodies of a certain size. Given up by dropping it.
pub(super) struct Reservation(OwnedSemaphorePermit);

impl Default for Budget {
    fn default() -> Self {
        let seen = LargestSeen { kib: (0, 0), since: Instant::now() };
        Self { room: Arc::new(Semaphore::new(BUDGET_KIB)), seen: Mutex::new(seen) }
    }
}

impl Budget {
    /// Waits until there is room for `parcels` more of the largest size seen lately.
    pub(super) async fn reserve(&self, parcels: usize) -> Option<Reservation> {
        let guess =
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).guess_kib(Instant::now());
        let kib = u32::try_from((parcels * guess).min(BUDGET_KIB)).unwrap_or(1);
        Arc::clone(&self.room).acquire_many_owned(kib).await.ok().map(Reservation)
    }

    /// The share of a parcel of so many bytes, out of what was reserved for it.
    pub(super) fn share(&self, bytes: usize, reserved: &mut Reservation) -> Option<Reservation> {
        let kib = bytes / 1024 + 1;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.kib.0 = seen.kib.0.max(kib);
        let available = reserved.0.num_permits();
        reserved.0.split(kib.min(available)).map(Reservation)
    }
}

impl LargestSeen {
    /// What the next parcel may need: while an answer is read, it is there as
    /// text and as parcels.
    fn guess_kib(&mut self, now: Instant) -> usize {
        if now.saturating_duration_since(self.since) > MEMORY {
            (self.kib, self.since) = ((0, self.kib.0), now);
        }
        (2 * self.kib.0.max(self.kib.1)).max(LEAST_GUESS_KIB)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, LEAST_GUESS_KIB, LargestSeen, MEMORY};

    #[test]
    fn large_parcels_are_expected_for_a_while_and_then_forgotten() {
        let start = Instant::now();
        let mut seen = LargestSeen { kib: (0, 0), since: start };
        assert_eq!(seen.guess_kib(start), LEAST_GUESS_KIB);
        seen.kib.0 = 256;
        assert_eq!(seen.guess_kib(start + Duration::from_secs(1)), 512);
        assert_eq!(seen.guess_kib(start + MEMORY + Duration::from_secs(2)), 512, "it was lately");
        assert_eq!(seen.guess_kib(start + 2 * MEMORY + Duration::from_secs(4)), LEAST_GUESS_KIB);
    }
}

//! What goes wrong, and when: shares of calls and messages, a seeded generator, and gates
//! that hold calls.
//!
//! Invariants: the same seed draws the same numbers; a call meets at most one fault.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::protocol::{Operation, Refusal};

/// The timer rounds up, and wakes a little later: so much less is waited for.
const TIMER_LATENESS: Duration = Duration::from_millis(1);

/// What goes wrong from now on. Shares are from 0 (never) to 1 (always).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The simulated round trip: each answer is written about this much later.
    /// In JSON `"20ms"`, like `slow_for`.
    #[serde(with = "text")]
    pub rtt: Duration,
    /// The operations that the faults of calls and entries concern; empty: all.
    pub operations: Vec<Operation>,
    /// Calls refused with nothing done: throttling, 500, 503 and a
    /// connection reset in turn.
    pub refused: f64,
    /// Calls carried out whose answer is lost: the connection is reset instead.
    pub lost: f64,
    /// Calls answered `slow_for` later.
    pub slow: f64,
    #[serde(with = "text")]
    pub slow_for: Duration,
    /// Calls never answered; nothing is done, and the connection stays open until the
    /// client leaves.
    pub hang: f64,
    /// As many calls hang from now on.
    pub hang_next: u32,
    /// Every call is refused with 503.
    pub down: bool,
    /// Every call is throttled.
    pub throttled: bool,
    /// Entries of batches that fail with `InternalError` and nothing done.
    pub partial: f64,
    /// Receipts that deletes and changes of visibility refuse from then on, as
    /// `ReceiptHandleIsInvalid`.
    pub stale_receipts: f64,
    /// Messages of standard queues that are handed out once more than they should be.
    pub duplicates: f64,
}

/// What becomes of one call.
pub enum Fate {
    Answered,
    Refused(Refusal),
    /// The connection is reset, with nothing done.
    Reset,
    /// The connection is reset, with everything done.
    Lost,
    Hangs,
}

/// All that is decided about one call when it arrives.
pub struct Decision {
    pub fate: Fate,
    pub delay: Duration,
    pub partial: f64,
    pub stale_receipts: f64,
    pub duplicates: f64,
    /// Chooses among the entries.
    pub random: Random,
}

/// The faults with what they need to remember.
pub struct FaultState {
    pub faults: Faults,
    random: Random,
    refusals: u64,
}

impl FaultState {
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, random: Random::new(seed), refusals: 0 }
    }

    pub fn decide(&mut self, operation: Operation) -> Decision {
        let concerned =
            self.faults.operations.is_empty() || self.faults.operations.contains(&operation);
        let fate = if concerned { self.fate() } else { Fate::Answered };
        let faults = &self.faults;
        let slow = concerned && self.random.chance(faults.slow);
        Decision {
            fate,
            delay: faults.rtt.saturating_sub(TIMER_LATENESS)
                + if slow { faults.slow_for } else { Duration::ZERO },
            partial: if concerned { faults.partial } else { 0.0 },
            stale_receipts: if concerned { faults.stale_receipts } else { 0.0 },
            duplicates: faults.duplicates,
            random: Random::new(self.random.next()),
        }
    }

    fn fate(&mut self) -> Fate {
        let Self { faults, random, refusals } = self;
        if faults.hang_next > 0 {
            faults.hang_next -= 1;
            Fate::Hangs
        } else if faults.down {
            Fate::Refused(Refusal::UNAVAILABLE)
        } else if faults.throttled {
            Fate::Refused(Refusal::THROTTLED)
        } else if random.chance(faults.hang) {
            Fate::Hangs
        } else if random.chance(faults.lost) {
            Fate::Lost
        } else if random.chance(faults.refused) {
            *refusals += 1;
            match *refusals % 4 {
                1 => Fate::Refused(Refusal::THROTTLED),
                2 => Fate::Refused(Refusal::INTERNAL),
                3 => Fate::Refused(Refusal::UNAVAILABLE),
                _ => Fate::Reset,
            }
        } else {
            Fate::Answered
        }
    }
}

/// SplitMix64: small, fast, and good enough to choose who is to suffer.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The generator of one thing among many: the same at each call.
    pub fn of(seed: u64, index: u64) -> Self {
        let mut random = Self(seed);
        Self(random.next().wrapping_add(index.wrapping_mul(0xD134_2543_DE82_EF95)))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `limit`, which is not zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && ((self.next() >> 11) as f64) < share * (1_u64 << 53) as f64
    }
}

/// Where a held call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before anything is done.
    Call,
    /// With all done, before the answer.
    Answer,
}

#[derive(Clone, Copy, Default)]
struct Hold {
    stage: Option<Stage>,
    releases: u64,
}

/// Holds the calls of one operation until they are released.
#[derive(Default)]
pub struct Gate {
    hold: watch::Sender<Hold>,
    waiting: AtomicUsize,
}

impl Gate {
    pub fn hold(&self, stage: Stage) {
        self.hold.send_modify(|hold| hold.stage = Some(stage));
    }

    /// Lets go those that wait, and holds nobody from now on.
    pub fn release(&self) {
        self.hold.send_modify(|hold| *hold = Hold { stage: None, releases: hold.releases + 1 });
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub async fn pass(&self, stage: Stage) {
        let hold = *self.hold.borrow();
        if hold.stage == Some(stage) {
            let _counted = Counted::new(&self.waiting);
            // It fails only without its sender, and that is `self`.
            let _ = self.hold.subscribe().wait_for(|now| now.releases != hold.releases).await;
        }
    }
}

/// One more of something, as long as it lives; a client that leaves ends it too.
pub struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    pub fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A duration of a command line or of JSON: `20ms`, `1.5s`, `250us`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ if text == "0" => 1.0,
        _ => return Err(format!("{text}: a number with us, ms or s")),
    };
    let number: f64 =
        text[..text.len() - unit.len()].parse().map_err(|e| format!("{text}: {e}"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|e| format!("{text}: {e}"))
}

/// Durations in JSON.
mod text {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}us", value.as_micros()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        super::duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

//! What a run tells a monitoring system: counters, distributions and states, in the text
//! format of OpenMetrics.
//!
//! Invariant: labels take few, fixed values (reasons, states, ids of keys in force);
//! nothing of a message is in them.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::parcel::{InHand, Parcel};
use super::source::Depth;
use super::tally::Tally;
use crate::login::{Plan, Verdict};
use crate::token::KeyId;

/// In seconds; never negative, also if this machine's clock is behind the queue's.
fn lag_of(sent: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(sent).as_secs_f64().max(0.0)
}

type Label = [(&'static str, String); 1];

/// The metrics of one run. Counters are the [`Tally`]'s own, so that both always agree.
pub(super) struct Metrics {
    registry: Registry,
    rejected: Family<Label, Counter>,
    lag: Histogram,
    batch: Histogram,
    write: Histogram,
    in_hand: Gauge,
    receivers: Gauge,
    depth: Family<Label, Gauge>,
    keys: Family<[(&'static str, String); 2], Gauge>,
}

/// What is looked up when somebody asks.
pub(super) struct Now {
    /// Messages that this process holds.
    pub in_hand: u64,
    /// Receivers at work.
    pub receivers: usize,
    /// What the queue last said of itself.
    pub depth: Option<Depth>,
    /// The keys in force.
    pub plan: Plan,
}

impl Metrics {
    /// The metrics of a run that counts with `tally`.
    #[must_use]
    pub(super) fn new(tally: &Tally) -> Self {
        let mut registry = Registry::with_prefix("loginetl");
        for (name, help, counter) in tally.counters() {
            registry.register(name, help, counter.clone());
        }
        let new = Self {
            rejected: Family::default(),
            // From a tenth of a second to four days, fourfold.
            lag: Histogram::new((0..11).map(|n| 0.1 * 4_f64.powi(n))),
            batch: Histogram::new([1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0]),
            write: Histogram::new([
                0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
            ]),
            in_hand: Gauge::default(),
            receivers: Gauge::default(),
            depth: Family::default(),
            keys: Family::default(),
            registry,
        };
        new.register_all()
    }

    fn register_all(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "messages_rejected",
            "Rejected messages in committed batches, each delivery, by reason",
            self.rejected.clone(),
        );
        registry.register(
            "lag_seconds",
            "From SentTimestamp to commit, of each message",
            self.lag.clone(),
        );
        registry.register("batch_messages", "Messages in one transaction", self.batch.clone());
        registry.register(
            "write_seconds",
            "Time in the database of one transaction",
            self.write.clone(),
        );
        registry.register(
            "messages_in_hand",
            "Messages received and neither deleted nor given back",
            self.in_hand.clone(),
        );
        registry.register("receivers", "Receivers at work", self.receivers.clone());
        registry.register(
            "queue_messages",
            "What the queue says of itself, roughly, by state",
            self.depth.clone(),
        );
        registry.register("key_in_use", "Data keys in force", self.keys.clone());
        self
    }

    /// A batch was committed, `now`, after so long in the database.
    pub(super) fn observe_batch<P: Parcel>(
        &self,
        batch: &[InHand<P>],
        written_in: Duration,
        now: Timestamp,
    ) {
        self.batch
            .observe(batch.iter().map(|in_hand| in_hand.parcel.events()).sum::<usize>() as f64);
        self.write.observe(written_in.as_secs_f64());
        for in_hand in batch {
            if let Some(sent) = in_hand.parcel.sent_at() {
                self.lag.observe(lag_of(sent, now));
            }
            for verdict in &in_hand.verdicts {
                if let Verdict::Rejected(rejected) = verdict {
                    self.rejected
                        .get_or_create(&[("reason", rejected.rejection.reason.code().to_owned())])
                        .inc();
                }
            }
        }
    }

    /// All of it, as text.
    #[must_use]
    pub(super) fn text(&self, now: &Now) -> String {
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.in_hand.set(whole(now.in_hand));
        self.receivers.set(whole(now.receivers as u64));
        if let Some(depth) = now.depth {
            let Depth { visible, in_flight, delayed } = depth;
            for (state, count) in
                [("visible", visible), ("in_flight", in_flight), ("delayed", delayed)]
            {
                self.depth.get_or_create(&[("state", state.to_owned())]).set(whole(count));
            }
        }
        let Plan { fields, seal } = now.plan;
        let keys = fields.iter().flat_map(|(_, plan)| [plan.from, plan.to]);
        let keys = keys.flat_map(|of| [("mask", of.mask), ("hash", of.hash)]);
        self.keys.clear();
        for (purpose, id) in keys.chain([("seal", seal)]) {
            let id = KeyId::to_i64(id).to_string();
            self.keys.get_or_create(&[("purpose", purpose.to_owned()), ("key_id", id)]).set(1);
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::lag_of;

    #[test]
    fn a_clock_that_jumps_back_makes_no_negative_lag() {
        let (sent, later) =
            ("2026-01-01T00:00:10Z".parse().unwrap(), "2026-01-01T00:00:12.5Z".parse().unwrap());
        assert_eq!((lag_of(sent, later), lag_of(later, sent)), (2.5, 0.0));
    }
}

//! What a run tells a monitoring system: counters, distributions and states, in the text
//! format of OpenMetrics.
//!
//! Invariant: labels take few, fixed values (reasons, states, ids of keys in force);
//! nothing of a message is in them.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::faults::Faults;
use super::known::KnownGauge;
use super::parcel::{InHand, Parcel};
use super::source::Depth;
use super::survey::Survey;
use super::tally::Tally;
use crate::login::{Plan, Verdict};
use crate::token::KeyId;
use crate::version::{COMMIT, VERSION};

/// In seconds; never negative, also if this machine's clock is behind the queue's.
fn lag_of(sent: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(sent).as_secs_f64().max(0.0)
}

type Label = [(&'static str, String); 1];
type KeyLabels = [(&'static str, String); 2];

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
    keys: Family<KeyLabels, Gauge>,
    key_ages: Family<KeyLabels, Gauge<f64, AtomicU64>>,
    ready: Gauge,
    last_commit: KnownGauge,
    quarantined: KnownGauge,
    dead_letters: KnownGauge,
    schema_version: KnownGauge,
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
    /// Whether it loads, or could.
    pub is_ready: bool,
    /// What changes slowly.
    pub survey: Survey,
}

impl Metrics {
    /// The metrics of a run that counts with `tally`.
    #[must_use]
    pub(super) fn new(tally: &Tally, faults: &Faults) -> Self {
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
            key_ages: Family::default(),
            ready: Gauge::default(),
            last_commit: KnownGauge::default(),
            quarantined: KnownGauge::default(),
            dead_letters: KnownGauge::default(),
            schema_version: KnownGauge::default(),
            registry,
        };
        new.register_all().register_state(faults)
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
        registry.register(
            "key_age_seconds",
            "Since a data key in force was made",
            self.key_ages.clone(),
        );
        self
    }

    /// What is true of the process and of what it stands on.
    fn register_state(mut self, faults: &Faults) -> Self {
        let build = Family::<[(&'static str, &'static str); 2], Gauge>::default();
        build.get_or_create(&[("version", VERSION), ("commit", COMMIT)]).set(1);
        let start = KnownGauge::default();
        start.set(Some(unix_seconds(Timestamp::now())));
        let registry = &mut self.registry;
        registry.register("build_info", "What runs: always 1", build);
        registry.register("start_time_seconds", "When the run began, in Unix time", start);
        registry.register("ready", "Whether it loads, or could: as /readyz", self.ready.clone());
        registry.register(
            "last_commit_timestamp_seconds",
            "When a batch was last committed, in Unix time",
            self.last_commit.clone(),
        );
        registry.register(
            "retries",
            "Failures that may pass, by service and kind",
            faults.retries.clone(),
        );
        registry.register(
            "refusals",
            "Failures that do not pass by themselves, by service and kind",
            faults.refusals.clone(),
        );
        registry.register(
            "quarantine_messages",
            "Messages in the quarantine, up to 100001",
            self.quarantined.clone(),
        );
        registry.register(
            "dead_letter_messages",
            "What the dead-letter queue says of itself, roughly",
            self.dead_letters.clone(),
        );
        registry.register(
            "schema_version",
            "Version of the schema in the database",
            self.schema_version.clone(),
        );
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
        self.last_commit.set(Some(unix_seconds(now)));
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
        self.ready.set(now.is_ready.into());
        let Survey { quarantined, dead_letters, schema_version, .. } = now.survey;
        self.quarantined.set(quarantined.map(|count| count as f64));
        self.dead_letters.set(dead_letters.map(|count| count as f64));
        self.schema_version.set(schema_version.map(f64::from));
        self.show_keys(now.plan, &now.survey);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    fn show_keys(&self, plan: Plan, survey: &Survey) {
        let Plan { fields, seal } = plan;
        let keys = fields.iter().flat_map(|(_, plan)| [plan.from, plan.to]);
        let keys = keys.flat_map(|of| [("mask", of.mask), ("hash", of.hash)]);
        self.keys.clear();
        self.key_ages.clear();
        for (purpose, id) in keys.chain([("seal", seal)]) {
            let number = KeyId::to_i64(id).to_string();
            let labels = [("purpose", purpose.to_owned()), ("key_id", number)];
            self.keys.get_or_create(&labels).set(1);
            if let Some(made_at) = survey.made_at.get(&id) {
                self.key_ages.get_or_create(&labels).set(lag_of(*made_at, Timestamp::now()));
            }
        }
    }
}

fn unix_seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
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

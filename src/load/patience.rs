//! How long a stage puts up with a fault that may pass: pauses with jitter, longer each
//! time, and an end.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use super::faults::Faults;
use crate::error::Error;
use crate::stop::Stop;

/// How long a service may fail before the run gives up.
const LIMIT: Duration = Duration::from_secs(300);
/// The same while the run is being stopped anyway.
const LIMIT_WHEN_STOPPING: Duration = Duration::from_secs(10);

/// The patience of one worker.
#[derive(Default)]
pub(super) struct Backoff {
    failing: Option<(Instant, ExponentialBackoff)>,
}

impl Backoff {
    /// It worked: the next fault starts over.
    pub(super) fn reset(&mut self) {
        self.failing = None;
    }

    /// Sleeps after a fault; a stop wakes it.
    ///
    /// # Errors
    /// The fault itself, when it cannot pass or has not passed for too long.
    pub(super) async fn bear(
        &mut self,
        error: Error,
        faults: &Faults,
        stop: &Stop,
    ) -> Result<(), Error> {
        faults.note(&error);
        let (since, pauses) = self.failing.get_or_insert_with(|| (Instant::now(), pauses()));
        let limit = if stop.is_asked() { LIMIT_WHEN_STOPPING } else { LIMIT };
        if !error.retry().may_help() || since.elapsed() > limit {
            return Err(error);
        }
        let pause = pauses.next().unwrap_or(Duration::from_secs(5));
        tracing::warn!(%error, retry_in = ?pause, "it failed, and is tried again");
        if stop.is_asked() {
            tokio::time::sleep(pause.min(Duration::from_millis(500))).await;
        } else {
            stop.unless_asked(tokio::time::sleep(pause)).await;
        }
        Ok(())
    }
}

fn pauses() -> ExponentialBackoff {
    let builder = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2));
    builder.with_jitter().without_max_times().build()
}

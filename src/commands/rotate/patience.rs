//! Waiting: for the fence while loaders hold it, and for a database or KMS
//! that will come back.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use crate::db::Session;
use crate::error::Error;
use crate::output;

/// After this many tries for the fence in a row, whoever holds it is named.
const TRIES_BEFORE_NAMING: u32 = 40;
/// Faults in a row that are borne, with pauses up to eight seconds: some two minutes.
const FAULTS: usize = 18;

/// The patience of one process.
pub(super) struct SweepPatience {
    fence: u32,
    /// Time spent waiting for the fence since all was well; it is no work.
    waited: Duration,
    pauses: ExponentialBackoff,
}

impl Default for SweepPatience {
    fn default() -> Self {
        Self { fence: 0, waited: Duration::ZERO, pauses: pauses() }
    }
}

fn pauses() -> ExponentialBackoff {
    let builder =
        ExponentialBuilder::default().with_jitter().with_min_delay(Duration::from_millis(200));
    builder.with_max_delay(Duration::from_secs(8)).with_max_times(FAULTS).build()
}

impl SweepPatience {
    /// How long this process has only waited.
    pub(super) fn time_waited(&self) -> Duration {
        self.waited
    }

    /// All is well again.
    pub(super) fn renew(&mut self) {
        *self = Self::default();
    }

    /// Lets the loaders that stand behind this process go first, then another try.
    pub(super) async fn wait_for_the_fence(&mut self, session: &Session) -> Result<(), Error> {
        self.fence += 1;
        if self.fence.is_multiple_of(TRIES_BEFORE_NAMING) {
            let holders = session.fence_holders().await?;
            output::note(&format!("waiting for the fence, held by {}", holders.join(", ")));
        }
        let pause = 20 + u64::from(self.fence.min(10)) * 20;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        // And the quarter of a second for which the server let it try.
        self.waited += Duration::from_millis(pause + 250);
        Ok(())
    }

    /// Bears a temporary fault for a while.
    ///
    /// # Errors
    /// The fault itself, when it is none that passes, or patience is at its end.
    pub(super) async fn bear(&mut self, error: Error) -> Result<(), Error> {
        let pause = if error.retry().may_help() { self.pauses.next() } else { None };
        let Some(pause) = pause else { return Err(error) };
        tracing::warn!(%error, "waiting, then trying again");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

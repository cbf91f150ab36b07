//! From a plan in a file to its keys, and through a filter: KMS alone is asked, a Decrypt
//! a key.
//!
//! Where thousands of processes start at once, KMS throttles: each waits with pauses of
//! its own, drawn at random, and asks again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::filter::{Counts, Filter, Pipes, filter};
use crate::error::{Error, JobError};
use crate::kms::Kms;
use crate::output;
use crate::stop::Stop;
use crate::vault::{JobKeys, JobPlan, UnprovenPlan, VaultError};

/// How long KMS may fail before a process gives up.
const LIMIT: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// A part of a job: its plan, and who unwraps the keys of it.
pub(crate) struct Job {
    plan: UnprovenPlan,
    kms: Kms,
    is_rewrite: bool,
    named: String,
}

impl Job {
    /// Reads a plan.
    ///
    /// # Errors
    /// When it is none, is not as it was printed, is too old, or is for the other kind of
    /// job.
    pub(crate) fn open(path: &Path, kms: Kms, is_rewrite: bool) -> Result<Self, Error> {
        let named = path.display().to_string();
        let refused = |problem| JobError::Plan { path: named.clone(), problem };
        let plan = UnprovenPlan::read(path).map_err(refused)?;
        plan.check(Timestamp::now(), is_rewrite).map_err(refused)?;
        Ok(Self { plan, kms, is_rewrite, named })
    }

    /// The plan, before its keys have proved it.
    #[must_use]
    pub(crate) fn unproven_plan(&self) -> &JobPlan {
        self.plan.unproven()
    }

    /// Lets standard input through the filter that `make` makes; how many lines there
    /// were, and how many were set aside.
    ///
    /// # Errors
    /// When the plan does not authenticate, KMS refuses or fails for too long, or lines
    /// cannot be read or written.
    pub(crate) async fn filter<F: Filter>(
        self,
        stop: &Stop,
        make: impl Fn(&JobPlan, &JobKeys) -> Result<F, VaultError> + Send + Sync + 'static,
    ) -> Result<(u64, u64), Error> {
        let (job, make) = (Arc::new(self), Arc::new(make));
        let open = move || {
            let (job, make) = (Arc::clone(&job), Arc::clone(&make));
            async move {
                let keys = job.unwrap_patiently().await?;
                let refused = |problem| JobError::Plan { path: job.named.clone(), problem };
                job.plan.check(Timestamp::now(), job.is_rewrite).map_err(refused)?;
                let plan = job.plan.prove(&keys).map_err(refused)?;
                Ok(make(plan, &keys)?)
            }
        };
        let counts = Counts::default();
        let done = filter(open, Pipes::standard(), &counts, stop);
        if output::shows_progress() {
            tokio::select! { done = done => done?, () = show(&counts) => {} }
        } else {
            done.await?;
        }
        Ok(counts.get())
    }

    /// Each key by itself: what has worked is not asked again.
    async fn unwrap_patiently(&self) -> Result<JobKeys, VaultError> {
        let began = Instant::now();
        let keys = self.plan.wraps().iter().map(|row| async move {
            let mut longest = FIRST_PAUSE;
            loop {
                let error = match JobKeys::unwrap_one(&self.kms, row).await {
                    Err(error) if error.retry().may_help() && began.elapsed() < LIMIT => error,
                    other => return other,
                };
                let pause = part_of(longest)?;
                tracing::warn!(%error, retry_in = ?pause, "it failed, and is tried again");
                tokio::time::sleep(pause).await;
                longest = (longest * 2).min(LONGEST_PAUSE);
            }
        });
        Ok(try_join_all(keys).await?.into_iter().collect())
    }
}

/// Any part of a pause: who failed at once shall not come again at once.
fn part_of(pause: Duration) -> Result<Duration, VaultError> {
    let drawn = getrandom::u32().map_err(|_| VaultError::NoRandomness)?;
    Ok(pause.mul_f64(f64::from(drawn) / f64::from(u32::MAX)))
}

/// The progress line, for ever.
async fn show(counts: &Counts) {
    let progress = output::Progress::start();
    loop {
        let (lines, aside) = counts.get();
        progress.show(format!("{lines} lines, {aside} set aside"));
        tokio::time::sleep(SHOW_EVERY).await;
    }
}

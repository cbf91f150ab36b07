//! The run in the audit log: what was loaded from where, and how it ended.

use std::time::Duration;

use serde::Serialize;

use super::source::Origin;
use super::tally::Summary;
use crate::audit::RecordKind;
use crate::db::{DbError, Target};
use crate::error::Error;
use crate::stop::Stop;

/// Whoever waits for the head of the log gets its error after 10 s. This is longer, so
/// that the error comes first.
const LONGEST: Duration = Duration::from_secs(20);
/// The summary of a run that was told to stop waits no longer than this.
const LONGEST_WHEN_STOPPED: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// Everything was loaded.
    Done,
    /// By a signal.
    Stopped,
    /// By the poison budget.
    Poisoned,
    /// By an error.
    Failed,
}

#[derive(Serialize)]
struct RunRecord<'a> {
    from: &'a Origin,
    end: End,
    #[serde(flatten)]
    summary: &'a Summary,
    version: &'static str,
}

/// Writes the record of a run. What the run loaded is committed, whatever comes of this.
///
/// # Errors
/// When the database is gone, mute, or does not let this login.
pub(crate) async fn record_run(
    target: &Target,
    stop: &Stop,
    from: &Origin,
    end: End,
    summary: &Summary,
) -> Result<(), Error> {
    let record = RunRecord { from, end, summary, version: env!("CARGO_PKG_VERSION") };
    let text = serde_json::to_string(&record).map_err(|e| Error::Output(e.into()))?;
    let write = async { target.connect().await?.record(RecordKind::LoadRun, &text).await };
    let mute = |_| DbError::Lost { action: "recording the run" };
    let limit =
        stop.shorten(if matches!(end, End::Stopped) { LONGEST_WHEN_STOPPED } else { LONGEST });
    tokio::time::timeout(limit, write).await.map_err(mute).flatten()?;
    Ok(())
}

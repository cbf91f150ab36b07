//! What a load says at its end: what came of it, what is left elsewhere, and what to do
//! about it.

use std::time::Duration;

use serde::Serialize;

use crate::cli::{Format, LoadArgs};
use crate::error::{Error, Exit};
use crate::load::{End, Run, Source, Summary};
use crate::output;

/// What is left at the source is asked for no longer than this.
const LONGEST_QUESTION: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct LoadReport {
    #[serde(flatten)]
    summary: Summary,
    /// Messages that others hold, or that come back by their timeout.
    in_flight: Option<u64>,
    /// Messages that the queue hands out to nobody yet: it was told to delay them.
    delayed: Option<u64>,
    poison_budget_exceeded: bool,
    /// Whether the source is a file: then it has lines, and none are deleted.
    #[serde(skip)]
    has_end: bool,
    /// Whether each line has an id of its own.
    #[serde(skip)]
    has_ids: bool,
}

/// Reports what came of a run.
///
/// # Errors
/// That which ended the run, if one did.
pub(super) async fn finish<S: Source>(run: &Run<S>, args: &LoadArgs) -> Result<Exit, Error> {
    let (end, failure) = run.conclude();
    let has_end = run.has_end();
    let poison_budget_exceeded = matches!(end, End::Poisoned);
    let summary = run.summary();
    let depth = tokio::time::timeout(LONGEST_QUESTION, run.ask_depth());
    let (depth, recorded) = tokio::join!(depth, run.record(end, &summary));
    let depth = depth.ok().flatten();
    let (in_flight, delayed) =
        (depth.map(|depth| depth.in_flight), depth.map(|depth| depth.delayed));
    let has_ids = args.with_ids;
    let report =
        LoadReport { summary, in_flight, delayed, poison_budget_exceeded, has_end, has_ids };
    report.print(args.format)?;
    if let Some(error) = failure {
        return Err(error);
    }
    recorded?;
    if has_end && matches!(end, End::Poisoned | End::Stopped) {
        output::warning(
            "the rest was not loaded; load it again: what is there already is recognised",
        );
    }
    Ok(match end {
        End::Poisoned => Exit::Attention,
        End::Stopped if has_end => Exit::Temporary,
        End::Stopped | End::Done | End::Failed => Exit::Done,
    })
}

/// A run that was stopped before it had begun.
///
/// # Errors
/// When the output cannot be written.
pub(super) fn stopped_early(args: &LoadArgs, has_end: bool) -> Result<Exit, Error> {
    if !args.dry_run {
        LoadReport::nothing(has_end).print(args.format)?;
    }
    Ok(if has_end { Exit::Temporary } else { Exit::Done })
}

/// The summary of a run that loads nothing.
///
/// # Errors
/// When the output cannot be written.
pub(super) fn print_nothing(args: &LoadArgs) -> Result<(), Error> {
    LoadReport::nothing(args.file.is_some()).print(args.format)
}

impl LoadReport {
    fn nothing(has_end: bool) -> Self {
        let summary = Summary::default();
        Self {
            summary,
            in_flight: None,
            delayed: None,
            poison_budget_exceeded: false,
            has_end,
            has_ids: false,
        }
    }

    fn print(&self, format: Format) -> Result<(), Error> {
        if format == Format::Json {
            return output::json(self);
        }
        let Summary { received, loaded, duplicates, quarantined, seconds, .. } = &self.summary;
        if self.has_end {
            let rate = self.summary.rate();
            output::line(&format!(
                "read {received}, loaded {loaded}, duplicates {duplicates}, quarantined \
                 {quarantined} in {seconds:.1} s, {rate:.0} lines/s"
            ))?;
        } else {
            output::line(&format!("{} in {seconds:.1} s", self.summary))?;
        }
        let is_all_known = self.has_end && *received > 0 && duplicates == received;
        if is_all_known && self.has_ids {
            output::line("every message has been loaded before; nothing was loaded twice")?;
        } else if is_all_known {
            output::line(
                "this content has been loaded before; nothing was loaded twice (a grown file \
                 counts as another file)",
            )?;
        }
        self.print_what_is_left()?;
        self.summary.near_name_lines().try_for_each(|line| output::line(&line))?;
        if *quarantined > 0 {
            output::line("see what could not be loaded: loginetl quarantine list")?;
        }
        Ok(())
    }

    fn print_what_is_left(&self) -> Result<(), Error> {
        if self.summary.given_back > 0 {
            output::line(&format!("given back {}", self.summary.given_back))?;
        }
        if let Some(others) = self.in_flight.filter(|n| *n > 0) {
            output::line(&format!(
                "{others} messages are in flight elsewhere; they come back if their holder does \
                 not delete them"
            ))?;
        }
        if let Some(delayed) = self.delayed.filter(|n| *n > 0) {
            output::line(&format!(
                "{delayed} messages are delayed by their sender or the queue; load again when \
                 they are due"
            ))?;
        }
        Ok(())
    }
}

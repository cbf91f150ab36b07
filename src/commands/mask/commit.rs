//! `mask commit`: whether the keys of a plan are still there, and what its job has made.
//!
//! Invariant: the database decides, in one transaction; the counts are those of the job.

use serde::Serialize;
use serde_json::json;

use crate::cli::{CommitArgs, Format, Global};
use crate::commands;
use crate::db::{ArchiveProblem, CommitAnswer, RunCounts, Work};
use crate::error::{Error, Exit, JobError};
use crate::output;
use crate::settings::{Environment, SettingsError};
use crate::vault::UnprovenPlan;

use super::plan::location_problem;

#[derive(Serialize)]
struct Committed<'a> {
    committed: String,
    archive: &'a str,
    rows: i64,
    rejected: i64,
    unopened: i64,
    already: bool,
}

/// Registers a run.
///
/// # Errors
/// When the plan is none, its run or keys are gone, or the role may not. None of them
/// ends with 1, which says that it is registered.
pub(super) async fn run(
    args: CommitArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    commit(args, global, environment).await.map_err(|error| match error.advice().0 {
        Exit::Attention => Error::NotCommitted(Box::new(error)),
        _ => error,
    })
}

async fn commit(
    args: CommitArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let path = args.plan.display().to_string();
    let plan = UnprovenPlan::read(&args.plan);
    let plan = plan.map_err(|problem| JobError::Plan { path: path.clone(), problem })?;
    let unopened = check(&args, &plan)?;
    let target = commands::database(global, environment, "mask commit")?;
    let session = target.connect().await?;
    commands::ready(&session, Work::Write).await?;
    let (run, digest) = plan.identity();
    let counts = RunCounts { rows: args.rows, rejected: args.rejected, unopened };
    let fields = plan.unproven().field_names();
    let details = json!({ "version": env!("CARGO_PKG_VERSION"), "fields": fields }).to_string();
    let done = session.commit_mask_run(run, digest, args.location.as_deref(), counts, &details);
    let answer = done.await?.answer;
    let problem = match answer {
        CommitAnswer::Committed | CommitAnswer::Already => None,
        CommitAnswer::Other => Some(ArchiveProblem::OtherCounts),
        CommitAnswer::Unknown => Some(ArchiveProblem::UnknownRun),
        CommitAnswer::Destroyed => Some(ArchiveProblem::KeyDestroyed),
        CommitAnswer::Waived => Some(ArchiveProblem::GivenUp),
        CommitAnswer::Dropped => Some(ArchiveProblem::Dropped),
        CommitAnswer::Clear => Some(ArchiveProblem::FieldInClear),
    };
    if let Some(problem) = problem {
        return Err(JobError::Archive { what: format!("the run of {path}"), problem }.into());
    }
    tell(&args, &plan, counts, answer == CommitAnswer::Already)?;
    Ok(if unopened > 0 { Exit::Attention } else { Exit::Done })
}

/// The count that rewrites alone have.
fn check(args: &CommitArgs, plan: &UnprovenPlan) -> Result<i64, SettingsError> {
    let location = args.location.as_deref().and_then(location_problem);
    let problem = match (location, plan.is_rewrite(), args.unopened) {
        (Some(problem), ..) => problem,
        (None, true, None) => "this plan rewrites an archive: say --unopened too",
        (None, false, Some(_)) => "--unopened goes with a plan that rewrites an archive",
        (None, _, unopened) => return Ok(unopened.unwrap_or(0)),
    };
    Err(SettingsError::Flags(problem.to_owned()))
}

fn tell(
    args: &CommitArgs,
    plan: &UnprovenPlan,
    counts: RunCounts,
    already: bool,
) -> Result<(), Error> {
    let RunCounts { rows, rejected, unopened } = counts;
    let (run, archive) = (plan.identity().0, plan.archive());
    if args.format == Format::Json {
        let committed = run.to_string();
        return output::json(&Committed { committed, archive, rows, rejected, unopened, already });
    }
    let verb = if already { "was committed before" } else { "is committed" };
    output::line(&format!(
        "run {run} of archive {archive} {verb}: {rows} rows, {rejected} rejected"
    ))?;
    if unopened > 0 {
        output::line(&format!(
            "{unopened} rows could not be opened, and stay under the keys that they had"
        ))?;
    }
    Ok(())
}

//! `loginetl remask`: masked lines in, the same lines under the keys in force out.

use crate::cli::RemaskArgs;
use crate::error::{Error, Exit};
use crate::job::{Columns, Job, RewriteFilter};
use crate::output;
use crate::settings::{Environment, SettingsError};
use crate::stop::Stop;

const STOPPING: &str = "stopping: whole lines are written, the rest is not rewritten";

/// Rewrites standard input.
///
/// # Errors
/// When the plan cannot be used, KMS refuses, or lines cannot be read or written.
pub(crate) async fn run(args: RemaskArgs, environment: &Environment) -> Result<Exit, Error> {
    let stop = Stop::on_signal(STOPPING)?;
    let columns = args.columns.as_deref().map(Columns::parse).transpose();
    let columns = columns.map_err(SettingsError::Flags)?;
    let job = Job::open(&args.plan, super::kms(environment).await?, true)?;
    let missing = RewriteFilter::missing_columns(job.unproven_plan(), columns.as_ref());
    super::refuse_missing(&missing)?;
    let done = job.filter(&stop, move |plan, keys| RewriteFilter::new(plan, keys, columns.clone()));
    let (lines, unopened) = done.await?;
    output::note(&format!("{lines} lines, {unopened} of them not opened"));
    Ok(Exit::Done)
}

//! `loginetl mask`: events in, masked lines out, on any machine; and what the driver of
//! such a job does before and after.

mod commit;
mod plan;

use crate::cli::{Global, LineFormat, MaskArgs, MaskCommand};
use crate::error::{Error, Exit};
use crate::job::{Columns, EventFilter, Job, Output};
use crate::output;
use crate::settings::{Environment, SettingsError};
use crate::stop::Stop;

const STOPPING: &str = "stopping: whole lines are written, the rest is not masked";

/// Filters, or runs one of the subcommands.
///
/// # Errors
/// When the plan cannot be used, KMS refuses, or lines cannot be read or written.
pub(crate) async fn run(
    args: MaskArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    match args.command {
        Some(MaskCommand::Plan(args)) => plan::run(args, global, environment).await,
        Some(MaskCommand::Commit(args)) => commit::run(args, global, environment).await,
        None => filter(args, environment).await,
    }
}

async fn filter(args: MaskArgs, environment: &Environment) -> Result<Exit, Error> {
    let stop = Stop::on_signal(STOPPING)?;
    let columns = args.columns.as_deref().map(Columns::parse).transpose();
    let columns = columns.map_err(SettingsError::Flags)?;
    let plan = args.plan.ok_or_else(|| SettingsError::Flags("--plan is missing".to_owned()))?;
    let output = match args.output {
        LineFormat::Jsonl => Output::Json,
        LineFormat::Tsv => Output::Tsv,
        LineFormat::Arrow => Output::Arrow,
    };
    let job = Job::open(&plan, super::kms(environment).await?, false)?;
    super::refuse_missing(&EventFilter::missing_columns(columns.as_ref()))?;
    let done =
        job.filter(&stop, move |plan, keys| EventFilter::new(plan, keys, columns.clone(), output));
    let (lines, rejected) = done.await?;
    output::note(&format!("{lines} lines, {rejected} of them rejected"));
    Ok(Exit::Done)
}

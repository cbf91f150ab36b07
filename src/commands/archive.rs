//! `loginetl archive`: what was masked outside of the database, and which keys it keeps.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;

use crate::audit::{Justification, RecordKind};
use crate::cli::{ArchiveCommand, ArchiveDropArgs, ArchiveListArgs, Format, Global};
use crate::db::{ArchiveProblem, ArchiveRun, DropAnswer, DroppedRuns, Target, Work};
use crate::error::{Error, Exit};
use crate::settings::Environment;
use crate::token::KeyId;
use crate::vault::Signer;
use crate::{commands, output};

/// Runs one of the subcommands.
///
/// # Errors
/// When the role may not, or database or KMS cannot be used.
pub(crate) async fn run(
    command: ArchiveCommand,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let target = super::database(global, environment, "archive")?;
    match command {
        ArchiveCommand::List(args) => list(&args, &target).await,
        ArchiveCommand::Drop(args) => drop_archive(&args, &target, environment).await,
    }
}

#[derive(Serialize)]
struct ArchiveView {
    archive: String,
    location: String,
    keys: BTreeSet<KeyId>,
    rows: i64,
    rejected: i64,
    unopened: i64,
    open_runs: usize,
    runs: Vec<RunView>,
}

#[derive(Serialize)]
struct RunView {
    run: String,
    planned_at: String,
    planned_by: String,
    expires_at: String,
    committed_at: Option<String>,
}

impl ArchiveView {
    fn new(archive: String, runs: &[ArchiveRun]) -> Self {
        let sum = |count: fn(&ArchiveRun) -> Option<i64>| runs.iter().filter_map(count).sum();
        let committed = runs.iter().rfind(|run| run.committed_at.is_some());
        let view = |run: &ArchiveRun| RunView {
            run: run.run.to_string(),
            planned_at: run.planned_at.to_string(),
            planned_by: run.db_user.clone(),
            expires_at: run.expires_at.to_string(),
            committed_at: run.committed_at.map(|at| at.to_string()),
        };
        Self {
            archive,
            // The last one that was committed is where it lies now.
            location: committed.or(runs.last()).map(|run| run.location.clone()).unwrap_or_default(),
            keys: runs.iter().flat_map(|run| run.keys.iter().copied()).collect(),
            rows: sum(|run| run.rows),
            rejected: sum(|run| run.rejected),
            unopened: sum(|run| run.unopened),
            open_runs: runs.iter().filter(|run| run.committed_at.is_none()).count(),
            runs: runs.iter().map(view).collect(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        let counts = [self.rows, self.rejected, self.unopened].map(|count| count.to_string());
        let mut cells = vec![self.archive.clone(), self.location.clone(), keys.join(" ")];
        cells.extend(counts);
        cells.push(self.open_runs.to_string());
        cells
    }
}

async fn list(args: &ArchiveListArgs, target: &Target) -> Result<Exit, Error> {
    let session = target.connect().await?;
    super::ready(&session, Work::Show).await?;
    let mut archives: BTreeMap<String, Vec<ArchiveRun>> = BTreeMap::new();
    for run in session.archive_runs().await? {
        archives.entry(run.archive.clone()).or_default().push(run);
    }
    let views = archives.into_iter().map(|(name, runs)| ArchiveView::new(name, &runs));
    if args.format == Format::Json {
        views.into_iter().try_for_each(|view| output::json(&view))?;
        return Ok(Exit::Done);
    }
    let header = ["archive", "location", "keys", "rows", "rejected", "unopened", "open runs"];
    output::table(&header, views.map(|view| view.cells()).collect())?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct ArchiveDropped<'a> {
    dropped: &'a str,
    runs: i64,
}

async fn drop_archive(
    args: &ArchiveDropArgs,
    target: &Target,
    environment: &Environment,
) -> Result<Exit, Error> {
    let reason = Justification::check(&args.reason, None)
        .map_err(|problem| Error::Justification { what: "reason", problem })?;
    let session = target.connect().await?;
    super::ready(&session, Work::Write).await?;
    let signer = Signer::new(
        commands::kms(environment).await?,
        environment.audit_key(args.audit_key.clone()),
    );
    signer.try_out().await?;
    signer.catch_up(&session, RecordKind::ArchiveDrop, |_| true).await?;
    let details = json!({ "version": env!("CARGO_PKG_VERSION"), "reason": reason.as_str() });
    let which = match args {
        ArchiveDropArgs { open_runs: true, .. } => DroppedRuns::Open,
        ArchiveDropArgs { replaced: true, .. } => DroppedRuns::Replaced,
        _ => DroppedRuns::All,
    };
    let although = (args.running_too, args.although_incomplete);
    let (done, runs) =
        session.drop_archive(&args.name, which, although, &details.to_string()).await?;
    let refused = |problem| Error::Archive { what: format!("archive {}", args.name), problem };
    match done.answer {
        DropAnswer::Dropped => {}
        DropAnswer::Nothing => {
            return Err(refused(match which {
                DroppedRuns::All => ArchiveProblem::NotRegistered,
                DroppedRuns::Open => ArchiveProblem::NoOpenRun,
                DroppedRuns::Replaced => ArchiveProblem::NothingReplaced,
            }));
        }
        DropAnswer::Incomplete => return Err(refused(ArchiveProblem::Incomplete)),
        DropAnswer::Running => return Err(refused(ArchiveProblem::Running)),
    }
    if let Some(head) = &done.head {
        signer.sign_patiently(&session, head).await?;
    }
    if args.format == Format::Json {
        output::json(&ArchiveDropped { dropped: &args.name, runs })?;
    } else {
        output::line(&format!("{runs} runs of archive {} keep no key any more", args.name))?;
    }
    Ok(Exit::Done)
}

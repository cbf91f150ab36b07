//! `loginetl archive`: what was masked outside of the database, and which keys it keeps.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::audit::{Justification, RecordKind};
use crate::cli::{ArchiveCommand, ArchiveDropArgs, ArchiveListArgs, Format, Global};
use crate::db::{ArchiveProblem, ArchiveRun, DropAnswer, DroppedRuns, Session, Target, Work};
use crate::error::{Error, Exit, JobError};
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
    location: String,
    keys: Vec<KeyId>,
    planned_at: String,
    planned_by: String,
    expires_at: String,
    committed_at: Option<String>,
    rows: Option<i64>,
    rejected: Option<i64>,
    unopened: Option<i64>,
    /// What of the other runs here it takes the place of.
    replaces: Vec<String>,
}

impl RunView {
    fn new(run: &ArchiveRun, here: &HashSet<Uuid>) -> Self {
        let replaces = run.replaces.iter().filter(|id| here.contains(id));
        Self {
            run: run.run.to_string(),
            location: run.location.clone(),
            keys: run.keys.clone(),
            planned_at: run.planned_at.to_string(),
            planned_by: run.db_user.clone(),
            expires_at: run.expires_at.to_string(),
            committed_at: run.committed_at.map(|at| at.to_string()),
            rows: run.rows,
            rejected: run.rejected,
            unopened: run.unopened,
            replaces: replaces.map(Uuid::to_string).collect(),
        }
    }
}

fn committed(runs: &[ArchiveRun]) -> impl Iterator<Item = &ArchiveRun> {
    runs.iter().filter(|run| run.committed_at.is_some())
}

fn ids<'a>(runs: impl Iterator<Item = &'a ArchiveRun>) -> HashSet<Uuid> {
    runs.map(|run| run.run).collect()
}

/// The committed runs in whose place no committed rewrite has come.
fn standing(runs: &[ArchiveRun]) -> Vec<&ArchiveRun> {
    let replaced: HashSet<Uuid> =
        committed(runs).flat_map(|run| run.replaces.iter().copied()).collect();
    committed(runs).filter(|run| !replaced.contains(&run.run)).collect()
}

impl ArchiveView {
    fn new(archive: String, runs: &[ArchiveRun]) -> Self {
        let standing = standing(runs);
        let sum = |count: fn(&ArchiveRun) -> Option<i64>| {
            standing.iter().filter_map(|run| count(run)).fold(0_i64, i64::saturating_add)
        };
        // The last one that was committed is where it lies now.
        let newest = standing.iter().copied().max_by_key(|run| run.committed_at).or(runs.last());
        let here = ids(runs.iter());
        Self {
            archive,
            location: newest.map(|run| run.location.clone()).unwrap_or_default(),
            keys: runs.iter().flat_map(|run| run.keys.iter().copied()).collect(),
            rows: sum(|run| run.rows),
            rejected: sum(|run| run.rejected),
            unopened: sum(|run| run.unopened),
            open_runs: runs.len() - committed(runs).count(),
            runs: runs.iter().map(|run| RunView::new(run, &here)).collect(),
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
    /// Who planned the rewrites in their place: whoever frees keys should know them.
    rewritten_by: BTreeSet<String>,
    /// Replaced runs that keep their keys, for the counts do not fit.
    kept: i64,
}

/// How many runs of an archive a committed rewrite has come in the place of, and who
/// planned these rewrites.
async fn replaced_in(session: &Session, archive: &str) -> Result<(i64, BTreeSet<String>), Error> {
    let mut runs = session.archive_runs().await?;
    runs.retain(|run| run.archive == archive);
    let here = ids(committed(&runs));
    let rewrites = committed(&runs).filter(|run| run.replaces.iter().any(|id| here.contains(id)));
    let planners = rewrites.map(|rewrite| rewrite.db_user.clone()).collect();
    Ok(((here.len() - standing(&runs).len()) as i64, planners))
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
        ArchiveDropArgs { run: Some(run), .. } => DroppedRuns::One(*run),
        _ => DroppedRuns::All,
    };
    let (replaced, rewritten_by) = match which {
        DroppedRuns::Replaced => replaced_in(&session, &args.name).await?,
        _ => (0, BTreeSet::new()),
    };
    let although = (args.running_too, args.although_incomplete);
    let (done, runs) =
        session.drop_archive(&args.name, which, although, &details.to_string()).await?;
    let problem = match done.answer {
        DropAnswer::Dropped => None,
        DropAnswer::Nothing => Some(match which {
            DroppedRuns::All => ArchiveProblem::NotRegistered,
            DroppedRuns::Open => ArchiveProblem::NoOpenRun,
            DroppedRuns::Replaced => ArchiveProblem::NothingReplaced,
            DroppedRuns::One(_) => ArchiveProblem::NoSuchRun,
        }),
        DropAnswer::Incomplete => Some(ArchiveProblem::Incomplete),
        DropAnswer::Running => Some(ArchiveProblem::Running),
    };
    if let Some(problem) = problem {
        let what = format!("archive {}", args.name);
        return Err(JobError::Archive { what, problem }.into());
    }
    if let Some(head) = &done.head {
        signer.sign_patiently(&session, head).await?;
    }
    let kept = replaced.saturating_sub(runs);
    tell(args, &ArchiveDropped { dropped: &args.name, runs, rewritten_by, kept })
}

fn tell(args: &ArchiveDropArgs, done: &ArchiveDropped<'_>) -> Result<Exit, Error> {
    if args.format == Format::Json {
        output::json(done)?;
        return Ok(Exit::Done);
    }
    let (name, runs) = (done.dropped, done.runs);
    let (noun, verb) = if runs == 1 { ("run", "keeps") } else { ("runs", "keep") };
    output::line(&format!("{runs} {noun} of archive {name} {verb} no key any more"))?;
    if !done.rewritten_by.is_empty() {
        let planners: Vec<&str> = done.rewritten_by.iter().map(String::as_str).collect();
        output::line(&format!("in their place: what {} has rewritten", planners.join(", ")))?;
    }
    if done.kept > 0 {
        output::line(&format!("{} more keep theirs: the counts do not fit", done.kept))?;
    }
    Ok(Exit::Done)
}

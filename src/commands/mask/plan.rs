//! `mask plan`: the keys in force as they are now, for processes that know no database.
//!
//! Invariant: the run is on record before the plan is printed, under keys that were in
//! force in that transaction and have opened here.

use std::io::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use crate::cli::{Global, PlanArgs};
use crate::commands;
use crate::db::{ArchiveProblem, KeyRow, NewRun, Session, Work};
use crate::error::{Error, Exit, JobError};
use crate::login::{Plan, ValueKeys, utc_day};
use crate::output;
use crate::settings::{Environment, SettingsError};
use crate::token::{Field, KeyId, PerField};
use crate::vault::{JobKeys, JobPlan, VaultError};

const LONGEST_NAME: usize = 100;
const LONGEST_LOCATION: usize = 1000;
/// In signed URLs of S3, Google Cloud Storage and Azure.
const SIGNATURES: [&str; 4] = ["x-amz-signature", "x-goog-signature", "signature", "sig"];
const LONGEST_VALIDITY: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Prints a plan.
///
/// # Errors
/// When the role may not, or database or KMS cannot be used.
pub(super) async fn run(
    args: PlanArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    check(&args)?;
    let target = commands::database(global, environment, "mask plan")?;
    let mut session = target.connect().await?;
    commands::ready(&session, Work::Write).await?;
    // A rotator may read all wraps, a loader those that it loads with.
    let (in_force, offered) = match session.reads_all_wraps().await? {
        true => session.plan_and_all_wraps().await?,
        false => session.plan_and_wraps().await?,
    };
    let in_force = in_force.ok_or(VaultError::NoKeys)?;
    let fields = targets(&in_force);
    let under = key_ids(fields.iter().map(|(_, keys)| *keys));
    let mut needed = under.clone();
    if args.rewrites {
        needed.extend(keys_of_archive(&session, &args.job).await?);
    }
    let keys = wraps(offered, &needed, &args)?;
    let opened = JobKeys::unwrap(&commands::kms(environment).await?, &keys).await?;
    let now = session.clock().await?;
    let plan = JobPlan {
        run: new_run()?,
        archive: args.job,
        location: args.location,
        made_at: now,
        expires_at: now.saturating_add(args.valid_for).unwrap_or(Timestamp::MAX),
        is_rewrite: args.rewrites,
        day: args.day.unwrap_or_else(|| utc_day(now)),
        app_version: args.app_version.into(),
        envelopes: args.envelope.into(),
        fields,
        keys,
    };
    let run = NewRun {
        run: plan.run,
        archive: &plan.archive,
        location: &plan.location,
        keys: &under,
        is_rewrite: plan.is_rewrite,
        plan_digest: plan.text().1,
        expires_at: plan.expires_at,
    };
    let details = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "os_user": environment.os_user,
        "expires_at": plan.expires_at.to_string(),
        "fields": plan.field_names(),
    });
    session.plan_mask_run(&run, &details.to_string()).await?;
    print(plan, &opened)?;
    Ok(Exit::Done)
}

/// A plan that is on record must not get lost without a word.
fn print(plan: JobPlan, opened: &JobKeys) -> Result<(), JobError> {
    let mut to = output::standard_output();
    let written = writeln!(to, "{}", plan.print(opened)).and_then(|()| to.flush());
    let (run, archive) = (plan.run.to_string(), plan.archive);
    written.map_err(|error| JobError::PlanLost { run, archive, error })
}

fn check(args: &PlanArgs) -> Result<(), SettingsError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let name = &args.job;
    let problem = if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_name) {
        "--job is 1 to 100 letters, digits and . _ - /"
    } else if let Some(problem) = location_problem(&args.location) {
        problem
    } else if args.valid_for > LONGEST_VALIDITY || args.valid_for.is_zero() {
        "--valid-for is 1m to 30d"
    } else {
        return Ok(());
    };
    Err(SettingsError::Flags(problem.to_owned()))
}

/// Why a location must not be written down, for ever.
pub(super) fn location_problem(location: &str) -> Option<&'static str> {
    let length = location.chars().count();
    let mut names = location.split(['?', '&', ';']).skip(1).filter_map(|part| part.split_once('='));
    let is_signed = names.any(|(name, _)| SIGNATURES.contains(&&*name.to_ascii_lowercase()));
    if !(1..=LONGEST_LOCATION).contains(&length) || location.chars().any(char::is_control) {
        Some("--location is 1 to 1000 printable characters")
    } else if has_password(location) || is_signed {
        Some("--location stays in the log for ever: leave the password or signature out")
    } else {
        None
    }
}

/// Whether something that may be a password stands before an `@`. It may hold a slash,
/// as secret keys of AWS do, or a question mark, so that no host is looked for: what
/// begins with a host and a port has no user.
fn has_password(location: &str) -> bool {
    let rest = location.split_once("://").map_or("", |(_, rest)| rest);
    let Some((user, password)) = rest.rsplit_once('@').and_then(|(user, _)| user.split_once(':'))
    else {
        return false;
    };
    let port = password.split_once('/').map(|(port, _)| port);
    let is_port = port.is_some_and(|port| port.parse::<u16>().is_ok());
    !(is_port || user.contains(['/', '?']))
}

/// The keys under which values will stay: while a rotation runs, those that it goes to.
fn targets(plan: &Plan) -> PerField<ValueKeys> {
    plan.fields.map(|_: Field, field| field.to)
}

fn key_ids(keys: impl Iterator<Item = ValueKeys>) -> Vec<KeyId> {
    let mut ids: Vec<KeyId> = keys.flat_map(|keys| [keys.mask, keys.hash]).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// All keys that an archive is under.
async fn keys_of_archive(session: &Session, name: &str) -> Result<Vec<KeyId>, Error> {
    let runs = session.archive_runs().await?;
    let keys: Vec<KeyId> =
        runs.into_iter().filter(|run| run.archive == name).flat_map(|run| run.keys).collect();
    match keys.is_empty() {
        true => Err(JobError::Archive {
            what: format!("archive {name}"),
            problem: ArchiveProblem::NotRegistered,
        }
        .into()),
        false => Ok(keys),
    }
}

/// The wraps of the keys that are needed, among those that this login may read.
fn wraps(offered: Vec<KeyRow>, needed: &[KeyId], args: &PlanArgs) -> Result<Vec<KeyRow>, Error> {
    let is_offered = |id: &KeyId| offered.iter().any(|row| row.key_id == *id);
    match needed.iter().copied().find(|id| !is_offered(id)) {
        Some(_) if args.rewrites => Err(JobError::Archive {
            what: format!("archive {}", args.job),
            problem: ArchiveProblem::OutOfReach,
        }
        .into()),
        Some(id) => Err(VaultError::Unreadable(id).into()),
        None => Ok(offered.into_iter().filter(|row| needed.contains(&row.key_id)).collect()),
    }
}

fn new_run() -> Result<Uuid, VaultError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| VaultError::NoRandomness)?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

//! `loginetl keys`: data keys, shown, wrapped anew, or destroyed.
//!
//! Invariants: a wrap is replaced only by one that was unwrapped again and compared; a
//! key is destroyed only when nothing is under it (sql/functions/keys.sql decides).

use std::ops::Add;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::audit::{Head, RecordKind};
use crate::cli::{DestroyArgs, Format, Global, KeysCommand, KeysListArgs, RewrapArgs};
use crate::db::{
    ArchiveRun, Bodies, Census, Counting, DbError, Figure, KeyOverview, Session, Target, Work,
    WrapHolder, archives_under,
};
use crate::error::{Error, Exit};
use crate::retry::Retry;
use crate::settings::{Environment, SettingsError};
use crate::token::{Fields, Holder, KeyId, KeyState, Purpose};
use crate::vault::{Rewrapped, Signer, rewrap};
use crate::{commands, output};

/// Runs one of the subcommands.
///
/// # Errors
/// When the role may not, or database or KMS cannot be used.
pub(crate) async fn run(
    command: KeysCommand,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let target = super::database(global, environment, "keys")?;
    match command {
        KeysCommand::List(args) => list(&args, &target).await,
        KeysCommand::Rewrap(args) => rewrap_all(&args, &target, environment).await,
        KeysCommand::Destroy(args) => destroy(&args, &target, environment).await,
    }
}

async fn connect(target: &Target, work: Work) -> Result<Session, Error> {
    let session = target.connect().await?;
    super::ready(&session, work).await?;
    Ok(session)
}

#[derive(Serialize)]
struct KeyView {
    key_id: KeyId,
    purpose: &'static str,
    state: &'static str,
    created_at: String,
    age_days: i64,
    /// Rows, all masked fields together, or bodies; hashes do not name their key.
    in_use: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_use_margin: Option<i64>,
    in_use_is: Option<&'static str>,
    /// Archives under it, and those of runs that nobody has committed.
    archives: Vec<String>,
    ingest: Option<String>,
    recovery: Option<String>,
}

/// What is under the keys.
struct Uses {
    fields: Fields,
    census: Census,
    bodies: Bodies,
}

impl Uses {
    async fn read(session: &Session, counting: Counting) -> Result<Self, Error> {
        Ok(Self {
            fields: session.fields().await?,
            census: session.census(counting).await?,
            bodies: session.bodies_by_key(counting).await?,
        })
    }

    /// How much is under a key.
    fn of(&self, key: &KeyOverview) -> Option<Figure> {
        let id = key.key_id.to_string();
        let rows = |field| self.census.rows(field, Some(&id));
        match key.purpose {
            Purpose::Mask => Some(self.fields.fields().map(rows).fold(Figure::default(), Add::add)),
            Purpose::Seal => Some(self.bodies.under(key.key_id)),
            Purpose::Hash => None,
        }
    }
}

impl KeyView {
    fn new(
        key: &KeyOverview,
        figure: Option<Figure>,
        wraps: &[WrapHolder],
        runs: &[ArchiveRun],
    ) -> Self {
        let wrap = |holder: Holder| {
            let wrap = wraps.iter().find(|wrap| wrap.key_id == key.key_id && wrap.holder == holder);
            wrap.map(|wrap| wrap.kms_key_arn.clone())
        };
        Self {
            key_id: key.key_id,
            purpose: key.purpose.name(),
            state: key.state.name(),
            created_at: key.created_at.to_string(),
            age_days: Timestamp::now().duration_since(key.created_at).as_hours() / 24,
            in_use: figure.map(|figure| figure.count),
            in_use_margin: figure.and_then(|figure| figure.margin),
            in_use_is: figure.map(Figure::origin),
            archives: archives_under(runs, key.key_id),
            ingest: wrap(Holder::Ingest),
            recovery: wrap(Holder::Recovery),
        }
    }

    fn cells(&self, figure: Option<Figure>) -> Vec<String> {
        let short = |arn: &Option<String>| {
            arn.as_ref().and_then(|arn| arn.rsplit('/').next()).unwrap_or("destroyed").to_owned()
        };
        vec![
            self.key_id.to_string(),
            self.purpose.to_owned(),
            self.state.to_owned(),
            format!("{} d", self.age_days),
            figure.map_or_else(String::new, |figure| figure.to_string()),
            self.archives.join(" "),
            short(&self.ingest),
            short(&self.recovery),
        ]
    }
}

async fn list(args: &KeysListArgs, target: &Target) -> Result<Exit, Error> {
    let session = connect(target, Work::Census).await?;
    let uses = Uses::read(&session, Counting::of(args.exact)).await?;
    let wraps = session.wrap_holders().await?;
    let keys = session.key_lines().await?;
    let runs = session.archive_runs().await?;
    let shown = keys.iter().map(|key| {
        let figure = uses.of(key);
        (KeyView::new(key, figure, &wraps, &runs), figure)
    });
    if args.format == Format::Json {
        shown.map(|(key, _)| key).try_for_each(|key| output::json(&key))?;
        return Ok(Exit::Done);
    }
    let header =
        ["key", "purpose", "state", "age", "rows", "archives", "ingest key", "recovery key"];
    output::table(&header, shown.map(|(key, figure)| key.cells(figure)).collect())?;
    for (what, sample) in [("rows", uses.census.sample), ("quarantine", uses.bodies.sample)] {
        sample.map_or(Ok(()), |sample| output::line(&format!("{what:15} {sample}")))?;
    }
    Ok(Exit::Done)
}

async fn rewrap_all(
    args: &RewrapArgs,
    target: &Target,
    environment: &Environment,
) -> Result<Exit, Error> {
    let session = connect(target, Work::Write).await?;
    let kms = commands::kms(environment).await?;
    let signer = Signer::new(kms.clone(), environment.audit_key(args.audit_key.clone()));
    signer.try_out().await?;
    signer.catch_up(&session, RecordKind::KeyRewrap, |_| true).await?;
    let mut done = Rewrapped::default();
    for (holder, key) in
        [(Holder::Ingest, &args.ingest_key), (Holder::Recovery, &args.recovery_key)]
    {
        if let Some(key) = key {
            rewrap(&session, &kms, &signer, holder, key, &mut done).await?;
        }
    }
    if args.format == Format::Json {
        output::json(&done)?;
    } else {
        output::line(&format!(
            "{} wraps replaced, {} were under these keys already",
            done.replaced, done.unchanged
        ))?;
        output::line(
            "the data keys are the same: this does not cure one that has leaked (loginetl \
             rotate-keys --compromised)",
        )?;
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Destroyed {
    destroyed: i64,
}

async fn destroy(
    args: &DestroyArgs,
    target: &Target,
    environment: &Environment,
) -> Result<Exit, Error> {
    let session = connect(target, Work::Destroy).await?;
    let signer = Signer::new(
        commands::kms(environment).await?,
        environment.audit_key(args.audit_key.clone()),
    );
    signer.try_out().await?;
    signer.catch_up(&session, RecordKind::KeyDestroy, |_| true).await?;
    if !args.yes && !confirm(args.id)? {
        output::note("nothing was destroyed");
        return Ok(Exit::Done);
    }
    let details = serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }).to_string();
    let head = look_and_destroy(&session, args, &details).await?;
    signer.sign_patiently(&session, &head).await?;
    if args.format == Format::Json {
        output::json(&Destroyed { destroyed: args.id })?;
    } else {
        output::line(&format!("key {} is destroyed; a tombstone stays in keys list", args.id))?;
    }
    Ok(Exit::Done)
}

/// A look at all rows while everybody works, then a last one under the fence, so that
/// nothing is added between it and the end of the key. Loaders go first, and wait for it
/// no longer than the database lets it take.
async fn look_and_destroy(
    session: &Session,
    args: &DestroyArgs,
    details: &str,
) -> Result<Head, Error> {
    let Ok(key) = KeyId::try_from(args.id) else { return Err(not_retired(args.id)) };
    let known = session.key_lines().await?;
    let is_retired =
        known.iter().any(|known| known.key_id == key && known.state == KeyState::Retired);
    if is_retired && !session.is_unused(key).await? {
        return Err(refuse_in_use(args.id));
    }
    refuse_archived(session, key).await?;
    let mut pause = Duration::from_millis(20);
    loop {
        match session.destroy_key(key, args.after.as_secs(), args.longest_look, details).await {
            Err(error) if error.retry() == Retry::Now => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            // A plan was made meanwhile.
            Err(error) if error.code() == Some("LG009") => {
                refuse_archived(session, key).await?;
                return Err(explain_refusal(error, args));
            }
            other => return other.map_err(|error| explain_refusal(error, args)),
        }
    }
}

/// Refuses a key that something outside of this database is under, by name.
async fn refuse_archived(session: &Session, key: KeyId) -> Result<(), Error> {
    let runs = session.archive_runs().await?;
    let under: Vec<ArchiveRun> = runs.into_iter().filter(|run| run.keys.contains(&key)).collect();
    let open = under.iter().filter(|run| run.committed_at.is_none()).map(|run| {
        format!("a run of {} that nobody has committed (planned {})", run.archive, run.planned_at)
    });
    let mut names: Vec<String> = under
        .iter()
        .filter(|run| run.committed_at.is_some())
        .map(|run| format!("archive {}", run.archive))
        .collect();
    names.dedup();
    names.extend(open);
    match names.is_empty() {
        true => Ok(()),
        false => Err(Error::Archived { key: key.to_i64(), archives: names.join("; ") }),
    }
}

fn refuse_in_use(key: i64) -> Error {
    Error::NotDestroyed {
        key,
        problem: "is still in use: rows, hashes or quarantined bodies are under it",
    }
}

fn not_retired(key: i64) -> Error {
    Error::NotDestroyed { key, problem: "is not retired" }
}

fn explain_refusal(error: DbError, args: &DestroyArgs) -> Error {
    match error.code() {
        Some("57014") => Error::LookTookTooLong { key: args.id, seconds: args.longest_look },
        Some("LG004") => not_retired(args.id),
        Some("LG005") => Error::NotDestroyed {
            key: args.id,
            problem: "was retired a shorter time ago than --after asks for",
        },
        Some("LG006") => refuse_in_use(args.id),
        Some("LG009") => Error::NotDestroyed {
            key: args.id,
            problem: "was in use by a plan or an archive a moment ago",
        },
        _ => error.into(),
    }
}

fn confirm(id: i64) -> Result<bool, Error> {
    let question = format!(
        "type the number of the key to destroy it for good; copies under it become unreadable \
         [{id}]: "
    );
    let unasked = || {
        SettingsError::Flags(
            "nothing was destroyed: nobody can be asked here; --yes destroys without asking"
                .to_owned(),
        )
    };
    Ok(output::ask(&question)?.ok_or_else(unasked)?.trim() == id.to_string())
}

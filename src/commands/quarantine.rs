//! `loginetl quarantine`: what could not be loaded, shown without content, tried again,
//! or deleted after asking.
//!
//! Invariant: a message leaves the quarantine only into the rows (in one transaction) or
//! by an explicit purge.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::audit::{Listed, RecordKind};
use crate::cli::{Format, Global, ListArgs, PurgeArgs, QuarantineCommand, RetryArgs, Selection};
use crate::db::{
    DbError, Fenced, QuarantineEntry, QuarantineFilter, RetryCandidate, SealedBody, Session,
    SqlKind, Target, Work,
};
use crate::error::{Error, Exit};
use crate::login::{Body, KeySource as _, MaskedLogin, Masker, NearNames, Reading, Verdict};
use crate::settings::{Environment, SettingsError};
use crate::stop::Stop;
use crate::token::{KeyId, Sealer};
use crate::vault::{Fit, KeyCache, Keyring, Masking};
use crate::{commands, output};

/// Messages that are opened and moved in one transaction.
const PAGE: i64 = 50;

/// Runs one of the subcommands.
///
/// # Errors
/// When the role may not, or database or KMS cannot be used.
pub(crate) async fn run(
    command: QuarantineCommand,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let target = super::database(global, environment, "quarantine")?;
    match command {
        QuarantineCommand::List(args) => list(args, &target).await,
        QuarantineCommand::Retry(args) => retry(args, target, environment).await,
        QuarantineCommand::Purge(args) => purge(args, &target).await,
    }
}

async fn list(args: ListArgs, target: &Target) -> Result<Exit, Error> {
    let session = connect(target, Work::Show).await?;
    let filter = filter(&args.selection);
    let entries = session.quarantine_list(&filter, i64::from(args.limit)).await?;
    let total = session.quarantine_count(&filter).await?;
    if total > entries.len() as u64 {
        output::note(&format!("{} of {total} shown; --limit N shows more", entries.len()));
    }
    if args.format == Format::Json {
        entries.iter().map(view).try_for_each(|entry| output::json(&entry))?;
        return Ok(Exit::Done);
    }
    if total == 0 {
        output::line("the quarantine is empty")?;
        return Ok(Exit::Done);
    }
    let header = [
        "id",
        "reason",
        "field",
        "length",
        "age",
        "source",
        "received",
        "deliveries",
        "message id",
    ];
    output::table(&header, entries.iter().map(cells).collect())?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct MessageView<'a> {
    id: i64,
    reason: &'a str,
    field: Option<&'a str>,
    length: Option<i64>,
    source: &'a str,
    message_id: String,
    sent_at: Option<String>,
    received_at: String,
    receive_count: Option<i32>,
    quarantined_at: String,
    age_seconds: i64,
}

fn view(entry: &QuarantineEntry) -> MessageView<'_> {
    MessageView {
        id: entry.id,
        reason: &entry.reason,
        field: entry.field.as_deref(),
        length: entry.length,
        source: &entry.source,
        message_id: entry.message_id.to_string(),
        sent_at: entry.sent_at.map(|t| t.to_string()),
        received_at: entry.received_at.to_string(),
        receive_count: entry.receive_count,
        quarantined_at: entry.quarantined_at.to_string(),
        age_seconds: Timestamp::now().duration_since(entry.quarantined_at).as_secs(),
    }
}

fn cells(entry: &QuarantineEntry) -> Vec<String> {
    let number = |n: Option<i64>| n.map_or_else(String::new, |n| n.to_string());
    vec![
        entry.id.to_string(),
        entry.reason.clone(),
        entry.field.clone().unwrap_or_default(),
        number(entry.length),
        age(entry.quarantined_at),
        entry.source.clone(),
        entry.received_at.strftime("%Y-%m-%d %H:%M").to_string(),
        number(entry.receive_count.map(i64::from)),
        entry.message_id.to_string(),
    ]
}

fn age(since: Timestamp) -> String {
    let seconds = Timestamp::now().duration_since(since).as_secs();
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[derive(Serialize)]
struct Retried {
    tried: u64,
    loaded: u64,
    still_rejected: u64,
    not_opened: u64,
}

async fn retry(args: RetryArgs, target: Target, environment: &Environment) -> Result<Exit, Error> {
    let stop = Stop::on_signal("stopping after these messages; retry again to go on")?;
    let mut session = connect(&target, Work::Load).await?;
    let kms = commands::kms(environment).await?;
    let key_cache = KeyCache::open(target.clone(), kms).await?;
    let filter = filter(&args.selection);
    let mut retried = Retried { tried: 0, loaded: 0, still_rejected: 0, not_opened: 0 };
    let (app_version, envelopes) = (args.app_version.into(), args.envelope.into());
    let reading = Reading { app_version, envelopes, ..Reading::default() };
    let mut after = 0;
    while !stop.is_asked() {
        let bodies = session.quarantine_bodies(&filter, after, PAGE).await?;
        let Some(last) = bodies.last() else { break };
        after = last.body.id;
        retry_page(&mut session, &key_cache, &bodies, reading, &mut retried).await?;
    }
    if args.format == Format::Json {
        output::json(&retried)?;
    } else {
        output::line(&format!(
            "tried {}, loaded {}, still rejected {}",
            retried.tried, retried.loaded, retried.still_rejected
        ))?;
    }
    if retried.not_opened > 0 {
        output::warning(&format!(
            "{} sealed bodies do not open: they were changed, or their key is gone",
            retried.not_opened
        ));
        return Ok(Exit::Integrity);
    }
    if stop.is_asked() {
        return Err(Error::StoppedBySignal);
    }
    Ok(if retried.still_rejected > 0 || retried.tried == 0 { Exit::Attention } else { Exit::Done })
}

/// Opens a page of bodies and moves what parses now.
async fn retry_page(
    session: &mut Session,
    key_cache: &KeyCache,
    sealed: &[RetryCandidate],
    reading: Reading,
    retried: &mut Retried,
) -> Result<(), Error> {
    retried.tried += sealed.len() as u64;
    let mut keyring = key_cache.keyring().await?;
    let sealed_under = |candidate: &RetryCandidate| Sealer::key_id_of(&candidate.body.sealed).ok();
    if sealed.iter().filter_map(sealed_under).any(|id| keyring.data_key(id).is_none()) {
        keyring = key_cache.refresh(&keyring).await?;
    }
    let bodies = open_all(sealed, keyring.as_ref());
    retried.not_opened += (sealed.len() - bodies.len()) as u64;
    let mut masking = Masking::default();
    loop {
        let fenced = session.take_fence().await?;
        let plan = fenced.plan().await?;
        let masker = match masking.fit(key_cache, plan)? {
            Fit::Same(masker) | Fit::Anew(masker) => masker,
            Fit::Unknown(known) => {
                drop(fenced);
                key_cache.refresh(&known).await?;
                continue;
            }
        };
        let logins = mask_bodies(masker, &bodies, reading)?;
        match move_recorded(fenced, &logins).await {
            Ok(moved) => retried.loaded += moved,
            // The database still refuses one of them: each on its own, so
            // that the others move.
            Err(error) if error.sql_kind() == Some(SqlKind::Data) => {
                retried.loaded += move_each(session, &logins).await?
            }
            Err(error) => return Err(error.into()),
        }
        break;
    }
    retried.still_rejected = retried.tried - retried.loaded - retried.not_opened;
    Ok(())
}

/// Moves messages into the rows and writes that into the audit log, in one transaction.
async fn move_recorded(fenced: Fenced<'_>, logins: &[(i64, MaskedLogin)]) -> Result<u64, DbError> {
    let moved = fenced.move_from_quarantine(logins).await?;
    if moved > 0 {
        let ids = logins.iter().map(|(id, _)| id.to_string()).collect();
        fenced.record(RecordKind::QuarantineRetry, &record(ids, moved)).await?;
    }
    fenced.commit().await?;
    Ok(moved)
}

/// What the log says of messages that left the quarantine.
fn record(ids: Vec<String>, count: u64) -> String {
    let version = env!("CARGO_PKG_VERSION");
    serde_json::json!({ "messages": Listed::of(ids), "count": count, "version": version })
        .to_string()
}

async fn move_each(session: &mut Session, logins: &[(i64, MaskedLogin)]) -> Result<u64, Error> {
    let mut moved = 0;
    for login in logins {
        let fenced = session.take_fence().await?;
        // A rotation may have moved on since these were masked; such a row waits for the
        // next retry.
        if !fenced.plan().await?.allows(&login.1) {
            continue;
        }
        match move_recorded(fenced, std::slice::from_ref(login)).await {
            Ok(count) => moved += count,
            Err(error) if error.sql_kind() == Some(SqlKind::Data) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(moved)
}

/// The bodies that open, each under the key that it names.
fn open_all<'a>(
    sealed: &'a [RetryCandidate],
    keyring: &Keyring,
) -> Vec<(&'a RetryCandidate, Body)> {
    let mut sealers: HashMap<KeyId, Sealer> = HashMap::new();
    let mut open = |body: &SealedBody| {
        let key_id = Sealer::key_id_of(&body.sealed).ok()?;
        let key = keyring.data_key(key_id)?;
        let sealer = sealers.entry(key_id).or_insert_with(|| Sealer::new(key, key_id));
        sealer.open(body.message_id, &body.sealed).ok().map(Body::from_secret)
    };
    sealed
        .iter()
        .filter_map(|candidate| open(&candidate.body).map(|body| (candidate, body)))
        .collect()
}

fn mask_bodies(
    masker: &mut Masker,
    bodies: &[(&RetryCandidate, Body)],
    reading: Reading,
) -> Result<Vec<(i64, MaskedLogin)>, Error> {
    // Misspelt names were told when the messages came.
    let (mut logins, near) = (Vec::new(), NearNames::default());
    for (RetryCandidate { body: sealed, row_day }, body) in bodies {
        if let Verdict::Login(login) =
            masker.judge(body, || sealed.message_id, *row_day, reading, &near)?
        {
            logins.push((sealed.id, login));
        }
    }
    Ok(logins)
}

#[derive(Serialize)]
struct Purged {
    purged: u64,
}

async fn purge(args: PurgeArgs, target: &Target) -> Result<Exit, Error> {
    let filter = filter(&args.selection);
    let names_some = filter.ids.is_some() || filter.reason.is_some() || filter.before.is_some();
    if !args.all && !names_some {
        return Err(SettingsError::Flags(
            "name messages, --reason, --older-than, or --all".to_owned(),
        )
        .into());
    }
    let mut session = connect(target, Work::Write).await?;
    let ids = session.quarantine_ids(&filter).await?;
    if ids.is_empty() {
        output::note("no such message in the quarantine");
        return Ok(Exit::Attention);
    }
    if !args.yes && !confirm(ids.len())? {
        output::note("nothing was deleted");
        return Ok(Exit::Done);
    }
    // It deletes what was chosen. A message that came while somebody
    // thought it over stays.
    let named = ids.iter().map(ToString::to_string).collect();
    let purged = session.quarantine_purge(&ids, |purged| record(named, purged)).await?;
    if args.format == Format::Json {
        output::json(&Purged { purged })?
    } else {
        output::line(&format!("purged {purged}"))?
    }
    Ok(Exit::Done)
}

fn confirm(count: usize) -> Result<bool, Error> {
    let unasked = || {
        SettingsError::Flags(format!(
            "nothing was deleted: {count} messages wait for --yes, as nobody can be asked here"
        ))
    };
    let answer =
        output::confirm(&format!("delete {count} messages for good? Their content is lost."))?;
    answer.ok_or_else(|| unasked().into())
}

async fn connect(target: &Target, work: Work) -> Result<Session, Error> {
    let session = target.connect().await?;
    super::ready(&session, work).await?;
    Ok(session)
}

fn filter(selection: &Selection) -> QuarantineFilter {
    QuarantineFilter {
        ids: Some(selection.ids.clone()).filter(|ids| !ids.is_empty()),
        reason: selection.reason.map(ToOwned::to_owned),
        before: selection.older_than.and_then(|age| Timestamp::now().checked_sub(age).ok()),
    }
}

//! `load --dry-run`: shows masked rows, writes nothing, gives every message back.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::chunks::ChunkReader;
use super::file::unless_stopped;
use super::give_back::give_back;
use super::outcome::outcome_of;
use super::refusal::file_error;
use super::tally::log_near_names;
use crate::cli::{Format, LoadArgs};
use crate::error::{Error, Exit};
use crate::login::{Masker, NearNames, Outcome, utc_day};
use crate::output;
use crate::queue::{BATCH, Queue};
use crate::vault::{Vault, VaultError};

/// How many messages are shown unless `--max-messages` says otherwise.
const DEFAULT_MESSAGES: u64 = 10;
/// The most that a dry run shows.
const MOST_MESSAGES: u64 = 1_000;
/// How long giving back may take; what is left comes back by its timeout.
const TIME_TO_GIVE_BACK: Duration = Duration::from_secs(10);
/// How long to look for messages.
const LOOK: Duration = Duration::from_secs(3);

/// Shows what a queue would load.
///
/// # Errors
/// When the queue fails, or there are no keys.
pub async fn queue(args: &LoadArgs, queue: &Queue, vault: &Vault, stop: &CancellationToken) -> Result<Exit, Error> {
    let mut masker = masker(vault).await?;
    let wanted = wanted(args);
    let (mut shown, mut receipts, near) = (Vec::new(), Vec::new(), NearNames::default());
    let mut last_answer = Instant::now();
    let result = loop {
        if shown.len() >= wanted || stop.is_cancelled() || last_answer.elapsed() > LOOK {
            break Ok(());
        }
        let messages = match queue.receive((wanted - shown.len()).min(BATCH), Duration::from_secs(1)).await {
            Ok(messages) => messages,
            Err(error) => break Err(error),
        };
        for message in messages {
            last_answer = Instant::now();
            let day = message.sent.row_day(Timestamp::now());
            shown.push(outcome_of(&mut masker, &message.body, || message.message_id, day, super::reading(args), &near));
            receipts.push(message.receipt);
        }
    };
    let back = give_back(queue, &receipts, |_| {});
    let back = tokio::time::timeout(TIME_TO_GIVE_BACK, back).await;
    result?;
    show(&shown.into_iter().collect::<Result<Vec<_>, _>>()?, args.format)?;
    log_near_names(&near);
    match back {
        Ok(Ok(())) => Ok(Exit::Done),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Error::Stopped),
    }
}

/// Shows what a file would load.
///
/// # Errors
/// When the file cannot be read, or there are no keys.
pub async fn file(
    path: &Path,
    mut reader: ChunkReader,
    args: &LoadArgs,
    vault: &Vault,
    stop: &CancellationToken,
) -> Result<Exit, Error> {
    let mut masker = masker(vault).await?;
    let wanted = wanted(args);
    let day = utc_day(Timestamp::now());
    let (mut outcomes, near) = (Vec::new(), NearNames::default());
    while outcomes.len() < wanted {
        let next = move || {
            let chunk = reader.next_chunk();
            (reader, chunk)
        };
        let Some((same, chunk)) = unless_stopped(stop, next).await? else { break };
        reader = same;
        let Some(chunk) = chunk.map_err(|e| file_error(path, &e))? else { break };
        for (place, body) in chunk.bodies().take(wanted - outcomes.len()).enumerate() {
            let message_id = || chunk.message_id(place);
            outcomes.push(outcome_of(&mut masker, &body, message_id, day, super::reading(args), &near)?);
        }
    }
    log_near_names(&near);
    show(&outcomes, args.format)
}

fn wanted(args: &LoadArgs) -> usize {
    args.max_messages.unwrap_or(DEFAULT_MESSAGES).min(MOST_MESSAGES) as usize
}

async fn masker(vault: &Vault) -> Result<Masker, Error> {
    let keyring = vault.keyring().await?;
    Masker::new(keyring.plan(), keyring.as_ref()).map_err(|id| VaultError::Unreadable(id).into())
}

/// A row as JSON shows it, by the names of the table.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Row {
        user_id: &'a str,
        device_type: Option<&'a str>,
        masked_ip: &'a str,
        masked_device_id: &'a str,
        locale: Option<&'a str>,
        app_version: i32,
        create_date: String,
        ip_hash: String,
        device_id_hash: String,
    },
    Rejected {
        rejected: &'static str,
        field: Option<&'static str>,
        length: Option<usize>,
    },
}

fn show(outcomes: &[Outcome], format: Format) -> Result<Exit, Error> {
    if format == Format::Json {
        outcomes.iter().map(shown).try_for_each(|row| output::json(&row))?;
        return Ok(Exit::Done);
    }
    let cells = |outcome: &Outcome| match outcome {
        Outcome::Login(login) => vec![
            login.user_id.clone(),
            login.device_type.clone().unwrap_or_default(),
            login.ip.token.to_string(),
            login.device_id.token.to_string(),
            login.locale.clone().unwrap_or_default(),
            login.app_version.to_string(),
            login.create_date.to_string(),
        ],
        Outcome::Rejected(rejected) => {
            let field = rejected.rejection.field.map_or_else(String::new, |field| format!(" {field}"));
            vec![format!("(quarantine: {}{field})", rejected.rejection.reason.code())]
        }
    };
    let header = ["user_id", "device_type", "masked_ip", "masked_device_id", "locale", "app_version", "create_date"];
    output::table(&header, outcomes.iter().map(cells).collect())?;
    output::line("dry run: nothing was written")?;
    Ok(Exit::Done)
}

fn shown(outcome: &Outcome) -> Shown<'_> {
    match outcome {
        Outcome::Login(login) => Shown::Row {
            user_id: &login.user_id,
            device_type: login.device_type.as_deref(),
            masked_ip: login.ip.token.as_str(),
            masked_device_id: login.device_id.token.as_str(),
            locale: login.locale.as_deref(),
            app_version: login.app_version,
            create_date: login.create_date.to_string(),
            ip_hash: login.ip.hash.to_string(),
            device_id_hash: login.device_id.hash.to_string(),
        },
        Outcome::Rejected(rejected) => Shown::Rejected {
            rejected: rejected.rejection.reason.code(),
            field: rejected.rejection.field,
            length: rejected.rejection.length,
        },
    }
}

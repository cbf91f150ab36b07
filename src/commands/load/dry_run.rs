//! `load --dry-run`: shows masked rows, writes nothing, gives every message back.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::chunks::ChunkReader;
use super::file::unless_stopped;
use super::give_back::give_back;
use super::outcome::outcome_of;
use super::refusal::file_error;
use super::tally::log_near_names;
use crate::cli::{Format, LoadArgs};
use crate::error::{Error, Exit};
use crate::login::{MaskedLogin, Masker, NearNames, Outcome, utc_day};
use crate::output;
use crate::queue::{BATCH, Queue};
use crate::token::{Field, Fields};
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
    show(&shown.into_iter().collect::<Result<Vec<_>, _>>()?, masker.fields(), args.format)?;
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
    show(&outcomes, masker.fields(), args.format)
}

fn wanted(args: &LoadArgs) -> usize {
    args.max_messages.unwrap_or(DEFAULT_MESSAGES).min(MOST_MESSAGES) as usize
}

async fn masker(vault: &Vault) -> Result<Masker, Error> {
    let keyring = vault.keyring().await?;
    Masker::new(keyring.plan(), keyring.as_ref()).map_err(|id| VaultError::Unreadable(id).into())
}

/// A cell of a row, by the name of its column.
type Cell = (&'static str, Value);

/// The cells of a row, in the order in which people read them: tokens before hashes.
fn cells(login: &MaskedLogin) -> Vec<Cell> {
    let MaskedLogin { masked, user_id, device_type, locale, app_version, create_date } = login;
    let tokens = masked.iter().map(|(field, one)| (field.token_column(), json!(one.token.as_str())));
    let hashes = masked.iter().map(|(field, one)| (field.hash_column(), json!(one.hash.to_string())));
    let mut cells = vec![("user_id", json!(user_id)), ("device_type", json!(device_type))];
    cells.extend(tokens);
    cells.extend([
        ("locale", json!(locale)),
        ("app_version", json!(app_version)),
        ("create_date", json!(create_date.to_string())),
    ]);
    cells.extend(hashes);
    cells
}

/// An outcome as JSON shows it.
struct Shown<'a>(&'a Outcome);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rejection = match self.0 {
            Outcome::Login(login) => return serializer.collect_map(cells(login)),
            Outcome::Rejected(rejected) => &rejected.rejection,
        };
        serializer.collect_map([
            ("rejected", json!(rejection.reason.code())),
            ("field", json!(rejection.field)),
            ("length", json!(rejection.length)),
        ])
    }
}

fn show(outcomes: &[Outcome], fields: Fields, format: Format) -> Result<Exit, Error> {
    if format == Format::Json {
        outcomes.iter().try_for_each(|outcome| output::json(&Shown(outcome)))?;
        return Ok(Exit::Done);
    }
    let mut header = vec!["user_id", "device_type"];
    header.extend(fields.fields().map(Field::token_column));
    header.extend(["locale", "app_version", "create_date"]);
    let row = |outcome: &Outcome| match outcome {
        Outcome::Login(login) => {
            let cells = cells(login).into_iter().filter(|(name, _)| header.contains(name));
            cells.map(|(_, value)| text(&value)).collect()
        }
        Outcome::Rejected(rejected) => {
            let field = rejected.rejection.field.map_or_else(String::new, |field| format!(" {field}"));
            vec![format!("(quarantine: {}{field})", rejected.rejection.reason.code())]
        }
    };
    output::table(&header, outcomes.iter().map(row).collect())?;
    output::line("dry run: nothing was written")?;
    Ok(Exit::Done)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

//! `load --dry-run`: shows masked rows, writes nothing, gives every message back.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::chunks::ChunkReader;
use super::file::unless_stopped;
use super::give_back::give_back;
use super::refusal::file_error;
use super::tally::log_near_names;
use crate::cli::{Format, LoadArgs};
use crate::error::{Error, Exit};
use crate::login::{MaskedLogin, NearNames, Verdict, utc_day};
use crate::output;
use crate::queue::{BATCH, Queue};
use crate::stop::Stop;
use crate::token::{Field, Fields};
use crate::vault::{KeyCache, Masking};

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
pub(super) async fn queue(args: &LoadArgs, queue: &Queue, key_cache: &KeyCache, stop: &Stop) -> Result<Exit, Error> {
    let mut masking = Masking::default();
    let masker = masking.masker(key_cache).await?;
    let wanted = count_wanted(args);
    let (mut shown, mut handles, near) = (Vec::new(), Vec::new(), NearNames::default());
    let mut last_answer = Instant::now();
    let result = loop {
        if shown.len() >= wanted || stop.is_asked() || last_answer.elapsed() > LOOK {
            break Ok(());
        }
        let messages = match queue.receive((wanted - shown.len()).min(BATCH), Duration::from_secs(1)).await {
            Ok(messages) => messages,
            Err(error) => break Err(error),
        };
        for message in messages {
            last_answer = Instant::now();
            let day = message.sent.row_day(Timestamp::now());
            shown.push(masker.judge(&message.body, || message.message_id, day, super::reading(args), &near));
            handles.push(message.handle);
        }
    };
    let back = give_back(queue, &handles, |_| {});
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
pub(super) async fn file(
    path: &Path,
    mut reader: ChunkReader,
    args: &LoadArgs,
    key_cache: &KeyCache,
    stop: &Stop,
) -> Result<Exit, Error> {
    let mut masking = Masking::default();
    let masker = masking.masker(key_cache).await?;
    let wanted = count_wanted(args);
    let day = utc_day(Timestamp::now());
    let (mut verdicts, near) = (Vec::new(), NearNames::default());
    while verdicts.len() < wanted {
        let next = move || {
            let chunk = reader.next_chunk();
            (reader, chunk)
        };
        let Some((same, chunk)) = unless_stopped(stop, next).await? else { break };
        reader = same;
        let Some(chunk) = chunk.map_err(|e| file_error(path, &e))? else { break };
        for (place, body) in chunk.bodies().take(wanted - verdicts.len()).enumerate() {
            let message_id = || chunk.message_id(place);
            verdicts.push(masker.judge(&body, message_id, day, super::reading(args), &near)?);
        }
    }
    log_near_names(&near);
    show(&verdicts, masker.fields(), args.format)
}

fn count_wanted(args: &LoadArgs) -> usize {
    args.max_messages.unwrap_or(DEFAULT_MESSAGES).min(MOST_MESSAGES) as usize
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
struct VerdictView<'a>(&'a Verdict);

impl Serialize for VerdictView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rejection = match self.0 {
            Verdict::Login(login) => return serializer.collect_map(cells(login)),
            Verdict::Rejected(rejected) => &rejected.rejection,
        };
        serializer.collect_map([
            ("rejected", json!(rejection.reason.code())),
            ("field", json!(rejection.field)),
            ("length", json!(rejection.length)),
        ])
    }
}

fn show(verdicts: &[Verdict], fields: Fields, format: Format) -> Result<Exit, Error> {
    if format == Format::Json {
        verdicts.iter().try_for_each(|verdict| output::json(&VerdictView(verdict)))?;
        return Ok(Exit::Done);
    }
    let mut header = vec!["user_id", "device_type"];
    header.extend(fields.fields().map(Field::token_column));
    header.extend(["locale", "app_version", "create_date"]);
    let row = |verdict: &Verdict| match verdict {
        Verdict::Login(login) => {
            let cells = cells(login).into_iter().filter(|(name, _)| header.contains(name));
            cells.map(|(_, value)| text(&value)).collect()
        }
        Verdict::Rejected(rejected) => {
            let field = rejected.rejection.field.map_or_else(String::new, |field| format!(" {field}"));
            vec![format!("(quarantine: {}{field})", rejected.rejection.reason.code())]
        }
    };
    output::table(&header, verdicts.iter().map(row).collect())?;
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

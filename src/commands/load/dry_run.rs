//! `load --dry-run`: shows masked rows, writes nothing, gives every message back.

use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::cli::{Format, LoadArgs};
use crate::error::{Error, Exit};
use crate::load::{Judging, Parcel as _, Polled, Source, give_back};
use crate::logging;
use crate::login::{MaskedLogin, Masker, NearNames, Reading, Verdict};
use crate::output;
use crate::stop::Stop;
use crate::token::{Field, Fields};
use crate::vault::{KeyCache, Masking};

/// How many messages are shown unless `--max-messages` says otherwise.
const DEFAULT_MESSAGES: u64 = 10;
/// The most that a dry run shows.
const MOST_MESSAGES: u64 = 1_000;
/// How long giving back may take; what is left comes back by its timeout.
const TIME_TO_GIVE_BACK: Duration = Duration::from_secs(10);
/// How long to look for messages, after the last one.
const LOOK: Duration = Duration::from_secs(3);
/// How long one poll waits.
const POLL: Duration = Duration::from_secs(1);

/// Shows what a source would load.
///
/// # Errors
/// When the source fails, or there are no keys.
pub(super) async fn run<S: Source>(
    args: &LoadArgs,
    reading: Reading,
    source: &S,
    key_cache: &KeyCache,
    stop: &Stop,
) -> Result<Exit, Error> {
    let mut masking = Masking::default();
    let masker = masking.masker(key_cache).await?;
    let (mut handles, near) = (Vec::new(), NearNames::default());
    let result = judge_some(
        count_wanted(args),
        source,
        stop,
        masker,
        Judging::Read(reading, &near),
        &mut handles,
    )
    .await;
    let back = tokio::time::timeout(TIME_TO_GIVE_BACK, give_back(source, &handles, |_| {})).await;
    show(&result?, masker.fields(), args.format)?;
    logging::near_names(&near);
    match back {
        Ok(Ok(())) => Ok(Exit::Done),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::Stopped),
    }
}

/// The verdicts on as many events as are wanted; what was taken for them goes into
/// `handles`, whatever comes of it.
async fn judge_some<S: Source>(
    wanted: usize,
    source: &S,
    stop: &Stop,
    masker: &mut Masker,
    how: Judging<'_>,
    handles: &mut Vec<S::Handle>,
) -> Result<Vec<Verdict>, Error> {
    let (mut verdicts, mut last_answer) = (Vec::new(), Instant::now());
    while verdicts.len() < wanted && !stop.is_asked() && last_answer.elapsed() <= LOOK {
        let most = (wanted - verdicts.len()).min(source.facts().at_once());
        let Polled::Parcels(parcels) = source.poll(most, POLL).await? else { break };
        handles.extend(parcels.iter().filter_map(|parcel| parcel.handle().cloned()));
        for parcel in parcels {
            last_answer = Instant::now();
            for place in 0..parcel.events().min(wanted - verdicts.len()) {
                verdicts.push(parcel.judge(place, masker, how)?);
            }
        }
    }
    Ok(verdicts)
}

fn count_wanted(args: &LoadArgs) -> usize {
    args.max_messages.unwrap_or(DEFAULT_MESSAGES).min(MOST_MESSAGES) as usize
}

/// A cell of a row, by the name of its column.
type Cell = (&'static str, Value);

/// The cells of a row, in the order in which people read them: tokens before hashes.
fn cells(login: &MaskedLogin) -> Vec<Cell> {
    let MaskedLogin { masked, user_id, device_type, locale, app_version, create_date } = login;
    let tokens =
        masked.iter().map(|(field, one)| (field.token_column(), json!(one.token.as_str())));
    let hashes =
        masked.iter().map(|(field, one)| (field.hash_column(), json!(one.hash.to_string())));
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
            let field =
                rejected.rejection.field.map_or_else(String::new, |field| format!(" {field}"));
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

//! `audit list`: who did what when, and why.

use serde_json::Value;

use super::connect;
use crate::audit::Entry;
use crate::cli::{Format, RecordsArgs};
use crate::db::{AuditFilter, Target};
use crate::error::{Error, Exit};
use crate::output;
use crate::settings::SettingsError;

pub(super) async fn run(args: RecordsArgs, target: &Target) -> Result<Exit, Error> {
    let limit = i64::from(args.limit);
    let (format, filter) = (args.format, filter(args)?);
    let entries = connect(target).await?.audit_list(&filter, limit).await?;
    if entries.is_empty() {
        output::note("no such record");
        return Ok(Exit::Attention);
    }
    if entries.len() as i64 == limit {
        output::note(&format!("the newest {limit} records; --limit N shows more"));
    }
    if format == Format::Json {
        entries.iter().try_for_each(output::json)?;
    } else {
        let header = ["seq", "at (UTC)", "login", "from", "kind", "signed", "record"];
        output::table(&header, entries.iter().map(cells).collect())?;
    }
    Ok(Exit::Done)
}

fn filter(args: RecordsArgs) -> Result<AuditFilter, Error> {
    let hash = |text: String| {
        let hash = uuid::Uuid::try_parse(&text).map(|hash| hash.to_string());
        hash.map_err(|_| {
            SettingsError::Flags("the value of --hash is no hash: 32 hex digits, with or without hyphens".to_owned())
        })
    };
    Ok(AuditFilter {
        db_user: args.user,
        since: args.since,
        until: args.until,
        kind: args.kind,
        ticket: args.ticket,
        hash: args.hash.map(hash).transpose()?,
    })
}

fn cells(entry: &Entry) -> Vec<String> {
    vec![
        entry.seq.to_string(),
        entry.at.get(..19).unwrap_or(&entry.at).replace('T', " "),
        entry.db_user.clone(),
        entry.client.clone().unwrap_or_default().trim_end_matches("/32").to_owned(),
        entry.kind.clone(),
        if entry.signature.is_some() { "yes" } else { "" }.to_owned(),
        told(&entry.record),
    ]
}

/// Parts of a record that a table leaves out; `--format json` has them.
const LEFT_OUT: [&str; 6] = ["check_value", "declared", "max_values", "request_signature", "version", "wraps"];
/// The width of the column.
const WIDTH: usize = 90;

/// The record in short, reason and ticket first; as it stands, if it is no object any more.
fn told(record: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(record) else { return cut(record.to_owned()) };
    let is_empty = |value: &Value| value.is_null() || value.as_i64() == Some(0) || value.as_array().is_some_and(Vec::is_empty);
    let is_told = |(name, value): &(&String, &Value)| !is_empty(value) && !LEFT_OUT.contains(&name.as_str());
    let (first, rest): (Vec<_>, Vec<_>) =
        fields.iter().filter(is_told).partition(|(name, _)| ["reason", "ticket"].contains(&name.as_str()));
    let pairs = first.into_iter().chain(rest).map(|(name, value)| format!("{name}: {}", in_short(value)));
    cut(pairs.collect::<Vec<_>>().join("; "))
}

fn in_short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(in_short).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

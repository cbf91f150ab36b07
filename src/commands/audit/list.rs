//! `audit list`: who did what when, and why.

use serde_json::Value;

use super::connect::connect;
use crate::audit::Record;
use crate::cli::{Format, RecordsArgs};
use crate::db::{AuditFilter, Target};
use crate::error::{Error, Exit};
use crate::output;
use crate::settings::SettingsError;

pub(super) async fn run(args: RecordsArgs, target: &Target) -> Result<Exit, Error> {
    let limit = i64::from(args.limit);
    let (format, filter) = (args.format, filter(args)?);
    let records = connect(target).await?.audit_list(&filter, limit).await?;
    if records.is_empty() {
        output::note("no such record");
        return Ok(Exit::Attention);
    }
    if records.len() as i64 == limit {
        output::note(&format!("the newest {limit} records; --limit N shows more"));
    }
    if format == Format::Json {
        records.iter().try_for_each(output::json)?;
    } else {
        let header = ["seq", "at (UTC)", "login", "from", "kind", "signed", "record"];
        output::table(&header, records.iter().map(cells).collect())?;
    }
    Ok(Exit::Done)
}

fn filter(args: RecordsArgs) -> Result<AuditFilter, Error> {
    let hash = |text: String| {
        let hash = uuid::Uuid::try_parse(&text).map(|hash| hash.to_string());
        hash.map_err(|_| {
            SettingsError::Flags(
                "the value of --hash is no hash: 32 hex digits, with or without hyphens".to_owned(),
            )
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

fn cells(record: &Record) -> Vec<String> {
    vec![
        record.seq.to_string(),
        record.at.get(..19).unwrap_or(&record.at).replace('T', " "),
        record.db_user.clone(),
        record.client.clone().unwrap_or_default().trim_end_matches("/32").to_owned(),
        record.kind.clone(),
        if record.signature.is_some() { "yes" } else { "" }.to_owned(),
        summarise(&record.details),
    ]
}

/// Parts of a record that a table leaves out; `--format json` has them.
const LEFT_OUT: [&str; 6] =
    ["check_value", "declared", "max_values", "request_signature", "version", "wraps"];
/// The width of the column.
const WIDTH: usize = 90;

/// The record in short, reason and ticket first; as it stands, if it is
/// no object any more.
fn summarise(record: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(record) else {
        return cut(record.to_owned());
    };
    let is_empty = |value: &Value| {
        value.is_null() || value.as_i64() == Some(0) || value.as_array().is_some_and(Vec::is_empty)
    };
    let is_told =
        |(name, value): &(&String, &Value)| !is_empty(value) && !LEFT_OUT.contains(&name.as_str());
    let (first, rest): (Vec<_>, Vec<_>) = fields
        .iter()
        .filter(is_told)
        .partition(|(name, _)| ["reason", "ticket"].contains(&name.as_str()));
    let pairs =
        first.into_iter().chain(rest).map(|(name, value)| format!("{name}: {}", shorten(value)));
    cut(pairs.collect::<Vec<_>>().join("; "))
}

fn shorten(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shorten).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

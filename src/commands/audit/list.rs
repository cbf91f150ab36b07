//! `audit list`: who did what when, and why.

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

/// The record as `name: value` pairs, without what is null; as it stands, if it is no object any more.
fn told(record: &str) -> String {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(record) else { return record.to_owned() };
    let told = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs = fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| format!("{name}: {}", told(value)));
    pairs.collect::<Vec<_>>().join("; ")
}

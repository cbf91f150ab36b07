//! `loginetl status`: how much lies where, and how far the log has come. Reads only.

use serde::Serialize;

use crate::cli::{Format, Global, StatusArgs};
use crate::db::{CensusLine, KeyOverview, QuarantineLine, Rotation, Session, Work};
use crate::error::{Error, Exit};
use crate::queue::{Depth, Queue};
use crate::settings::Environment;
use crate::token::{Field, KeyId, PerField, Purpose};
use crate::{aws, output};

/// Shows the state of an installation.
///
/// # Errors
/// When the database cannot be used, or a queue is named that cannot.
pub(crate) async fn run(
    args: StatusArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let target = super::database(global, environment, "status")?;
    let session = target.connect().await?;
    super::ready(&session, Work::Census).await?;
    let queue = depth(args.queue_url.or_else(|| environment.queue_url.clone())).await;
    let status = Status::read(&session, queue.as_ref().ok().copied().flatten()).await?;
    match args.format {
        Format::Json => output::json(&status)?,
        Format::Table => status.print()?,
    }
    // What the database knows is shown, even if the queue does not answer.
    queue?;
    Ok(if status.unknown_keys.is_empty() { Exit::Done } else { Exit::Attention })
}

async fn depth(url: Option<String>) -> Result<Option<Depth>, Error> {
    let Some(url) = url else { return Ok(None) };
    let queue = Queue::new(&aws::configuration().await?, url, std::time::Duration::from_secs(30));
    Ok(Some(queue.depth().await?))
}

#[derive(Serialize)]
struct Status {
    keys: Vec<KeyReportLine>,
    rows_without_hash: PerField<i64>,
    rotations: Vec<RotationLine>,
    /// Who holds the fence now: a loader for a batch, a rotation for a step.
    fence_holders: Vec<String>,
    /// Key ids in tokens that no key of the vault has.
    unknown_keys: Vec<String>,
    quarantine: Vec<ReasonLine>,
    queue: Option<Depth>,
    audit: AuditLine,
}

#[derive(Serialize)]
struct KeyReportLine {
    key_id: KeyId,
    purpose: &'static str,
    state: &'static str,
    created_at: String,
    rows: PerField<i64>,
}

/// A sweep that is under way. Hashes are spread evenly, so the watermark tells how much
/// is done.
#[derive(Serialize)]
struct RotationLine {
    field: &'static str,
    from_key: KeyId,
    to_key: KeyId,
    percent_done: f64,
}

#[derive(Serialize)]
struct ReasonLine {
    reason: String,
    messages: i64,
    oldest_at: String,
}

#[derive(Serialize)]
struct AuditLine {
    head: String,
    last_signed: Option<i64>,
    after_last_signature: i64,
}

impl Status {
    async fn read(session: &Session, queue: Option<Depth>) -> Result<Self, Error> {
        let (keys, census) = (session.key_lines().await?, session.census().await?);
        let (head, last_signed) = session.audit_state().await?;
        let fields = session.fields().await?;
        let rows = |key: Option<&str>| fields.map(|field, ()| rows(&census, field, key));
        let line = |key: KeyOverview| KeyReportLine {
            rows: rows(Some(&key.key_id.to_string())),
            key_id: key.key_id,
            purpose: key.purpose.name(),
            state: key.state.name(),
            created_at: key.created_at.to_string(),
        };
        let is_known = |id: &String| {
            keys.iter().any(|key| key.purpose == Purpose::Mask && key.key_id.to_string() == *id)
        };
        let mut unknown_keys: Vec<String> = census
            .iter()
            .filter_map(|line| line.key_id.clone())
            .filter(|id| !is_known(id))
            .collect();
        unknown_keys.sort();
        unknown_keys.dedup();
        let reason = |line: QuarantineLine| ReasonLine {
            reason: line.reason,
            messages: line.messages,
            oldest_at: line.oldest_at.to_string(),
        };
        let rotation = |rotation: Rotation| RotationLine {
            field: rotation.field.name(),
            from_key: rotation.from_key,
            to_key: rotation.to_key,
            percent_done: rotation.watermark.as_u128() as f64 / u128::MAX as f64 * 100.0,
        };
        Ok(Self {
            rows_without_hash: rows(None),
            rotations: session.rotations().await?.into_iter().map(rotation).collect(),
            fence_holders: session.fence_holders().await?,
            unknown_keys,
            keys: keys.into_iter().map(line).collect(),
            quarantine: session.quarantine_summary().await?.into_iter().map(reason).collect(),
            queue,
            audit: AuditLine {
                after_last_signature: head.seq - last_signed.unwrap_or(0),
                head: head.to_string(),
                last_signed,
            },
        })
    }

    fn print_keys(&self) -> Result<(), Error> {
        let key = |key: &KeyReportLine| {
            let rows = |n: i64| {
                if key.purpose == Purpose::Mask.name() { n.to_string() } else { String::new() }
            };
            let created = key.created_at.get(..10).unwrap_or_default().to_owned();
            let mut cells =
                vec![key.key_id.to_string(), key.purpose.to_owned(), key.state.to_owned(), created];
            cells.extend(key.rows.iter().map(|(_, count)| rows(*count)));
            cells
        };
        let unhashed = &self.rows_without_hash;
        let mut header = ["key", "purpose", "state", "created"].map(str::to_owned).to_vec();
        header.extend(unhashed.fields().map(|field| format!("rows: {field}")));
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        output::table(&header, self.keys.iter().map(key).collect())
    }

    fn print(&self) -> Result<(), Error> {
        self.print_keys()?;
        let unhashed = &self.rows_without_hash;
        if unhashed.iter().any(|(_, count)| *count > 0) {
            let counts: Vec<String> =
                unhashed.iter().map(|(field, count)| format!("{field} {count}")).collect();
            output::line(&format!(
                "without hash    {}: rows from before loginetl",
                counts.join(", ")
            ))?;
        }
        for sweep in &self.rotations {
            let RotationLine { field, from_key, to_key, percent_done } = sweep;
            output::line(&format!(
                "rotation        {field}: from key {from_key} to {to_key}, {percent_done:.1} % done"
            ))?;
        }
        for holder in &self.fence_holders {
            output::line(&format!("fence           held by {}", output::printable(holder)))?;
        }
        if !self.unknown_keys.is_empty() {
            let named = output::printable(&self.unknown_keys.join(", ")).into_owned();
            output::line(&format!(
                "unknown keys    tokens name {named}, which this vault never had"
            ))?;
        }
        match &self.queue {
            Some(depth) => output::line(&format!("queue           {depth}"))?,
            None => {
                output::line("queue           not asked: no --queue-url, or it does not answer")?
            }
        }
        if self.quarantine.is_empty() {
            output::line("quarantine      empty")?;
        }
        for line in &self.quarantine {
            let oldest = line.oldest_at.get(..10).unwrap_or_default();
            output::line(&format!(
                "quarantine      {} {}, the oldest of {oldest}",
                line.messages, line.reason
            ))?;
        }
        output::line(&format!(
            "audit log       {} records after the last signature",
            self.audit.after_last_signature
        ))?;
        output::line(&format!("audit head      {}", self.audit.head))
    }
}

fn rows(census: &[CensusLine], field: Field, key: Option<&str>) -> i64 {
    census
        .iter()
        .filter(|line| line.field == field.name() && line.key_id.as_deref() == key)
        .map(|line| line.rows)
        .sum()
}

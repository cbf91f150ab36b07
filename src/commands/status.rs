//! `loginetl status`: how much lies where, and how far the log has come. Reads only.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::cli::{Format, Global, StatusArgs};
use crate::db::{Counting, Figure, KeyOverview, QuarantineLine, Rotation, Sample, Session, Work};
use crate::error::{Error, Exit};
use crate::queue::{Depth, Queue};
use crate::settings::Environment;
use crate::token::{KeyId, PerField, Purpose};
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
    let depth = queue.as_ref().ok().copied().flatten();
    let status = Status::read(&session, Counting::of(args.exact), depth).await?;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_without_hash_margin: Option<PerField<i64>>,
    /// All figures of rows, and the keys that they name.
    rows_are: &'static str,
    rows_sample: Option<Sample>,
    rotations: Vec<RotationLine>,
    /// Who holds the fence now: a loader for a batch, a rotation for a step.
    fence_holders: Vec<String>,
    /// Key ids in tokens that no key of the vault has, as far as rows were read.
    unknown_keys: Vec<String>,
    quarantine: Vec<ReasonLine>,
    quarantine_is: &'static str,
    quarantine_sample: Option<Sample>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_margin: Option<PerField<i64>>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    messages_margin: Option<i64>,
    oldest_at: String,
}

#[derive(Serialize)]
struct AuditLine {
    head: String,
    last_signed: Option<i64>,
    after_last_signature: i64,
}

impl Status {
    async fn read(
        session: &Session,
        counting: Counting,
        queue: Option<Depth>,
    ) -> Result<Self, Error> {
        let (keys, census) = (session.key_lines().await?, session.census(counting).await?);
        let (reasons, quarantine_sample) = session.quarantine_summary(counting).await?;
        let (head, last_signed) = session.audit_state().await?;
        let fields = session.fields().await?;
        let rows = |key: Option<&str>| fields.map(|field, ()| census.rows(field, key));
        let is_known = |id: &str| {
            keys.iter().any(|key| key.purpose == Purpose::Mask && key.key_id.to_string() == id)
        };
        let unknown_keys: BTreeSet<&str> = census.key_ids().filter(|id| !is_known(id)).collect();
        let rotation = |rotation: Rotation| RotationLine {
            field: rotation.field.name(),
            from_key: rotation.from_key,
            to_key: rotation.to_key,
            percent_done: rotation.watermark.as_u128() as f64 / u128::MAX as f64 * 100.0,
        };
        let line = |key: &KeyOverview| KeyReportLine::new(key, rows(Some(&key.key_id.to_string())));
        Ok(Self {
            rows_without_hash: rows(None).map(|_, figure| figure.count),
            rows_without_hash_margin: margins(rows(None)),
            rows_are: Sample::origin(census.sample),
            rows_sample: census.sample,
            rotations: session.rotations().await?.into_iter().map(rotation).collect(),
            fence_holders: session.fence_holders().await?,
            unknown_keys: unknown_keys.into_iter().map(ToOwned::to_owned).collect(),
            keys: keys.iter().map(line).collect(),
            quarantine: reasons.into_iter().map(ReasonLine::new).collect(),
            quarantine_is: Sample::origin(quarantine_sample),
            quarantine_sample,
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
            let is_mask = key.purpose == Purpose::Mask.name();
            let created = key.created_at.get(..10).unwrap_or_default().to_owned();
            let mut cells =
                vec![key.key_id.to_string(), key.purpose.to_owned(), key.state.to_owned(), created];
            let rows = readable(key.rows, key.rows_margin);
            cells.extend(rows.iter().map(|(_, n)| if is_mask { n.clone() } else { String::new() }));
            cells
        };
        let mut header = ["key", "purpose", "state", "created"].map(str::to_owned).to_vec();
        header.extend(self.rows_without_hash.fields().map(|field| format!("rows: {field}")));
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        output::table(&header, self.keys.iter().map(key).collect())?;
        let said = |sample| output::line(&format!("rows            {sample}"));
        self.rows_sample.map_or(Ok(()), said)
    }

    fn print(&self) -> Result<(), Error> {
        self.print_keys()?;
        if self.rows_without_hash.iter().any(|(_, count)| *count > 0) {
            let rows = readable(self.rows_without_hash, self.rows_without_hash_margin);
            let rows: Vec<String> = rows.iter().map(|(field, n)| format!("{field} {n}")).collect();
            output::line(&format!(
                "without hash    {}: rows from before loginetl",
                rows.join(", ")
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
        self.print_quarantine()?;
        output::line(&format!(
            "audit log       {} records after the last signature",
            self.audit.after_last_signature
        ))?;
        output::line(&format!("audit head      {}", self.audit.head))
    }

    fn print_quarantine(&self) -> Result<(), Error> {
        if self.quarantine.is_empty() {
            let seen = if self.quarantine_sample.is_some() { "none seen" } else { "empty" };
            output::line(&format!("quarantine      {seen}"))?;
        }
        let is_estimated = self.quarantine_sample.is_some();
        for line in &self.quarantine {
            let messages = Figure { count: line.messages, margin: line.messages_margin };
            let oldest = line.oldest_at.get(..10).unwrap_or_default();
            output::line(&format!(
                "quarantine      {messages} {}, the oldest{} of {oldest}",
                line.reason,
                if is_estimated { " seen" } else { "" }
            ))?;
        }
        let said = |sample| output::line(&format!("quarantine      {sample}"));
        self.quarantine_sample.map_or(Ok(()), said)
    }
}

impl KeyReportLine {
    fn new(key: &KeyOverview, rows: PerField<Figure>) -> Self {
        Self {
            key_id: key.key_id,
            purpose: key.purpose.name(),
            state: key.state.name(),
            created_at: key.created_at.to_string(),
            rows: rows.map(|_, figure| figure.count),
            rows_margin: margins(rows),
        }
    }
}

impl ReasonLine {
    fn new(line: QuarantineLine) -> Self {
        Self {
            reason: line.reason,
            messages: line.messages.count,
            messages_margin: line.messages.margin,
            oldest_at: line.oldest_at.to_string(),
        }
    }
}

/// None where rows were counted.
fn margins(rows: PerField<Figure>) -> Option<PerField<i64>> {
    let margins = rows.filter_map(|_, figure| figure.margin);
    (!margins.is_empty()).then_some(margins)
}

/// Rows as people read them.
fn readable(rows: PerField<i64>, margins: Option<PerField<i64>>) -> PerField<String> {
    rows.map(|field, count| {
        let margin = margins.and_then(|margins| margins.get(field).copied());
        Figure { count, margin }.to_string()
    })
}

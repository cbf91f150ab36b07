//! `loginetl backfill`: rows that an earlier loader left with plain values are masked in
//! place, by the path of the load.
//!
//! Invariant: a value that was masked stands nowhere in the live row any more; a row that
//! cannot be masked stays as it is.

use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::audit::RecordKind;
use crate::cli::{BackfillArgs, Format, Global};
use crate::commands;
use crate::db::{DbError, MaskedRow, PlainColumns, PlainRow, RowChange, Session, Work};
use crate::error::{Error, Exit};
use crate::login::Masker;
use crate::output::{self, Progress};
use crate::settings::{Environment, SettingsError};
use crate::stop::Stop;
use crate::token::{CanonicalForm, Field, Plaintext};
use crate::vault::{Fit, KeyCache, Masking};

/// Rows in one transaction; each reads the plan anew.
const CHUNK: i64 = 1_000;
/// Whoever waits for the head of the log gets its error after 10 s. This is longer, so
/// that the error comes first.
const LONGEST_RECORD: Duration = Duration::from_secs(20);

#[derive(Default, Serialize)]
struct BackfillReport {
    rows_masked: u64,
    rows_not_masked: u64,
    rows_without_hash: i64,
}

/// Masks what can be masked, and says what is left.
///
/// # Errors
/// When a column is missing, this login may not, or database or KMS cannot be used. What
/// was masked until then stays so.
pub(crate) async fn run(
    args: BackfillArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let columns = args.columns.0;
    if columns.is_empty() {
        return Err(no_column_named().into());
    }
    let target = commands::database(global, environment, "backfill")?;
    let stop = Stop::on_signal("stopping after this chunk; run it again to go on")?;
    let mut session = target.connect().await?;
    commands::ready(&session, Work::Backfill).await?;
    let key_cache = KeyCache::open(target, commands::kms(environment).await?).await?;
    let masked_fields = session.fields().await?;
    if let Some(field) = columns.fields().find(|field| !masked_fields.contains(*field)) {
        return Err(not_masked_here(field).into());
    }
    if let Some(missing) = session.missing_column(&columns).await? {
        return Err(SettingsError::Flags(format!(
            "name columns of user_logins; it has none named {missing}"
        ))
        .into());
    }
    let progress = output::shows_progress().then(Progress::start);
    let mut report = BackfillReport::default();
    let masked = async {
        let (mut masking, mut after) = (Masking::default(), "(0,0)".to_owned());
        while let Some(last) =
            mask_chunk(&mut session, &key_cache, &mut masking, &columns, &after, &mut report)
                .await?
        {
            after = last;
            if let Some(progress) = &progress {
                progress.show(format!("{} rows masked", report.rows_masked));
            }
            if stop.is_asked() {
                return Err(Error::StoppedBySignal);
            }
        }
        Ok(())
    };
    let masked = masked.await;
    drop(progress);
    let masked = match masked {
        Err(Error::Db(error)) => Err(session.with_suspects(error, RowChange::Update).await.into()),
        other => other,
    };
    let recorded = record(&session, &stop, &columns, &masked, &report).await;
    // If the run failed and could not be recorded either, the first error says more.
    masked.and(recorded)?;
    report.rows_without_hash = session.rows_without_hash(masked_fields).await?;
    print(&report, args.format)?;
    Ok(if report.rows_not_masked > 0 || report.rows_without_hash > 0 {
        Exit::Attention
    } else {
        Exit::Done
    })
}

fn no_column_named() -> SettingsError {
    let flags: Vec<String> = Field::ALL.map(|field| format!("--{}", field.flags().column)).into();
    SettingsError::Flags(format!("name one or more of {}", flags.join(", ")))
}

fn not_masked_here(field: Field) -> SettingsError {
    let mask = field.flags().mask.unwrap_or_default();
    SettingsError::Flags(format!(
        "{} are not masked in this installation; loginetl init --{mask} masks them",
        field.nouns()
    ))
}

/// The run in the audit log, as of a load.
async fn record(
    session: &Session,
    stop: &Stop,
    columns: &PlainColumns,
    masked: &Result<(), Error>,
    report: &BackfillReport,
) -> Result<(), Error> {
    let end = match masked {
        Ok(()) => "done",
        Err(Error::StoppedBySignal) => "stopped",
        Err(_) => "failed",
    };
    // Fields that are always masked are always listed, named or not: the log has had them
    // so from the first version on.
    let named = |field: Field| columns.get(field).map(|column| Some(column.clone()));
    let always = |field: Field| named(field).or_else(|| (!field.is_optional()).then_some(None));
    let record = serde_json::json!({
        "from": { "columns": Field::ALL.into_iter().filter_map(always).collect::<Vec<_>>() },
        "end": end,
        "rows_masked": report.rows_masked,
        "rows_not_masked": report.rows_not_masked,
        "version": env!("CARGO_PKG_VERSION"),
    });
    let record = record.to_string();
    let write = session.record(RecordKind::LoadRun, &record);
    let mute = |_| DbError::Lost { action: "recording the run" };
    tokio::time::timeout(stop.shorten(LONGEST_RECORD), write).await.map_err(mute).flatten()?;
    Ok(())
}

/// One chunk in one transaction; the place of its last row, or nothing at
/// the end of the table.
async fn mask_chunk(
    session: &mut Session,
    key_cache: &KeyCache,
    masking: &mut Masking,
    columns: &PlainColumns,
    after: &str,
    report: &mut BackfillReport,
) -> Result<Option<String>, Error> {
    loop {
        masking.masker(key_cache).await?;
        let fenced = session.take_fence().await?;
        let masker = match masking.fit(key_cache, fenced.plan().await?)? {
            Fit::Same(masker) | Fit::Anew(masker) => masker,
            Fit::Unknown(known) => {
                // No transaction is open while KMS unwraps the new key.
                drop(fenced);
                key_cache.refresh(&known).await?;
                continue;
            }
        };
        let rows = fenced.plain_rows(columns, after, CHUNK).await?;
        let Some(last) = rows.last().map(|row| row.place.clone()) else { return Ok(None) };
        let masked: Vec<MaskedRow<'_>> = rows.iter().filter_map(|row| mask(row, masker)).collect();
        let count = fenced.mask_rows(columns, &masked).await?;
        fenced.commit().await?;
        report.rows_masked += count;
        report.rows_not_masked += rows.len() as u64 - count;
        return Ok(Some(last));
    }
}

/// Nothing, if one of its values cannot be masked: then the row stays as it is.
fn mask<'a>(row: &'a PlainRow, masker: &mut Masker) -> Option<MaskedRow<'a>> {
    let mask = |(field, text): (Field, &Zeroizing<String>)| {
        // A column of type inet shows its netmask.
        let text = match field.form() {
            CanonicalForm::Address => text.trim_end_matches("/32").trim_end_matches("/128"),
            CanonicalForm::Text { .. } => text,
        };
        Some((field, masker.mask_value(&Plaintext::of(field, text).ok()?)?))
    };
    let masked: Option<Vec<_>> = row.values.iter().map(mask).collect();
    Some(MaskedRow { place: &row.place, masked: masked?.into_iter().collect() })
}

fn print(report: &BackfillReport, format: Format) -> Result<(), Error> {
    if format == Format::Json {
        return output::json(report);
    }
    output::line(&format!("masked {} rows", report.rows_masked))?;
    if report.rows_not_masked > 0 {
        output::line(&format!(
            "{} rows hold something that cannot be masked, and stay as they are",
            report.rows_not_masked
        ))?;
    }
    if report.rows_without_hash > 0 {
        output::line(&format!("{} rows have no hash", report.rows_without_hash))?;
    }
    output::line(
        "the old row versions still hold the values: VACUUM FULL public.user_logins removes \
         them; backups and WAL archives keep theirs",
    )
}

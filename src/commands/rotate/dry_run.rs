//! `rotate-keys --dry-run`: how much there is to do. Reads the table once, changes
//! nothing, asks no KMS.

use std::collections::BTreeSet;

use serde::Serialize;

use super::resume::is_unfinished;
use crate::cli::Format;
use crate::db::{Session, archives_under};
use crate::error::{Error, Exit};
use crate::output;
use crate::token::{KeyState, Purpose};

/// WAL that a row costs for each of its fields, in bytes: a new version of the row,
/// roughly 200 bytes, and on a large table most of a page image after each checkpoint. A
/// rough figure.
const WAL_BYTES_A_VALUE: i64 = 600;

#[derive(Serialize)]
struct Forecast {
    unfinished: bool,
    rows: i64,
    longest_value: i64,
    wal_bytes: i64,
    /// Archives that a rotation leaves under the old key.
    archives: Vec<String>,
}

pub(super) async fn run(
    session: &Session,
    replaced: &[Purpose],
    format: Format,
) -> Result<Exit, Error> {
    let unfinished = is_unfinished(session).await?;
    let fields = session.fields().await?;
    let (rows, longest_value) = session.size_of_rotation(fields).await?;
    let values = fields.fields().count() as i64;
    let wal_bytes = rows * values * WAL_BYTES_A_VALUE;
    let archives = archives_left(session, replaced).await?;
    let plan = Forecast { unfinished, rows, longest_value, wal_bytes, archives };
    if format == Format::Json {
        output::json(&plan)?;
        return Ok(Exit::Done);
    }
    if unfinished {
        output::line("a rotation is under way: rotate-keys finishes it")?;
    }
    output::line(&format!("rows to move     {rows}"))?;
    output::line(&format!(
        "longest value    {longest_value} rows carry it; they are moved in one step"
    ))?;
    output::line(&format!("WAL, roughly     {} MiB", plan.wal_bytes / 1024 / 1024))?;
    if !plan.archives.is_empty() {
        output::line(&format!(
            "archives         {} stay under the old key (mask plan --rewrites, remask)",
            plan.archives.join(", ")
        ))?;
    }
    Ok(Exit::Done)
}

/// Those under a key that the rotation would replace, each once.
async fn archives_left(session: &Session, replaced: &[Purpose]) -> Result<Vec<String>, Error> {
    let keys = session.key_lines().await?;
    let runs = session.archive_runs().await?;
    let names: BTreeSet<String> = keys
        .iter()
        .filter(|key| key.state == KeyState::Active && replaced.contains(&key.purpose))
        .flat_map(|key| archives_under(&runs, key.key_id))
        .collect();
    Ok(names.into_iter().collect())
}

//! How many rows and messages there are: counted, or estimated from a sample of blocks,
//! which says how far a figure may be off (sql/functions/estimate.sql).
//!
//! Invariant: figures are for people who look. Whatever decides about a key counts.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Counting, DbError, Figure, Sample, Session};
use crate::token::{Field, KeyId};

/// Rows of one field under one key.
struct CensusLine {
    /// `ip` or `device_id`.
    field: String,
    /// The key id in their tokens, as it stands there; none for rows without a hash.
    key_id: Option<String>,
    rows: Figure,
}

/// Rows per field and key.
pub(crate) struct Census {
    lines: Vec<CensusLine>,
    /// What was read, where they were not counted.
    pub sample: Option<Sample>,
}

/// Messages in quarantine for one reason.
#[derive(Clone, Debug)]
pub(crate) struct QuarantineLine {
    /// The reason code.
    pub reason: String,
    /// How many.
    pub messages: Figure,
    /// Since when the oldest, or the oldest of a sample.
    pub oldest_at: Timestamp,
}

/// Bodies in quarantine under each sealing key.
pub(crate) struct Bodies {
    lines: Vec<(String, Figure)>,
    /// What was read, where they were not counted.
    pub sample: Option<Sample>,
}

const COUNT_ROWS: &str = "\
    select field, key_id, row_count, null::int8, null::int8, null::int8 from vault.census \
    order by 1, 2";

/// On a server of two cores, three thousand blocks in memory take 0.15 s. Where they come
/// from slow disks, it stops earlier.
const ESTIMATE_ROWS: &str = "\
    select field, key_id, row_count, margin, blocks, of_blocks \
    from vault.estimate_rows(3000, '400 ms') order by 1, 2";

const COUNT_REASONS: &str = "\
    select reason, null, message_count, null::int8, null::int8, null::int8, oldest_at \
    from ingest.quarantine_summary order by 3 desc, 1";

const ESTIMATE_REASONS: &str = "\
    select value, null, message_count, margin, blocks, of_blocks, oldest_at \
    from ingest.estimate_quarantine(3000, '200 ms') \
    where counted_by is distinct from 'key' order by 3 desc, 1";

const COUNT_BODIES: &str = "\
    select key_id::text, null, body_count, null::int8, null::int8, null::int8 \
    from ingest.bodies_by_key";

const ESTIMATE_BODIES: &str = "\
    select value, null, message_count, margin, blocks, of_blocks \
    from ingest.estimate_quarantine(3000, '200 ms') where counted_by is distinct from 'reason'";

impl Counting {
    const fn choose(self, all: &'static str, sample: &'static str) -> &'static str {
        match self {
            Self::All => all,
            Self::Sample => sample,
        }
    }
}

impl Figure {
    fn of(row: &Row) -> Self {
        Self { count: row.get(2), margin: row.get(3) }
    }
}

impl Sample {
    /// Of the line that has no name: it is about what no other line names.
    fn of(rows: &[Row]) -> Option<Self> {
        let rest = rows.iter().find(|row| row.get::<_, Option<&str>>(0).is_none())?;
        Some(Self { blocks: rest.get(4), of_blocks: rest.get(5), unseen_at_most: rest.get(3) })
    }
}

impl Census {
    /// Rows of a field under the key of that number, or without a hash.
    #[must_use]
    pub(crate) fn rows(&self, field: Field, key: Option<&str>) -> Figure {
        let is_meant =
            |line: &&CensusLine| line.field == field.name() && line.key_id.as_deref() == key;
        let line = self.lines.iter().find(is_meant);
        line.map_or_else(|| Sample::unseen(self.sample), |line| line.rows)
    }

    /// The key ids that tokens name, as they stand there.
    pub(crate) fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| line.key_id.as_deref())
    }
}

impl Bodies {
    /// How many are under a key.
    #[must_use]
    pub(crate) fn under(&self, key: KeyId) -> Figure {
        let id = key.to_string();
        let line = self.lines.iter().find(|(of, _)| *of == id);
        line.map_or_else(|| Sample::unseen(self.sample), |(_, bodies)| *bodies)
    }
}

impl Session {
    /// Rows per field and key. To count them reads the whole table.
    pub(crate) async fn census(&self, counting: Counting) -> Result<Census, DbError> {
        let statement = counting.choose(COUNT_ROWS, ESTIMATE_ROWS);
        let rows = self.read("counting rows", statement, &[]).await?;
        let line = |row: &Row| {
            let field = row.get::<_, Option<String>>(0)?;
            Some(CensusLine { field, key_id: row.get(1), rows: Figure::of(row) })
        };
        Ok(Census { lines: rows.iter().filter_map(line).collect(), sample: Sample::of(&rows) })
    }

    /// Messages in quarantine by reason.
    pub(crate) async fn quarantine_summary(
        &self,
        counting: Counting,
    ) -> Result<(Vec<QuarantineLine>, Option<Sample>), DbError> {
        let statement = counting.choose(COUNT_REASONS, ESTIMATE_REASONS);
        let rows = self.read("counting the quarantine", statement, &[]).await?;
        let line = |row: &Row| {
            let reason = row.get::<_, Option<String>>(0)?;
            Some(QuarantineLine { reason, messages: Figure::of(row), oldest_at: row.get(6) })
        };
        Ok((rows.iter().filter_map(line).collect(), Sample::of(&rows)))
    }

    /// Quarantined bodies by the seal key that they are under.
    pub(crate) async fn bodies_by_key(&self, counting: Counting) -> Result<Bodies, DbError> {
        let statement = counting.choose(COUNT_BODIES, ESTIMATE_BODIES);
        let rows = self.read("counting sealed bodies", statement, &[]).await?;
        let line = |row: &Row| Some((row.get::<_, Option<String>>(0)?, Figure::of(row)));
        Ok(Bodies { lines: rows.iter().filter_map(line).collect(), sample: Sample::of(&rows) })
    }
}

//! Ranges: how far each goes, from what was read of it. Knows no storage; rows come from
//! a [`RangeReader`].
//!
//! Invariant: ranges lie end to end from the watermark to the last hash there can be, and
//! none cuts a value.

use uuid::Uuid;

use crate::db::{Coverage, Move, Snapshot, TokenGroup};
use crate::error::Error;

/// A range, ready to be moved.
pub(super) struct Prepared {
    /// Its end; it begins after the rotation's watermark.
    pub next: Uuid,
    /// What its rows get.
    pub moves: Vec<Move>,
    /// What does not open.
    pub stuck: Vec<TokenGroup>,
    /// How much of the range was read.
    pub read: Coverage,
}

/// What a reader found.
pub(super) struct RangeRows {
    /// What it can have seen.
    pub seen: Snapshot,
    /// How many rows there were.
    pub rows: u32,
    /// What those get that open.
    pub moves: Vec<Move>,
    /// What does not open.
    pub stuck: Vec<TokenGroup>,
}

/// Where rows come from.
pub(super) trait RangeReader {
    /// At most `limit` rows with a hash after `after`: the next ones, or any of those up
    /// to `until`.
    fn read(
        &mut self,
        after: Uuid,
        until: Option<Uuid>,
        limit: u32,
    ) -> impl Future<Output = Result<RangeRows, Error>> + Send;
}

/// After few rows, the next range is at most so many times as wide.
const FASTEST_GROWTH: u128 = 16;

/// One range after the other.
pub(super) struct Ranges {
    /// Where the next one begins.
    after: Uuid,
    /// Rows of a range, unless a single value has more.
    rows: u32,
    /// Rows of the next one.
    limit: u32,
    /// How wide the next one is to be. Nothing is known before the first one.
    width: Option<u128>,
}

impl Ranges {
    /// The first range is small, so that the first step begins soon; each may be twice as
    /// large as the one before.
    pub(super) fn after(watermark: Uuid, rows: u32) -> Self {
        Self { after: watermark, rows, limit: rows.div_ceil(8), width: None }
    }

    /// Whether the last one is prepared.
    pub(super) fn is_through(&self) -> bool {
        self.after == Uuid::max()
    }

    /// The next range.
    ///
    /// # Errors
    /// Those of the reader; the next call tries the same range again.
    pub(super) async fn prepare_next(
        &mut self,
        reader: &mut impl RangeReader,
    ) -> Result<Prepared, Error> {
        let prepared = self.prepare(reader).await?;
        self.limit = self.rows.min(self.limit.saturating_mul(2));
        self.width = Some(width_after(self.after, &prepared, self.limit));
        self.after = prepared.next;
        Ok(prepared)
    }

    async fn prepare(&self, reader: &mut impl RangeReader) -> Result<Prepared, Error> {
        // Up to a hash that is fixed beforehand, rows are read in any order, which is the
        // fastest. If the limit cuts them, nobody knows which are missing: then the next
        // rows in the order of their hashes are read instead, and the last of them is the
        // end of the range.
        if let Some(width) = self.width {
            let next = Uuid::from_u128(self.after.as_u128().saturating_add(width));
            let RangeRows { seen, rows, moves, stuck } =
                reader.read(self.after, Some(next), self.limit).await?;
            if rows < self.limit {
                return Ok(Prepared { next, moves, stuck, read: Coverage::Whole(seen) });
            }
        }
        Ok(cut(reader.read(self.after, None, self.limit).await?, self.limit))
    }
}

/// The range that the next rows make. The limit may have cut the last value: it is left
/// to the next range, unless it is a range by itself.
fn cut(found: RangeRows, limit: u32) -> Prepared {
    let RangeRows { seen, rows, mut moves, mut stuck } = found;
    if rows < limit {
        return Prepared { next: Uuid::max(), moves, stuck, read: Coverage::Whole(seen) };
    }
    let hashes = || moves.iter().map(|m| m.hash).chain(stuck.iter().map(|value| value.hash));
    let last = hashes().max().unwrap_or(Uuid::max());
    let before = hashes().filter(|hash| *hash < last).max();
    let next = before.unwrap_or(last);
    moves.retain(|m| m.hash <= next);
    stuck.retain(|value| value.hash <= next);
    // A value by itself may have more rows than were read.
    let read = if before.is_some() { Coverage::Whole(seen) } else { Coverage::Part };
    Prepared { next, moves, stuck, read }
}

/// The width for nine tenths of the rows, as a range with more than all of them would
/// have to be read again.
fn width_after(after: Uuid, prepared: &Prepared, rows: u32) -> u128 {
    let width = prepared.next.as_u128() - after.as_u128();
    let found = (prepared.moves.len() + prepared.stuck.len()).max(1) as u128;
    (width / found)
        .saturating_mul(u128::from(rows) * 9 / 10)
        .min(width.saturating_mul(FASTEST_GROWTH))
        .max(1)
}

#[cfg(test)]
mod tests;

//! Preparing: ranges are read and re-encrypted while another one is moved, on a connection of their own.
//!
//! Invariant: what is prepared is only ever moved from the watermark at which it was read.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::db::{Coverage, Move, Rotation, Session, Snapshot, Target, TokenGroup};
use crate::error::Error;
use crate::vault::{Converted, Converter, SweepKeys};

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

/// After few rows, the next range is at most so many times as wide.
const FASTEST_GROWTH: u128 = 16;

/// Prepares one range after the other, one ahead of the one that is being moved.
pub(super) struct Ahead {
    target: Target,
    /// Rows of a range, unless a single value has more.
    rows: u32,
    pub keys: Arc<SweepKeys>,
    under_way: Option<Preparing>,
}

struct Preparing {
    /// What it has ready next.
    from: Rotation,
    ready: mpsc::Receiver<Result<Prepared, Error>>,
    task: JoinHandle<()>,
}

impl Ahead {
    pub(super) fn new(target: Target, rows: u32, keys: SweepKeys) -> Self {
        Self { target, rows, keys: Arc::new(keys), under_way: None }
    }

    /// Whether the range at the watermark of `rotation` is yet to be read, and all after it.
    pub(super) fn begins_anew(&self, rotation: &Rotation) -> bool {
        self.under_way.as_ref().is_none_or(|preparing| preparing.from != *rotation)
    }

    /// Lets go of what is prepared, because a fault may have made it stale.
    pub(super) fn forget(&mut self) {
        self.under_way = None;
    }

    /// The range at the watermark of `rotation`; those after it are being prepared from now on.
    ///
    /// # Errors
    /// When the database is gone, or a key is missing; the next call tries again.
    pub(super) async fn take(&mut self, rotation: Rotation) -> Result<Prepared, Error> {
        let mut preparing = match self.under_way.take() {
            Some(preparing) if preparing.from == rotation => preparing,
            _ => self.begin(rotation),
        };
        let prepared = preparing.ready.recv().await.ok_or(Error::Panicked)??;
        preparing.from.watermark = prepared.next;
        self.under_way = Some(preparing);
        Ok(prepared)
    }

    fn begin(&self, from: Rotation) -> Preparing {
        let (target, rows, keys) = (self.target.clone(), self.rows, Arc::clone(&self.keys));
        let (sender, ready) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            if let Err(error) = prepare_all(&target, rows, &keys, from, &sender).await {
                // Nobody waits for it any more, if it cannot be sent.
                let _ = sender.send(Err(error)).await;
            }
        });
        Preparing { from, ready, task }
    }

    /// Waits until what is being prepared is ready.
    pub(super) async fn settle(&mut self) {
        while self.under_way.as_ref().is_some_and(|preparing| preparing.ready.is_empty() && !preparing.task.is_finished()) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Preparing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All ranges from the watermark to the end, on a connection of its own.
async fn prepare_all(
    target: &Target,
    rows: u32,
    keys: &SweepKeys,
    mut at: Rotation,
    ready: &mpsc::Sender<Result<Prepared, Error>>,
) -> Result<(), Error> {
    let mut session = target.connect().await?;
    // The first range is small, so that the first step begins soon; each may be twice as large as the one before.
    let (mut width, mut limit) = (None, rows.div_ceil(8));
    while at.watermark < Uuid::max() {
        // Room comes first: no range is begun before the one before it is taken.
        let Ok(room) = ready.reserve().await else { return Ok(()) };
        let until = width.map(|width| Uuid::from_u128(at.watermark.as_u128().saturating_add(width)));
        let prepared = prepare(&mut session, limit, until, keys, &at).await?;
        limit = rows.min(limit.saturating_mul(2));
        width = Some(width_after(&at, &prepared, limit));
        at.watermark = prepared.next;
        room.send(Ok(prepared));
    }
    Ok(())
}

/// The width for nine tenths of the rows, as a range with more than all of them would have to be read again.
fn width_after(rotation: &Rotation, prepared: &Prepared, rows: u32) -> u128 {
    let width = prepared.next.as_u128() - rotation.watermark.as_u128();
    let found = (prepared.moves.len() + prepared.stuck.len()).max(1) as u128;
    (width / found).saturating_mul(u128::from(rows) * 9 / 10).min(width.saturating_mul(FASTEST_GROWTH)).max(1)
}

async fn prepare(
    session: &mut Session,
    limit: u32,
    until: Option<Uuid>,
    keys: &SweepKeys,
    rotation: &Rotation,
) -> Result<Prepared, Error> {
    if let Some(next) = until {
        let (seen, rows, moves, stuck) = read(session, limit, until, keys, rotation).await?;
        if rows < limit {
            return Ok(Prepared { next, moves, stuck, read: Coverage::Whole(seen) });
        }
    }
    let (seen, rows, mut moves, mut stuck) = read(session, limit, None, keys, rotation).await?;
    if rows < limit {
        return Ok(Prepared { next: Uuid::max(), moves, stuck, read: Coverage::Whole(seen) });
    }
    // The limit may have cut the last value: it is left to the next range, unless it is a range by itself.
    let hashes = || moves.iter().map(|m| m.hash).chain(stuck.iter().map(|value| value.hash));
    let last = hashes().max().unwrap_or(Uuid::max());
    let before = hashes().filter(|hash| *hash < last).max();
    let next = before.unwrap_or(last);
    moves.retain(|m| m.hash <= next);
    stuck.retain(|value| value.hash <= next);
    // A value by itself may have more rows than were read.
    let read = if before.is_some() { Coverage::Whole(seen) } else { Coverage::Part };
    Ok(Prepared { next, moves, stuck, read })
}

/// Reads and re-encrypts: the snapshot, how many rows there were, and what becomes of them.
async fn read(
    session: &mut Session,
    limit: u32,
    until: Option<Uuid>,
    keys: &SweepKeys,
    rotation: &Rotation,
) -> Result<(Snapshot, u32, Vec<Move>, Vec<TokenGroup>), Error> {
    let (mut converter, mut converted, mut rows) = (Converter::new(keys, rotation)?, Converted::default(), 0);
    let each = |value| {
        rows += 1;
        converter.convert(value, &mut converted);
    };
    let seen = session.read_rows(rotation, until, limit.into(), each).await?;
    let (mut moves, stuck) = converted.into_parts();
    // Page by page, which is how they are written.
    moves.sort_unstable_by_key(|m| m.place);
    Ok((seen, rows, moves, stuck))
}

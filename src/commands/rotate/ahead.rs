//! Preparing: the range after the one that is being moved is read and re-encrypted meanwhile, on a connection of its own.
//!
//! Invariant: what is prepared is only ever moved from the watermark at which it was read.

use std::sync::Arc;

use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::db::{Move, Rotation, Session, Snapshot, Target, Value};
use crate::error::Error;
use crate::vault::{Converted, Converter, SweepKeys};

/// A range, ready to be moved.
pub(super) struct Prepared {
    /// Its end; it begins after the rotation's watermark.
    pub next: Uuid,
    /// What its rows get.
    pub moves: Vec<Move>,
    /// What does not open.
    pub stuck: Vec<Value>,
    /// Taken before all rows of the range were read; nothing, if there are more than were read.
    pub seen: Option<Snapshot>,
}

/// After few rows, the next range is at most so many times as wide.
const FASTEST_GROWTH: u128 = 16;

type Preparing = JoinHandle<Result<(Session, Prepared), Error>>;

/// Prepares one range at a time.
pub(super) struct Ahead {
    target: Target,
    /// Rows of a range, unless a single value has more.
    rows: u32,
    /// How wide a range is expected to have them: hashes are spread evenly, so the last one tells.
    width: Option<u128>,
    pub keys: Arc<SweepKeys>,
    session: Option<Session>,
    under_way: Option<(Rotation, Preparing)>,
}

impl Ahead {
    pub(super) fn new(target: Target, rows: u32, keys: SweepKeys) -> Self {
        Self { target, rows, width: None, keys: Arc::new(keys), session: None, under_way: None }
    }

    /// Begins to prepare the range at the watermark of `rotation`, unless that is what is being prepared.
    pub(super) fn begin(&mut self, rotation: Rotation) {
        if self.under_way.as_ref().is_some_and(|(of, _)| *of == rotation) {
            return;
        }
        if let Some((_, other)) = self.under_way.take() {
            other.abort();
        }
        let (target, rows, keys, session) = (self.target.clone(), self.rows, Arc::clone(&self.keys), self.session.take());
        let until = self.width.map(|width| Uuid::from_u128(rotation.watermark.as_u128().saturating_add(width)));
        let task = tokio::spawn(async move {
            let mut session = match session {
                Some(session) => session,
                None => target.connect().await?,
            };
            let prepared = prepare(&mut session, rows, until, &keys, &rotation).await?;
            Ok((session, prepared))
        });
        self.under_way = Some((rotation, task));
    }

    /// The range at the watermark of `rotation`.
    ///
    /// # Errors
    /// When the database is gone, or a key is missing; the next call tries again.
    pub(super) async fn take(&mut self, rotation: Rotation) -> Result<Prepared, Error> {
        self.begin(rotation);
        let Some((_, task)) = self.under_way.take() else { return Err(Error::Panicked) };
        let (session, prepared) = task.await.map_err(|_| Error::Panicked)??;
        self.session = Some(session);
        self.width = Some(self.width_after(&rotation, &prepared));
        Ok(prepared)
    }

    /// The width for nine tenths of the rows, as a range with more than all of them would have to be read again.
    fn width_after(&self, rotation: &Rotation, prepared: &Prepared) -> u128 {
        let width = prepared.next.as_u128() - rotation.watermark.as_u128();
        let rows = (prepared.moves.len() + prepared.stuck.len()).max(1) as u128;
        (width / rows).saturating_mul(u128::from(self.rows) * 9 / 10).min(width.saturating_mul(FASTEST_GROWTH)).max(1)
    }

    /// Waits until what is being prepared is ready.
    pub(super) async fn settle(&mut self) {
        while self.under_way.as_ref().is_some_and(|(_, task)| !task.is_finished()) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.under_way {
            task.abort();
        }
    }
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
            return Ok(Prepared { next, moves, stuck, seen: Some(seen) });
        }
    }
    let (seen, rows, mut moves, mut stuck) = read(session, limit, None, keys, rotation).await?;
    if rows < limit {
        return Ok(Prepared { next: Uuid::max(), moves, stuck, seen: Some(seen) });
    }
    // The limit may have cut the last value: it is left to the next range, unless it is a range by itself.
    let hashes = || moves.iter().map(|m| m.hash).chain(stuck.iter().map(|value| value.hash));
    let last = hashes().max().unwrap_or(Uuid::max());
    let before = hashes().filter(|hash| *hash < last).max();
    let next = before.unwrap_or(last);
    moves.retain(|m| m.hash <= next);
    stuck.retain(|value| value.hash <= next);
    Ok(Prepared { next, moves, stuck, seen: before.map(|_| seen) })
}

/// Reads and re-encrypts: the snapshot, how many rows there were, and what becomes of them.
async fn read(
    session: &mut Session,
    limit: u32,
    until: Option<Uuid>,
    keys: &SweepKeys,
    rotation: &Rotation,
) -> Result<(Snapshot, u32, Vec<Move>, Vec<Value>), Error> {
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

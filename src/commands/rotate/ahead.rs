//! Preparing: the range after the one that is being moved is read and re-encrypted meanwhile, on a connection of its own.
//!
//! Invariant: what is prepared is only ever moved from the watermark at which it was read.

use std::pin::pin;
use std::sync::Arc;

use futures_util::stream::TryStreamExt as _;
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

type Preparing = JoinHandle<Result<(Session, Prepared), Error>>;

/// Prepares one range at a time.
pub(super) struct Ahead {
    target: Target,
    /// Rows of a range, unless a single value has more.
    rows: u32,
    pub keys: Arc<SweepKeys>,
    session: Option<Session>,
    under_way: Option<(Rotation, Preparing)>,
}

impl Ahead {
    pub(super) fn new(target: Target, rows: u32, keys: SweepKeys) -> Self {
        Self { target, rows, keys: Arc::new(keys), session: None, under_way: None }
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
        let task = tokio::spawn(async move {
            let session = match session {
                Some(session) => session,
                None => target.connect().await?,
            };
            let prepared = prepare(&session, rows, &keys, &rotation).await?;
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
        Ok(prepared)
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

async fn prepare(session: &Session, limit: u32, keys: &SweepKeys, rotation: &Rotation) -> Result<Prepared, Error> {
    let (mut converter, mut converted) = (Converter::new(keys, rotation)?, Converted::default());
    let (seen, rows) = session.next_rows(rotation, limit.into()).await?;
    let (mut rows, mut count, mut last) = (pin!(rows), 0, Uuid::nil());
    while let Some(row) = rows.try_next().await? {
        (count, last) = (count + 1, row.hash);
        converter.convert(row, &mut converted);
    }
    let Converted { mut moves, mut stuck } = converted;
    let (mut next, mut is_whole) = (Uuid::max(), true);
    if count == limit {
        // The limit may have cut the last value: it is left to the next range, unless it is a range by itself.
        let before = moves.iter().map(|m| m.hash).chain(stuck.iter().map(|value| value.hash)).filter(|hash| *hash < last).max();
        is_whole = before.is_some();
        next = before.unwrap_or(last);
        moves.retain(|m| m.hash <= next);
        stuck.retain(|value| value.hash <= next);
    }
    // Page by page, which is how they are written.
    moves.sort_unstable_by_key(|m| m.place);
    Ok(Prepared { next, moves, stuck, seen: is_whole.then_some(seen) })
}

//! Preparing: ranges are read and re-encrypted while another one is moved, on a
//! connection of their own.
//!
//! Invariant: what is prepared is only ever moved from the watermark at
//! which it was read.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::ranges::{Prepared, RangeReader, RangeRows, Ranges};
use crate::db::{Rotation, Session, Target};
use crate::error::Error;
use crate::vault::{Converted, Converter, SweepKeys};

/// Prepares one range after the other, one ahead of the one that is being moved.
pub(super) struct Ahead {
    target: Target,
    /// Rows of a range, unless a single value has more.
    rows: u32,
    pub keys: Arc<SweepKeys>,
    under_way: Option<Preparing>,
}

struct Preparing {
    /// Where the next range begins.
    from: Rotation,
    /// Each word lets it prepare one range.
    wanted: mpsc::Sender<()>,
    ready: mpsc::Receiver<Result<Prepared, Error>>,
    /// The next range, if somebody waited for it before it was needed.
    settled: Option<Result<Prepared, Error>>,
    task: JoinHandle<()>,
}

impl Preparing {
    /// The next range; while it is being moved, the one after it is prepared.
    async fn next(&mut self) -> Result<Prepared, Error> {
        let prepared = match self.settled.take() {
            Some(prepared) => prepared?,
            None => self.ready.recv().await.ok_or(Error::Panicked)??,
        };
        // It is not known yet whether this range will be moved. If another process moves
        // the watermark elsewhere, `take` finds that it is not `from`, and begins anew.
        self.from.watermark = prepared.next;
        // It has ended, if this was the last range.
        let _ = self.wanted.try_send(());
        Ok(prepared)
    }
}

impl Ahead {
    pub(super) fn new(target: Target, rows: u32, keys: SweepKeys) -> Self {
        Self { target, rows, keys: Arc::new(keys), under_way: None }
    }

    /// Whether the range at the watermark of `rotation` is yet to be
    /// read, and all after it.
    pub(super) fn begins_anew(&self, rotation: &Rotation) -> bool {
        self.under_way.as_ref().is_none_or(|preparing| preparing.from != *rotation)
    }

    /// Lets go of what is prepared, because a fault may have made it stale.
    pub(super) fn forget(&mut self) {
        self.under_way = None;
    }

    /// The range at the watermark of `rotation`; those after it are being prepared from
    /// now on.
    ///
    /// # Errors
    /// When the database is gone, or a key is missing; the next call tries again.
    pub(super) async fn take(&mut self, rotation: Rotation) -> Result<Prepared, Error> {
        let mut preparing = match self.under_way.take() {
            Some(preparing) if preparing.from == rotation => preparing,
            _ => self.begin(rotation),
        };
        let prepared = preparing.next().await?;
        self.under_way = Some(preparing);
        Ok(prepared)
    }

    fn begin(&self, from: Rotation) -> Preparing {
        let (target, rows, keys) = (self.target.clone(), self.rows, Arc::clone(&self.keys));
        // One range ahead and no more: the longer a prepared range lies, the surer
        // somebody writes into it, and then its step must look a second time.
        let ((wanted, next_wanted), (sender, ready)) = (mpsc::channel(1), mpsc::channel(1));
        // The first range is wanted at once; the channel is empty yet, so
        // that there is room.
        let _ = wanted.try_send(());
        let task = tokio::spawn(async move {
            if let Err(error) = prepare_all(&target, rows, &keys, from, next_wanted, &sender).await
            {
                // Nobody waits for it any more, if it cannot be sent.
                let _ = sender.send(Err(error)).await;
            }
        });
        Preparing { from, wanted, ready, settled: None, task }
    }

    /// Waits until what is being prepared is ready, and lets nothing more be prepared.
    pub(super) async fn settle(&mut self) {
        if let Some(preparing) =
            self.under_way.as_mut().filter(|preparing| preparing.settled.is_none())
        {
            preparing.settled = preparing.ready.recv().await;
        }
    }
}

impl Drop for Preparing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All ranges from the watermark to the end, each when it is wanted, on a connection of
/// its own.
async fn prepare_all(
    target: &Target,
    rows: u32,
    keys: &SweepKeys,
    from: Rotation,
    mut wanted: mpsc::Receiver<()>,
    ready: &mpsc::Sender<Result<Prepared, Error>>,
) -> Result<(), Error> {
    let mut reader = Reader { session: target.connect().await?, keys, rotation: from };
    let mut ranges = Ranges::after(from.watermark, rows);
    while !ranges.is_through() && wanted.recv().await.is_some() {
        let Ok(()) = ready.send(Ok(ranges.prepare_next(&mut reader).await?)).await else { break };
    }
    Ok(())
}

/// Reads the rows of a rotation and re-encrypts them.
struct Reader<'a> {
    session: Session,
    keys: &'a SweepKeys,
    rotation: Rotation,
}

impl RangeReader for Reader<'_> {
    async fn read(
        &mut self,
        after: Uuid,
        until: Option<Uuid>,
        limit: u32,
    ) -> Result<RangeRows, Error> {
        let rotation = Rotation { watermark: after, ..self.rotation };
        let (mut converter, mut converted, mut rows) =
            (Converter::new(self.keys, &rotation)?, Converted::default(), 0);
        let each = |value| {
            rows += 1;
            converter.convert(value, &mut converted);
        };
        let seen = self.session.read_rows(&rotation, until, limit.into(), each).await?;
        let (mut moves, stuck) = converted.into_parts();
        // Page by page, which is how they are written.
        moves.sort_unstable_by_key(|m| m.place);
        Ok(RangeRows { seen, rows, moves, stuck })
    }
}

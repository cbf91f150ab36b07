//! Last stage: delete messages whose effect is committed. What the queue answers is no evidence of anything.
//!
//! Invariant: nothing reaches this stage before its transaction is committed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::run::Run;
use crate::queue::{BATCH, Receipt};

/// How often a delete is tried. A message that stays is delivered again and recognised.
const TRIES: u32 = 4;

/// Deletes in tens until the writers have ended and nothing is left.
pub async fn delete_committed(run: Arc<Run>, committed: Arc<Mutex<mpsc::Receiver<Receipt>>>) {
    loop {
        let mut receipts = Vec::with_capacity(BATCH);
        if committed.lock().await.recv_many(&mut receipts, BATCH).await == 0 {
            return;
        }
        run.deadline.run_until_cancelled(delete(&run, receipts.clone())).await;
        run.held.let_go(&receipts);
        run.tally.released(receipts.len());
    }
}

async fn delete(run: &Run, mut receipts: Vec<Receipt>) {
    let mut pause = Duration::from_millis(100);
    for left in (0..TRIES).rev() {
        match run.queue.delete(&receipts).await {
            Ok((gone, refused)) => {
                run.tally.deleted(gone);
                receipts = refused;
            }
            Err(error) if error.is_temporary() => tracing::debug!(%error, "deleting failed"),
            // It would fail for ever, and the same messages come again and again.
            Err(error) => return run.fail(error.into()),
        }
        if receipts.is_empty() {
            return;
        }
        if left > 0 {
            tokio::time::sleep(pause).await;
            pause *= 3;
        }
    }
    tracing::warn!(messages = receipts.len(), "loaded messages could not be deleted; they will come again and be recognised");
}

//! Last stage: delete messages whose effect is committed. What the queue answers is no evidence of anything.
//!
//! Invariant: nothing reaches this stage before its transaction is committed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::run::Run;
use crate::queue::{BATCH, ReceiptHandle};

/// How often a delete is tried. A message that stays is delivered again and recognised.
const TRIES: u32 = 4;

/// Deletes in tens until the writers have ended and nothing is left.
pub(super) async fn delete_committed(run: Arc<Run>, committed: Arc<Mutex<mpsc::Receiver<ReceiptHandle>>>) {
    loop {
        let mut handles = Vec::with_capacity(BATCH);
        if committed.lock().await.recv_many(&mut handles, BATCH).await == 0 {
            return;
        }
        run.stop.before_deadline(delete(&run, handles.clone())).await;
        run.held.let_go(&handles);
        run.tally.count_released(handles.len());
    }
}

async fn delete(run: &Run, mut handles: Vec<ReceiptHandle>) {
    let mut pause = Duration::from_millis(100);
    for left in (0..TRIES).rev() {
        match run.queue.delete(&handles).await {
            Ok((gone, refused)) => {
                run.tally.count_deleted(gone);
                handles = refused;
            }
            Err(error) if error.retry().may_help() => tracing::debug!(%error, "deleting failed"),
            // It would fail for ever, and the same messages come again and again.
            Err(error) => return run.fail(error.into()),
        }
        if handles.is_empty() {
            return;
        }
        if left > 0 {
            tokio::time::sleep(pause).await;
            pause *= 3;
        }
    }
    tracing::warn!(messages = handles.len(), "loaded messages could not be deleted; they will come again and be recognised");
}

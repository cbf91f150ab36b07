//! Last stage: end what is committed at its source. What the source answers is no
//! evidence of anything.
//!
//! Invariant: nothing reaches this stage before its transaction is committed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::run::Run;
use super::source::Source;
use crate::error::Error;

/// How often it is tried. A message that stays is delivered again and recognised.
const TRIES: u32 = 4;

/// Acknowledges until the writers have ended and nothing is left.
pub(super) async fn acknowledge_committed<S: Source>(
    run: Arc<Run<S>>,
    committed: Arc<Mutex<mpsc::Receiver<S::Handle>>>,
) {
    let at_once = run.source.facts().at_once();
    loop {
        let mut handles = Vec::with_capacity(at_once);
        if committed.lock().await.recv_many(&mut handles, at_once).await == 0 {
            return;
        }
        run.ending.stop.before_deadline(acknowledge(&run, handles.clone())).await;
        run.held.let_go(&handles);
        run.watch.tally.count_released(handles.len());
    }
}

async fn acknowledge<S: Source>(run: &Run<S>, mut handles: Vec<S::Handle>) {
    let mut pause = Duration::from_millis(100);
    for left in (0..TRIES).rev() {
        match run.source.acknowledge(&handles).await.map_err(Error::from) {
            Ok(refused) => {
                run.watch.tally.count_deleted(handles.len().saturating_sub(refused.len()));
                handles = refused;
            }
            Err(error) => {
                run.watch.faults.note(&error);
                if !error.retry().may_help() {
                    // It would fail for ever, and the same messages come again and again.
                    return run.ending.give_up(error);
                }
                tracing::debug!(%error, "deleting failed");
            }
        }
        if handles.is_empty() {
            return;
        }
        if left > 0 {
            tokio::time::sleep(pause).await;
            pause *= 3;
        }
    }
    tracing::warn!(
        messages = handles.len(),
        "loaded messages could not be deleted; they will come again and be recognised"
    );
}

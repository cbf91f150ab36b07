//! All stages of a run, from the first poll to the last word to the source.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::acknowledge::acknowledge_committed;
use super::intake::Intake;
use super::lookup::look_again;
use super::parcel::Parcel;
use super::receive::Fleet;
use super::run::Run;
use super::source::Source;
use super::write::Writer;

/// Loads until the source has no more, or the run is stopped.
pub(crate) async fn load<S: Source>(run: &Arc<Run<S>>) {
    let (facts, options) = (run.source.facts(), run.options);
    let batch = if S::Parcel::IS_BATCHED { options.batch_rows } else { 1 };
    let (handed_on, in_hand) = mpsc::channel(if S::Parcel::IS_BATCHED { 2 * batch } else { 1 });
    let (committed, to_acknowledge) = mpsc::channel(4 * batch);
    // A chunk comes of a file whose beginning was looked at before.
    let is_trusted = options.quarantine_from_start || !S::Parcel::IS_BATCHED;
    let in_hand = Arc::new(Mutex::new(Intake::new(in_hand, is_trusted)));
    let to_acknowledge = Arc::new(Mutex::new(to_acknowledge));
    let [receivers, writers, acknowledgers, beside] = [(); 4].map(|()| TaskTracker::new());
    let done = CancellationToken::new();

    Fleet::start(run, &receivers, handed_on);
    for _ in 0..facts.writers {
        run.spawn(&writers, Writer::new(run, &in_hand, committed.clone()).write_batches());
    }
    for _ in 0..facts.receivers.div_ceil(4) * 5 {
        run.spawn(
            &acknowledgers,
            acknowledge_committed(Arc::clone(run), Arc::clone(&to_acknowledge)),
        );
    }
    run.spawn(&beside, keep_alive(Arc::clone(run), done.clone()));
    run.spawn(&beside, Arc::clone(run).watch_depth(done.clone()));
    run.spawn(&beside, look_again(Arc::clone(run), done.clone()));
    // The workers alone hold the ends of the channels: a stage whose next
    // one is gone notices.
    drop((in_hand, to_acknowledge, committed));

    wait_until_ended(receivers).await;
    run.give_back_unwanted().await;
    wait_until_ended(writers).await;
    wait_until_ended(acknowledgers).await;
    done.cancel();
    wait_until_ended(beside).await;
}

async fn wait_until_ended(stage: TaskTracker) {
    stage.close();
    stage.wait().await;
}

async fn keep_alive<S: Source>(run: Arc<Run<S>>, done: CancellationToken) {
    run.held.keep_alive(&run.source, &run.watch.faults, &done).await;
}

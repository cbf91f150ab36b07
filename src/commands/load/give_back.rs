//! Giving messages back: visible to others at once, tried for as long as a stop has time for it.
//!
//! Invariant: what cannot be given back is told, and comes back by its timeout.

use std::time::Duration;

use futures_util::future::join_all;

use super::held::CALLS_AT_ONCE;
use crate::aws::CallError;
use crate::queue::{BATCH, Queue, ReceiptHandle};

/// How often giving back is tried, and how long after each try: two and a half seconds in all.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(350);

/// Gives messages back, however many; `taken` is told of each answer how many the queue took.
///
/// # Errors
/// When the last try failed for some of them. Those that the queue itself refused are no failure: they are visible
/// already, or become so at their time.
pub(super) async fn give_back(queue: &Queue, handles: &[ReceiptHandle], taken: impl Fn(usize)) -> Result<(), CallError> {
    let mut result = Ok(());
    for many in handles.chunks(BATCH * CALLS_AT_ONCE) {
        let tens = many.chunks(BATCH).map(|ten| give_back_ten(queue, ten.to_vec(), &taken));
        result = join_all(tens).await.into_iter().fold(result, Result::and);
    }
    result
}

async fn give_back_ten(queue: &Queue, mut ten: Vec<ReceiptHandle>, taken: &impl Fn(usize)) -> Result<(), CallError> {
    let mut last = Ok(());
    for tries_left in (0..TRIES).rev() {
        last = match queue.change_visibility(&ten, Duration::ZERO).await {
            Ok(refused) => {
                taken(ten.len() - refused.len());
                ten = refused;
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, messages = ten.len(), "giving back failed");
                Err(error)
            }
        };
        if ten.is_empty() {
            return Ok(());
        }
        if tries_left > 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    tracing::warn!(messages = ten.len(), "messages could not be given back; they come back by their timeout");
    last
}

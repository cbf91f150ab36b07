//! Giving parcels back: visible to others at once, tried for as long as a stop has time
//! for it.
//!
//! Invariant: what cannot be given back is told, and comes back by its lease.

use std::time::Duration;

use futures_util::future::join_all;

use super::CALLS_AT_ONCE;
use super::source::Source;
use crate::error::Error;

/// How often giving back is tried, and how long after each try: two and a
/// half seconds in all.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(350);

/// Gives parcels back, however many; `taken` is told of each answer how
/// many the source took.
///
/// # Errors
/// When the last try failed for some of them. Those that the source itself refused are no
/// failure: they are visible already, or become so at their time.
pub(crate) async fn give_back<S: Source>(
    source: &S,
    handles: &[S::Handle],
    taken: impl Fn(usize),
) -> Result<(), Error> {
    let (at_once, mut result) = (source.facts().at_once(), Ok(()));
    for many in handles.chunks(at_once * CALLS_AT_ONCE) {
        let calls = many.chunks(at_once).map(|some| give_back_some(source, some.to_vec(), &taken));
        result = join_all(calls).await.into_iter().fold(result, Result::and);
    }
    result
}

async fn give_back_some<S: Source>(
    source: &S,
    mut some: Vec<S::Handle>,
    taken: &impl Fn(usize),
) -> Result<(), Error> {
    let mut last = Ok(());
    for tries_left in (0..TRIES).rev() {
        last = match source.give_back(&some).await.map_err(Error::from) {
            Ok(refused) => {
                taken(some.len().saturating_sub(refused.len()));
                some = refused;
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, messages = some.len(), "giving back failed");
                Err(error)
            }
        };
        if some.is_empty() {
            return Ok(());
        }
        if tries_left > 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    tracing::warn!(
        messages = some.len(),
        "messages could not be given back; they come back by their timeout"
    );
    last
}

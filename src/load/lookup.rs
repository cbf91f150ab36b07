//! What a run looks up now and then for whoever watches it: the schema, the keys, the
//! quarantine, the dead-letter queue.
//!
//! Invariant: the run never waits for it, and nothing is told that was not just seen;
//! what cannot be looked up is left out, and one log line says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::run::Run;
use super::source::Source;
use super::survey::Survey;
use crate::db::{DbError, Target};
use crate::error::Error;

/// A look takes no longer; services that hang are told by others.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// What could not be looked up the last time, so that it is said once.
#[derive(Default)]
struct Troubles {
    database: bool,
    dead_letters: bool,
}

/// Looks again and again, where somebody wants to know.
pub(super) async fn look_again<S: Source>(run: Arc<Run<S>>, done: CancellationToken) {
    let Some(every) = run.options.survey_every else { return };
    let (mut survey, mut troubles) = (Survey::default(), Troubles::default());
    while done.run_until_cancelled(look(&run, &mut survey, &mut troubles)).await.is_some() {
        run.watch.note_survey(survey.clone());
        done.run_until_cancelled(tokio::time::sleep(every)).await;
    }
}

async fn look<S: Source>(run: &Run<S>, survey: &mut Survey, troubles: &mut Troubles) {
    (survey.schema_version, survey.quarantined) = (None, None);
    let read = timeout(LONGEST_LOOK, read(&run.target, survey)).await;
    let mute = |_| DbError::Lost { action: "looking at schema, keys and quarantine" };
    let read = read.map_err(mute).flatten();
    if let Err(error) = &read
        && !troubles.database
    {
        tracing::warn!(%error, "schema, keys and quarantine could not all be looked up; what \
                                lacks is left out of the metrics");
    }
    troubles.database = read.is_err();
    let asked = timeout(LONGEST_LOOK, run.source.dead_letters()).await;
    let Ok(asked) = asked.map(|answer| answer.map_err(Error::from)) else {
        survey.dead_letters = None;
        return;
    };
    if let Err(error) = &asked
        && !troubles.dead_letters
    {
        tracing::warn!(%error, "the dead-letter queue cannot be asked for its depth, which is \
                                left out of the metrics");
    }
    troubles.dead_letters = asked.is_err();
    survey.dead_letters = asked.ok().flatten();
}

/// By a connection of its own, which ends at once: a loader keeps none that it does not
/// load by.
async fn read(target: &Target, survey: &mut Survey) -> Result<(), DbError> {
    let session = target.connect().await?;
    survey.schema_version = Some(session.schema_version().await?);
    let keys = session.key_lines().await?;
    survey.made_at.extend(keys.into_iter().map(|key| (key.key_id, key.created_at)));
    survey.quarantined = Some(session.quarantine_depth().await?);
    Ok(())
}

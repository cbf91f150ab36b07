//! The sweep: values in the order of their hashes, read and re-encrypted beside the
//! fence, moved under it.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Rotating;
use super::ahead::Ahead;
use super::patience::SweepPatience;
use super::ranges::Prepared;
use super::report::Unopened;
use crate::db::{Growth, LastSteps, Look, Move, Rotation, RowChange, Step, TokenGroup};
use crate::error::Error;
use crate::output::{self, Progress};
use crate::retry::Retry;
use crate::token::KeyId;
use crate::vault::{Converted, Converter, SweepKeys, VaultError};

/// At most this many values that do not open are named.
const NAMED: usize = 1_000;

impl Rotating {
    /// Takes every unfinished rotation to its end.
    pub(super) async fn sweep_all(&mut self, keys: SweepKeys) -> Result<(), Error> {
        let mut progress = output::shows_progress().then(Pace::start);
        let step_rows = match self.step_rows {
            Some(rows) => rows,
            // If the server cannot tell, the first step finds out why.
            None => self.session.rows_of_a_step().await.unwrap_or(Step::FEWEST_ROWS),
        };
        // Where triggers of others run, a step looks at its rows three more times. A
        // smaller step keeps loaders waiting less.
        let is_watched = self
            .session
            .row_triggers(RowChange::Update)
            .await
            .is_ok_and(|triggers| !triggers.is_empty());
        let step_rows = if is_watched { step_rows.div_ceil(5) } else { step_rows };
        let mut ahead = Ahead::new(self.target.clone(), step_rows, keys);
        let (mut patience, mut unknown): (_, Option<KeyId>) = (SweepPatience::default(), None);
        while let Some(rotation) = self.current().await? {
            if self.stop.is_asked() {
                return Err(Error::StoppedBySignal);
            }
            if let Some(progress) = &mut progress {
                progress.show(&rotation, self.done.rows_moved);
            }
            let started = Instant::now();
            match self.step(&mut ahead, rotation, &mut patience).await {
                Ok(()) => {
                    let worked = started.elapsed().saturating_sub(patience.time_waited());
                    patience.renew();
                    self.pause(worked).await;
                }
                // Another process ended this rotation, and the next one has other keys.
                Err(Error::Vault(VaultError::Unreadable(key))) if unknown != Some(key) => {
                    unknown = Some(key);
                    let keys = SweepKeys::unwrap_all(&self.session, &self.kms).await?;
                    ahead = Ahead::new(self.target.clone(), step_rows, keys);
                }
                Err(error) => {
                    ahead.forget();
                    patience.bear(error).await?;
                }
            }
        }
        Ok(())
    }

    /// The rotation whose sweep is not through.
    async fn current(&mut self) -> Result<Option<Rotation>, Error> {
        loop {
            match self.session.rotations().await {
                Ok(rotations) => {
                    return Ok(rotations
                        .into_iter()
                        .find(|rotation| rotation.watermark < Uuid::max()));
                }
                Err(error) if error.retry().may_help() && !self.stop.is_asked() => {
                    tracing::warn!(%error, "waiting for the database");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One range, prepared while loaders go on and moved while they wait. The one after
    /// it is prepared meanwhile.
    async fn step(
        &mut self,
        ahead: &mut Ahead,
        rotation: Rotation,
        patience: &mut SweepPatience,
    ) -> Result<(), Error> {
        if ahead.begins_anew(&rotation) {
            self.last_steps = LastSteps::default();
        }
        let prepared = ahead.take(rotation).await?;
        loop {
            match self.move_range(&ahead.keys, rotation, &prepared).await {
                Err(error) if error.retry() == Retry::Now => {
                    patience.wait_for_the_fence(&self.session).await?
                }
                // Somebody's trigger may have raised it: then it is named.
                Err(Error::Db(error)) => {
                    return Err(self.session.with_suspects(error, RowChange::Update).await.into());
                }
                other => break other?,
            }
        }
        // What is prepared meanwhile is work too, of which `--duty` knows.
        if self.duty < 100 {
            ahead.settle().await;
        }
        Ok(())
    }

    async fn move_range(
        &mut self,
        keys: &SweepKeys,
        rotation: Rotation,
        prepared: &Prepared,
    ) -> Result<(), Error> {
        let Prepared { next, moves, stuck, read } = prepared;
        let mut step = self.session.begin_step(rotation, *next).await?;
        let Look { growth, has_triggers } = step.look(read, &mut self.last_steps).await?;
        let mut outcome = Moved { rows: 0, stuck: stuck.clone() };
        if has_triggers {
            outcome = move_watched(&step, keys, &rotation).await?;
        } else {
            outcome.rows = step.move_placed(moves).await?;
            // The second look. The range was read beside the fence: loaders may have
            // added rows since, the limit may have cut some off, others may lie
            // elsewhere by now. If every row was still in its place and nobody else
            // can have written, there is nothing to find, and loaders wait no longer
            // than for the update.
            if outcome.rows != moves.len() as u64 || growth == Growth::Possible {
                let (more, left) = convert(keys, &rotation, step.read_left().await?)?;
                if !more.is_empty() {
                    outcome.rows += step.move_values(&more).await?;
                    require_none_left(&step, keys, &rotation).await?;
                }
                outcome.stuck = left;
            }
        }
        // Rows that a policy hides look as if they had been moved. The watermark must not
        // pass them.
        step.require_sight().await?;
        if step.commit().await? {
            self.done.rows_moved += outcome.rows;
            self.note_stuck(rotation, outcome.stuck);
        }
        Ok(())
    }

    fn note_stuck(&mut self, rotation: Rotation, stuck: Vec<TokenGroup>) {
        let room = NAMED.saturating_sub(self.done.not_opened.len());
        let what = rotation.field.name();
        let named = stuck.into_iter().take(room).map(|value| Unopened {
            what,
            which: value.hash.to_string(),
            rows: value.rows,
        });
        self.done.not_opened.extend(named);
    }

    /// Leaves the rest of the time to others.
    async fn pause(&self, worked: Duration) {
        let pause = worked * (100 - self.duty) / self.duty;
        self.stop.unless_asked(tokio::time::sleep(pause)).await;
    }
}

/// What a step has done.
struct Moved {
    rows: u64,
    stuck: Vec<TokenGroup>,
}

/// A range on whose rows triggers of others run: all of it is looked up under the fence,
/// and compared with what was there when they have run.
async fn move_watched(
    step: &Step<'_>,
    keys: &SweepKeys,
    rotation: &Rotation,
) -> Result<Moved, Error> {
    let (moves, stuck) = convert(keys, rotation, step.read_left().await?)?;
    step.remember(&moves).await?;
    let rows = if moves.is_empty() { 0 } else { step.move_values(&moves).await? };
    step.run_deferred_triggers().await?;
    if !step.are_as_remembered(&moves).await? {
        let what = format!("{rows} rows got a new token, and fewer or other rows stand there now");
        return Err(step.explain_swallowed(what).await?.into());
    }
    require_none_left(step, keys, rotation).await?;
    Ok(Moved { rows, stuck })
}

/// A row that was deleted meanwhile is gone at the second look. A row that still stands
/// there under its old token, though that opens, was kept from its new one.
async fn require_none_left(
    step: &Step<'_>,
    keys: &SweepKeys,
    rotation: &Rotation,
) -> Result<(), Error> {
    let (still, _) = convert(keys, rotation, step.read_left().await?)?;
    if still.is_empty() {
        return Ok(());
    }
    Err(step
        .explain_swallowed(format!("{} values keep their old token", still.len()))
        .await?
        .into())
}

/// What becomes of values that are under another key than the new one: those that open
/// are moved, the others stay.
fn convert(
    keys: &SweepKeys,
    rotation: &Rotation,
    values: Vec<TokenGroup>,
) -> Result<(Vec<Move>, Vec<TokenGroup>), Error> {
    let (mut converter, mut converted) = (Converter::new(keys, rotation)?, Converted::default());
    values.into_iter().for_each(|value| converter.convert(value, &mut converted));
    Ok(converted.into_parts())
}

/// The progress line of a sweep.
struct Pace {
    progress: Progress,
    begun: Instant,
    /// Where the sweep of the present field was when this process came to it, and when.
    since: Option<(Rotation, Instant)>,
}

impl Pace {
    fn start() -> Self {
        Self { progress: Progress::start(), begun: Instant::now(), since: None }
    }

    /// Hashes are spread evenly, so the watermark tells how much is done.
    fn show(&mut self, rotation: &Rotation, rows: u64) {
        let share = |uuid: Uuid| uuid.as_u128() as f64 / u128::MAX as f64;
        let known = self
            .since
            .filter(|(known, _)| known.field == rotation.field && known.to_key == rotation.to_key);
        let (first, at) = *self.since.insert(known.unwrap_or((*rotation, Instant::now())));
        let (done, before) = (share(rotation.watermark), share(first.watermark));
        let rate = rows as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        let left = if done > before {
            format!("{:.0} s left", at.elapsed().as_secs_f64() * (1.0 - done) / (done - before))
        } else {
            "estimating".to_owned()
        };
        self.progress.show(format!(
            "{}: {:.1} %, {rows} rows, {rate:.0}/s, {left}",
            rotation.field,
            done * 100.0
        ));
    }
}

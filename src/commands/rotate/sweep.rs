//! The sweep: values in the order of their hashes, read and re-encrypted beside the fence, moved under it.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::patience::Patience;
use super::{NotOpened, Rotating};
use crate::db::{Move, Rotation, Value};
use crate::error::Error;
use crate::output::{self, Progress};
use crate::token::KeyId;
use crate::vault::{Converter, SweepKeys, VaultError};

/// Rows that a step moves, unless a single value has more.
const ROWS: i64 = 5_000;
/// Of what does not open, so much is named.
const NAMED: usize = 1_000;

impl Rotating {
    /// Takes every unfinished rotation to its end.
    pub(super) async fn sweep_all(&mut self, keys: &mut SweepKeys) -> Result<(), Error> {
        let progress = output::stderr_is_terminal().then(Progress::start);
        let (mut patience, begun) = (Patience::default(), Instant::now());
        let (mut first, mut unknown): (Option<Rotation>, Option<KeyId>) = (None, None);
        while let Some(rotation) = self.current().await? {
            if self.stop.is_cancelled() {
                return Err(Error::StoppedBySignal);
            }
            let since = first.filter(|known| known.field == rotation.field).unwrap_or(rotation);
            first = Some(since);
            if let Some(progress) = &progress {
                progress.show(shown(&rotation, since.watermark, self.done.rows_moved, begun.elapsed()));
            }
            let started = Instant::now();
            match self.step(keys, rotation, &mut patience).await {
                Ok(()) => {
                    let worked = started.elapsed().saturating_sub(patience.waited());
                    patience.renew();
                    self.pause(worked).await;
                }
                // Another process ended this rotation, and the next one has other keys.
                Err(Error::Vault(VaultError::Unreadable(key))) if unknown != Some(key) => {
                    unknown = Some(key);
                    *keys = SweepKeys::unwrap(&self.session, &self.kms).await?;
                }
                Err(error) => {
                    patience.bear(error).await?;
                    if self.session.is_lost()
                        && let Ok(session) = self.target.connect().await
                    {
                        self.session = session;
                    }
                }
            }
        }
        Ok(())
    }

    /// The rotation whose sweep is not through.
    async fn current(&mut self) -> Result<Option<Rotation>, Error> {
        loop {
            match self.session.rotations().await {
                Ok(rotations) => return Ok(rotations.into_iter().find(|rotation| rotation.watermark < Uuid::max())),
                Err(error) if error.is_temporary() && !self.stop.is_cancelled() => {
                    tracing::warn!(%error, "waiting for the database");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if let Ok(session) = self.target.connect().await {
                        self.session = session;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One range: prepared while loaders go on, moved while they wait.
    async fn step(&mut self, keys: &SweepKeys, rotation: Rotation, patience: &mut Patience) -> Result<(), Error> {
        let mut converter = Converter::new(keys, &rotation)?;
        let values = self.session.next_values(&rotation, ROWS).await?;
        // After the last value, the step reaches to the end of all hashes.
        let is_last = values.iter().map(|value| value.rows).sum::<i64>() < ROWS;
        let next = if is_last { Uuid::max() } else { values.last().map_or(Uuid::max(), |value| value.hash) };
        let (moves, _) = converter.convert(values);
        loop {
            match self.move_range(&mut converter, rotation, next, &moves).await {
                Err(Error::Db(error)) if error.is_fence_taken() => patience.wait_for_the_fence(&self.session).await?,
                other => return other,
            }
        }
    }

    async fn move_range(
        &mut self,
        converter: &mut Converter<'_>,
        rotation: Rotation,
        next: Uuid,
        moves: &[Move],
    ) -> Result<(), Error> {
        let step = self.session.begin_step(rotation, next).await?;
        let mut moved = step.move_rows(moves).await?;
        // What loaders have added since, and what was cut off by the limit; and what does not open.
        let (added, stuck) = converter.convert(step.left().await?);
        if !added.is_empty() {
            moved += step.move_rows(&added).await?;
        }
        if step.commit().await? {
            self.done.rows_moved += moved;
            self.note_stuck(rotation, stuck);
        }
        Ok(())
    }

    fn note_stuck(&mut self, rotation: Rotation, stuck: Vec<Value>) {
        let room = NAMED.saturating_sub(self.done.not_opened.len());
        let what = rotation.field.name();
        let named = stuck.into_iter().take(room).map(|value| NotOpened { what, which: value.hash.to_string(), rows: value.rows });
        self.done.not_opened.extend(named);
    }

    /// Leaves the rest of the time to others.
    async fn pause(&self, worked: Duration) {
        let pause = worked * (100 - self.duty) / self.duty;
        self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// Hashes are spread evenly, so the watermark tells how much is done.
fn shown(rotation: &Rotation, since: Uuid, rows: u64, elapsed: Duration) -> String {
    let share = |uuid: Uuid| uuid.as_u128() as f64 / u128::MAX as f64;
    let (done, before) = (share(rotation.watermark), share(since));
    let seconds = elapsed.as_secs_f64();
    let rate = rows as f64 / seconds.max(0.001);
    let left = if done > before { seconds * (1.0 - done) / (done - before) } else { 0.0 };
    format!("{}: {:.1} %, {rows} rows, {rate:.0}/s, {left:.0} s left", rotation.field, done * 100.0)
}

//! Second stage: collect a batch, write it in one transaction, hand its handles on.
//!
//! Invariants: handles go on only after the commit; an unknown outcome is settled by
//! sending the same batch again; a row that the database refuses is found and
//! quarantined, the others are loaded.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout_at;

use super::health::Service;
use super::intake::{Intake, TOO_MANY};
use super::parcel::{InHand, Parcel};
use super::patience::Backoff;
use super::run::Run;
use super::source::Source;
use crate::db::{BatchAnswer, DbError, Session, SqlKind};
use crate::error::{Error, QUEUE};
use crate::vault::{Fit, Keyring, Masking};

const BATCH_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_millis(200);
/// How much longer it takes to write row by row: up to two statements each.
const LONGEST_SEARCH: Duration = Duration::from_secs(600);

/// What to do with a part of a batch after a try.
enum BatchAttempt {
    Committed,
    Again,
    Halve,
    /// A key has to be learnt first, with no transaction open.
    Learn(Arc<Keyring>),
}

/// One writer with its own connection.
pub(super) struct Writer<S: Source> {
    run: Arc<Run<S>>,
    in_hand: Arc<Mutex<Intake<S::Parcel>>>,
    committed: mpsc::Sender<S::Handle>,
    session: Session,
    masking: Masking,
    days: HashSet<Date>,
}

type Batch<S> = Vec<InHand<<S as Source>::Parcel>>;

/// A part of a batch, on its way.
struct Part<S: Source> {
    batch: Batch<S>,
    /// Whether the database has refused it, and it cannot be halved any more.
    is_refused: bool,
}

impl<S: Source> Part<S> {
    fn whole(batch: Batch<S>) -> Self {
        Self { batch, is_refused: false }
    }

    fn longest_write(&self) -> Duration {
        let longest = self
            .batch
            .iter()
            .map(|in_hand| in_hand.parcel.longest_write())
            .max()
            .unwrap_or_default();
        if self.is_refused { longest + LONGEST_SEARCH } else { longest }
    }
}

impl<S: Source> Writer<S> {
    /// A writer that has not connected yet.
    #[must_use]
    pub(super) fn new(
        run: &Arc<Run<S>>,
        in_hand: &Arc<Mutex<Intake<S::Parcel>>>,
        committed: mpsc::Sender<S::Handle>,
    ) -> Self {
        let session = run.target.session();
        let (masking, days) = Default::default();
        Self {
            run: Arc::clone(run),
            in_hand: Arc::clone(in_hand),
            committed,
            session,
            masking,
            days,
        }
    }

    /// Writes batches until the receivers have ended and nothing is left. Once the run
    /// has given up, gives back what comes.
    pub(super) async fn write_batches(mut self) {
        while let Some(batch) = self.collect().await {
            if self.run.ending.has_given_up() || self.is_over() {
                self.give_back([batch]).await;
            } else {
                self.write(batch).await;
            }
        }
    }

    /// The next batch: full, large, or 200 ms old. One writer collects
    /// while the others write.
    async fn collect(&self) -> Option<Batch<S>> {
        let mut in_hand = self.in_hand.lock().await;
        if let Some(reason) = in_hand.wait_for_common_rejection(&self.run.ending.stop).await {
            let (reason, looks_like) = (reason.code(), reason.looks_like());
            let what = if self.run.has_end() { "source" } else { QUEUE };
            self.run.ending.give_up(Error::RejectedFromStart {
                what,
                messages: TOO_MANY,
                reason,
                looks_like,
            });
        }
        let first = in_hand.next().await?;
        let linger = if self.run.ending.has_given_up() { Duration::ZERO } else { LINGER };
        let deadline = tokio::time::Instant::now() + linger;
        let most = if S::Parcel::IS_BATCHED { self.run.options.batch_rows } else { 1 };
        let mut bytes = first.parcel.bytes();
        let mut batch = vec![first];
        while batch.len() < most && bytes < BATCH_BYTES {
            let Ok(Some(next)) = timeout_at(deadline, in_hand.next()).await else { break };
            bytes += next.parcel.bytes();
            batch.push(next);
        }
        Some(batch)
    }

    /// Writes a batch; in halves where the database refuses one of its rows. What is
    /// committed is handed on at once.
    async fn write(&mut self, batch: Batch<S>) {
        self.count_in(&batch);
        let mut parts = vec![Part::<S>::whole(batch)];
        let mut patience = Backoff::default();
        let stop = self.run.ending.stop.clone();
        while let Some(mut part) = parts.pop() {
            let attempt = stop.before_deadline(self.write_part(&mut part, &mut patience)).await;
            match attempt.unwrap_or(Err(Error::Stopped)) {
                Ok(BatchAttempt::Committed) => self.hand_on(part.batch).await,
                Ok(BatchAttempt::Again | BatchAttempt::Learn(_)) => parts.push(part),
                Ok(BatchAttempt::Halve) => {
                    let right = part.batch.split_off(part.batch.len() / 2);
                    parts.extend([Part::whole(right), part]);
                }
                Err(error) => {
                    self.run.ending.give_up(error);
                    self.give_back(std::iter::once(part).chain(parts).map(|part| part.batch)).await;
                    return;
                }
            }
        }
    }

    /// Tries once, and says what to do next. A fault that may pass has been slept over.
    async fn write_part(
        &mut self,
        part: &mut Part<S>,
        patience: &mut Backoff,
    ) -> Result<BatchAttempt, Error> {
        let started = Instant::now();
        let mute = |_| Error::from(DbError::Lost { action: "writing a batch" });
        let tried = tokio::time::timeout(part.longest_write(), self.try_write(part)).await;
        let error = match tried.map_err(mute).flatten() {
            // Outside of the time that the database has: KMS unwraps it.
            Ok(BatchAttempt::Learn(known)) => match self.run.key_cache.refresh(&known).await {
                Ok(_) => return Ok(BatchAttempt::Again),
                Err(error) => error.into(),
            },
            Ok(attempt) => {
                let Run { watch, .. } = self.run.as_ref();
                watch.health.note(Service::Database, true);
                if matches!(attempt, BatchAttempt::Committed) {
                    watch.metrics.observe_batch(&part.batch, started.elapsed(), Timestamp::now());
                }
                return Ok(attempt);
            }
            Err(error) => error,
        };
        let refuses_data =
            matches!(&error, Error::Db(error) if error.sql_kind() == Some(SqlKind::Data));
        if refuses_data && part.batch.len() > 1 {
            tracing::debug!(%error, rows = part.batch.len(),
                "a row is refused; looking for it by halving");
            return Ok(BatchAttempt::Halve);
        }
        if refuses_data && !part.is_refused {
            tracing::debug!(%error, "refused as a whole");
            part.is_refused = true;
            return Ok(BatchAttempt::Again);
        }
        // Whatever the fault was: days may have been dropped, and after a failover the
        // server may be another one.
        self.days.clear();
        self.session.disconnect();
        if matches!(error, Error::Db(_)) {
            self.run.watch.health.note(Service::Database, false);
        }
        patience.bear(error, &self.run.watch.faults, &self.run.ending.stop).await?;
        Ok(BatchAttempt::Again)
    }

    /// One transaction: fence, guarded insert, commit. A refused batch is read, masked
    /// and inserted again under the fence; unless a key has to be learnt first.
    async fn try_write(&mut self, part: &mut Part<S>) -> Result<BatchAttempt, Error> {
        let Part { batch, is_refused } = part;
        self.make_days(batch).await?;
        let fenced = self.session.take_fence().await?;
        let mut answer = BatchAnswer::Refused;
        if !*is_refused {
            answer = S::Parcel::insert(&fenced, batch).await?;
        }
        if answer == BatchAnswer::Refused {
            let masker = match self.masking.fit(&self.run.key_cache, fenced.plan().await?)? {
                Fit::Same(masker) | Fit::Anew(masker) => masker,
                Fit::Unknown(known) => return Ok(BatchAttempt::Learn(known)),
            };
            batch
                .iter_mut()
                .try_for_each(|in_hand| in_hand.judge_again(masker, self.run.options.reading))?;
            answer = match batch.as_mut_slice() {
                [alone] if *is_refused => S::Parcel::insert_in_part(&fenced, alone, masker).await?,
                batch => S::Parcel::insert(&fenced, batch).await?,
            };
        }
        let BatchAnswer::Inserted { logins, rejections } = answer else {
            return Err(DbError::Invalid("rotation").into());
        };
        fenced.commit().await?;
        let events = batch.iter().map(|in_hand| in_hand.parcel.events()).sum();
        self.run.watch.tally.count_committed(events, logins, rejections);
        Ok(BatchAttempt::Committed)
    }

    /// Makes the days of the ledger that this writer has not met yet, and drops those
    /// that SQS cannot deliver any more.
    async fn make_days(&mut self, batch: &[InHand<S::Parcel>]) -> Result<(), Error> {
        for day in batch.iter().filter_map(|in_hand| in_hand.parcel.ledger_day()) {
            if !self.days.contains(&day) {
                self.session.ensure_day(day).await?;
                if let Err(error) = self.session.drop_old_days().await {
                    tracing::warn!(%error, "old days of the ledger stay for now");
                }
                self.days.insert(day);
            }
        }
        Ok(())
    }

    /// What comes without a handle is counted when it is written: what is not is as if it
    /// had not been read.
    fn count_in(&self, batch: &[InHand<S::Parcel>]) {
        for InHand { parcel, .. } in
            batch.iter().filter(|in_hand| in_hand.parcel.handle().is_none())
        {
            self.run.watch.tally.count_received(parcel.events());
        }
    }

    /// Whether the run has quarantined more than it may. This is asked where one more
    /// parcel, a chunk, could bring thousands.
    fn is_over(&self) -> bool {
        !S::Parcel::IS_BATCHED && self.run.is_poisoned()
    }

    async fn give_back(&self, batches: impl IntoIterator<Item = Batch<S>>) {
        self.run.ending.note_left();
        let handles =
            batches.into_iter().flatten().filter_map(|in_hand| in_hand.parcel.into_handle());
        self.run.give_back(handles.collect()).await;
    }

    async fn hand_on(&self, batch: Batch<S>) {
        for handle in batch.into_iter().filter_map(|in_hand| self.release(in_hand)) {
            // The last stage outlives the writers.
            let _ = self.committed.send(handle).await;
        }
        if self.run.is_poisoned() && !self.run.ending.stop.is_asked() {
            tracing::error!(
                quarantined = self.run.watch.tally.quarantined_count(),
                "the poison budget is used up: has a producer changed its messages?"
            );
            self.run.ending.stop.ask();
        }
    }

    /// What is still to be done for a parcel; one without a handle is done.
    fn release(&self, in_hand: InHand<S::Parcel>) -> Option<S::Handle> {
        let events = in_hand.parcel.events();
        let handle = in_hand.parcel.into_handle();
        if handle.is_none() {
            self.run.watch.tally.count_released(events);
        }
        handle
    }
}

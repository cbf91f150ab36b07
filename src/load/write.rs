//! Second stage: collect a batch, write it in one transaction, hand its handles on.
//!
//! Invariants: handles go on only after the commit; an unknown outcome is settled by sending the same batch again; a row
//! that the database refuses is found and quarantined, the others are loaded.

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
use crate::error::Error;
use crate::vault::{Fit, Keyring, Masking};

const BATCH_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_millis(200);
/// A search for refused rows that takes longer is given up: it makes up to two statements a row.
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

impl<S: Source> Writer<S> {
    /// A writer that has not connected yet.
    #[must_use]
    pub(super) fn new(run: &Arc<Run<S>>, in_hand: &Arc<Mutex<Intake<S::Parcel>>>, committed: mpsc::Sender<S::Handle>) -> Self {
        let session = run.target.session();
        let (masking, days) = Default::default();
        Self { run: Arc::clone(run), in_hand: Arc::clone(in_hand), committed, session, masking, days }
    }

    /// Writes batches until the receivers have ended and nothing is left. Once the run has given up, or has quarantined more
    /// than it may, gives back what comes.
    pub(super) async fn write_batches(mut self) {
        while let Some(batch) = self.collect().await {
            if self.run.ending.has_given_up() || self.run.is_poisoned() {
                self.give_back([batch]).await;
            } else {
                self.write(batch).await;
            }
        }
    }

    /// The next batch: full, large, or 200 ms old. One writer collects while the others write.
    async fn collect(&self) -> Option<Batch<S>> {
        let mut in_hand = self.in_hand.lock().await;
        if let Some(reason) = in_hand.wait_for_common_rejection(&self.run.ending.stop).await {
            let (reason, looks_like) = (reason.code(), reason.looks_like());
            self.run.ending.give_up(Error::RejectedFromStart { messages: TOO_MANY, reason, looks_like });
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

    /// Writes a batch; in halves where the database refuses one of its rows. What is committed is handed on at once.
    async fn write(&mut self, batch: Batch<S>) {
        let mut parts = vec![batch];
        let mut patience = Backoff::default();
        let stop = self.run.ending.stop.clone();
        while let Some(mut part) = parts.pop() {
            let attempt = stop.before_deadline(self.write_part(&mut part, &mut patience)).await;
            match attempt.unwrap_or(Err(DbError::Lost { action: "writing the last batches" }.into())) {
                Ok(BatchAttempt::Committed) => self.hand_on(part).await,
                Ok(BatchAttempt::Again | BatchAttempt::Learn(_)) => parts.push(part),
                Ok(BatchAttempt::Halve) => {
                    let right = part.split_off(part.len() / 2);
                    parts.extend([right, part]);
                }
                Err(error) => {
                    self.run.ending.give_up(error);
                    self.give_back(std::iter::once(part).chain(parts)).await;
                    return;
                }
            }
        }
    }

    /// Tries once, and says what to do next. A fault that may pass has been slept over.
    async fn write_part(&mut self, part: &mut Batch<S>, patience: &mut Backoff) -> Result<BatchAttempt, Error> {
        let started = Instant::now();
        let limit = part.iter().map(|in_hand| in_hand.parcel.longest_write()).max().unwrap_or_default();
        let mute = |_| Error::from(DbError::Lost { action: "writing a batch" });
        let error = match tokio::time::timeout(limit, self.try_write(part)).await.map_err(mute).flatten() {
            // Outside of the time that the database has: KMS unwraps it.
            Ok(BatchAttempt::Learn(known)) => match self.run.key_cache.refresh(&known).await {
                Ok(_) => return Ok(BatchAttempt::Again),
                Err(error) => error.into(),
            },
            Ok(attempt) => {
                let Run { watch, .. } = self.run.as_ref();
                watch.health.note(Service::Database, true);
                if matches!(attempt, BatchAttempt::Committed) {
                    watch.metrics.observe_batch(part, started.elapsed(), Timestamp::now());
                }
                return Ok(attempt);
            }
            Err(error) => error,
        };
        match error {
            Error::Db(error) if error.sql_kind() == Some(SqlKind::Data) && part.len() > 1 => {
                tracing::debug!(%error, rows = part.len(), "a row is refused; looking for it by halving");
                Ok(BatchAttempt::Halve)
            }
            Error::Db(error) if error.sql_kind() == Some(SqlKind::Data) => {
                tracing::warn!(%error, "the database refuses rows; they go to the quarantine");
                self.reject_refused(&mut part[0], error).await?;
                Ok(BatchAttempt::Again)
            }
            error => {
                // Whatever it was: days may have gone, and the server may be another one after a failover.
                self.days.clear();
                self.session.disconnect();
                if matches!(error, Error::Db(_)) {
                    self.run.watch.health.note(Service::Database, false);
                }
                patience.bear(error, &self.run.ending.stop).await?;
                Ok(BatchAttempt::Again)
            }
        }
    }

    /// One transaction: fence, guarded insert, commit. A refused batch is read, masked and inserted again under the
    /// fence; unless a key has to be learnt first.
    async fn try_write(&mut self, batch: &mut Batch<S>) -> Result<BatchAttempt, Error> {
        self.make_days(batch).await?;
        let fenced = self.session.take_fence().await?;
        let mut answer = S::Parcel::insert(&fenced, batch).await?;
        if answer == BatchAnswer::Refused {
            let masker = match self.masking.fit(&self.run.key_cache, fenced.plan().await?)? {
                Fit::Same(masker) | Fit::Anew(masker) => masker,
                Fit::Unknown(known) => return Ok(BatchAttempt::Learn(known)),
            };
            batch.iter_mut().try_for_each(|in_hand| in_hand.judge_again(masker, self.run.options.reading))?;
            answer = S::Parcel::insert(&fenced, batch).await?;
        }
        let BatchAnswer::Inserted { logins, rejections } = answer else {
            return Err(DbError::Invalid("rotation").into());
        };
        fenced.commit().await?;
        let events = batch.iter().map(|in_hand| in_hand.parcel.events()).sum();
        self.run.watch.tally.count_committed(events, logins, rejections);
        Ok(BatchAttempt::Committed)
    }

    /// Makes the days of the ledger that this writer has not met yet, and drops those that SQS cannot deliver any more.
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

    /// Rejects the events that the database refuses. A refused rejection is a fault of ours.
    async fn reject_refused(&mut self, in_hand: &mut InHand<S::Parcel>, error: DbError) -> Result<(), Error> {
        let search = S::Parcel::find_refused(&mut self.session, in_hand);
        let mute = |_| DbError::Lost { action: "looking for refused rows" };
        let Some(refused) = tokio::time::timeout(LONGEST_SEARCH, search).await.map_err(mute).flatten()? else {
            return Ok(());
        };
        let is_new = |place: &usize| !in_hand.verdicts[*place].is_refused_by_database();
        if refused.is_empty() || !refused.iter().all(is_new) {
            return Err(error.into());
        }
        in_hand.reject(&refused, self.masking.masker(&self.run.key_cache).await?)?;
        Ok(())
    }

    async fn give_back(&self, batches: impl IntoIterator<Item = Batch<S>>) {
        let handles = batches.into_iter().flatten().filter_map(|in_hand| self.release(in_hand));
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

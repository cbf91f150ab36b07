//! Second stage: collect a batch, write it in one transaction, hand its handles on.
//!
//! Invariants: handles go to the deleters only after the commit; an unknown outcome is settled by sending the same
//! batch again; a row that the database refuses is found by halving and quarantined, the others are loaded.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout_at;

use super::InHand;
use super::health::Service;
use super::intake::{Intake, TOO_MANY};
use super::patience::Backoff;
use super::run::Run;
use crate::db::{BatchAnswer, BatchRow, DbError, Session, SqlKind};
use crate::error::Error;
use crate::login::{Masker, NearNames, Reading};
use crate::queue::ReceiptHandle;
use crate::vault::{Fit, Keyring, Masking};

const BATCH_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_millis(200);
/// A try that takes longer is given up: the server or the way to it is gone.
const LONGEST_WRITE: Duration = Duration::from_secs(30);

/// What to do with a part of a batch after a try.
enum BatchAttempt {
    Committed,
    Again,
    Halve,
    /// A key has to be learnt first, with no transaction open.
    Learn(Arc<Keyring>),
}

/// One writer with its own connection.
pub(super) struct Writer {
    run: Arc<Run>,
    in_hand: Arc<Mutex<Intake>>,
    committed: mpsc::Sender<ReceiptHandle>,
    session: Session,
    days: HashSet<Date>,
}

impl Writer {
    /// A writer that has not connected yet.
    #[must_use]
    pub(super) fn new(run: &Arc<Run>, in_hand: &Arc<Mutex<Intake>>, committed: mpsc::Sender<ReceiptHandle>) -> Self {
        let session = run.target.session();
        Self { run: Arc::clone(run), in_hand: Arc::clone(in_hand), committed, session, days: HashSet::new() }
    }

    /// Writes batches until the receivers have ended and nothing is left. After a failure, gives back what comes.
    pub(super) async fn write_batches(mut self) {
        while let Some(batch) = self.collect().await {
            if self.run.has_failed() {
                self.give_back([batch]).await;
            } else {
                self.write(batch).await;
            }
        }
    }

    /// The next batch: full, large, or 200 ms old. One writer collects while the others write.
    async fn collect(&self) -> Option<Vec<InHand>> {
        let mut in_hand = self.in_hand.lock().await;
        if let Some(reason) = in_hand.wait_for_common_rejection(&self.run.stop).await {
            self.run.fail(Error::RejectedFromStart {
                messages: TOO_MANY,
                reason: reason.code(),
                looks_like: reason.looks_like(),
            });
        }
        let first = in_hand.next().await?;
        let linger = if self.run.has_failed() { Duration::ZERO } else { LINGER };
        let deadline = tokio::time::Instant::now() + linger;
        let mut bytes = first.body.len();
        let mut batch = vec![first];
        while batch.len() < self.run.options.batch_rows && bytes < BATCH_BYTES {
            let Ok(Some(next)) = timeout_at(deadline, in_hand.next()).await else { break };
            bytes += next.body.len();
            batch.push(next);
        }
        Some(batch)
    }

    /// Writes a batch; in halves where the database refuses one of its rows. What is committed is handed on at once.
    async fn write(&mut self, batch: Vec<InHand>) {
        let mut parts = vec![batch];
        let mut patience = Backoff::default();
        while let Some(mut part) = parts.pop() {
            let stop = self.run.stop.clone();
            let attempt = stop.before_deadline(self.write_part(&mut part, &mut patience)).await;
            match attempt.unwrap_or(Err(DbError::Lost { action: "writing the last batches" }.into())) {
                Ok(BatchAttempt::Committed) => self.hand_on(part).await,
                Ok(BatchAttempt::Again | BatchAttempt::Learn(_)) => parts.push(part),
                Ok(BatchAttempt::Halve) => {
                    let right = part.split_off(part.len() / 2);
                    parts.extend([right, part]);
                }
                Err(error) => {
                    self.run.fail(error);
                    self.give_back(std::iter::once(part).chain(parts)).await;
                    return;
                }
            }
        }
    }

    /// Tries once, and says what to do next. A fault that may pass has been slept over.
    async fn write_part(&mut self, part: &mut [InHand], patience: &mut Backoff) -> Result<BatchAttempt, Error> {
        let mute = |_| Error::from(DbError::Lost { action: "writing a batch" });
        let started = Instant::now();
        let error = match tokio::time::timeout(LONGEST_WRITE, self.try_write(part)).await.map_err(mute).flatten() {
            // Outside of the time that the database has: KMS unwraps it.
            Ok(BatchAttempt::Learn(known)) => match self.run.key_cache.refresh(&known).await {
                Ok(_) => return Ok(BatchAttempt::Again),
                Err(error) => error.into(),
            },
            Ok(attempt) => {
                self.run.health.note(Service::Database, true);
                if matches!(attempt, BatchAttempt::Committed) {
                    self.run.metrics.observe_batch(part, started.elapsed(), Timestamp::now());
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
                self.reject(&mut part[0], error).await?;
                Ok(BatchAttempt::Again)
            }
            error => {
                // Whatever it was: days may have gone, and the server may be another one after a failover.
                self.days.clear();
                self.session.disconnect();
                if matches!(error, Error::Db(_)) {
                    self.run.health.note(Service::Database, false);
                }
                patience.bear(error, &self.run.stop).await?;
                Ok(BatchAttempt::Again)
            }
        }
    }

    /// One transaction: fence, guarded insert, commit. A refused batch is read, masked and inserted again under the
    /// fence; unless a key has to be learnt first.
    async fn try_write(&mut self, batch: &mut [InHand]) -> Result<BatchAttempt, Error> {
        self.make_days(batch).await?;
        let fenced = self.session.take_fence().await?;
        let mut answer = fenced.insert_batch(&distinct(batch)).await?;
        if answer == BatchAnswer::Refused {
            let plan = fenced.plan().await?;
            let mut masking = Masking::default();
            let masker = match masking.fit(&self.run.key_cache, plan)? {
                Fit::Same(masker) | Fit::Anew(masker) => masker,
                Fit::Unknown(known) => return Ok(BatchAttempt::Learn(known)),
            };
            remask(batch, masker, self.run.options.reading)?;
            answer = fenced.insert_batch(&distinct(batch)).await?;
        }
        let BatchAnswer::Inserted { logins, rejections } = answer else { return Err(DbError::Invalid("rotation").into()) };
        fenced.commit().await?;
        self.run.tally.count_committed(batch.len(), logins, rejections);
        Ok(BatchAttempt::Committed)
    }

    /// Makes the days of the ledger that this writer has not met yet, and drops those that SQS cannot deliver any more.
    async fn make_days(&mut self, batch: &[InHand]) -> Result<(), Error> {
        for message in batch {
            let day = message.delivery.sent.ledger_day();
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

    /// The database refuses this one row: into the quarantine with it. A refused rejection is a fault of ours.
    async fn reject(&self, message: &mut InHand, error: DbError) -> Result<(), Error> {
        if message.verdict.is_refused_by_database() {
            return Err(error.into());
        }
        tracing::warn!(message_id = %message.delivery.message_id, %error, "the database refuses a row; it goes to the quarantine");
        let mut masking = Masking::default();
        let masker = masking.masker(&self.run.key_cache).await?;
        message.verdict = masker.reject_for_database(&message.body, message.delivery.message_id)?;
        Ok(())
    }

    async fn give_back(&self, batches: impl IntoIterator<Item = Vec<InHand>>) {
        self.run.give_back(batches.into_iter().flatten().map(|message| message.handle).collect()).await;
    }

    async fn hand_on(&self, batch: Vec<InHand>) {
        for message in batch {
            // The deleters outlive the writers.
            let _ = self.committed.send(message.handle).await;
        }
        if self.run.is_poisoned() && !self.run.stop.is_asked() {
            tracing::error!(
                quarantined = self.run.tally.quarantined_count(),
                "the poison budget is used up: has a producer changed its messages?"
            );
            self.run.stop.ask();
        }
    }
}

/// The batch without messages that came twice in it; both are deleted from the queue all the same.
fn distinct(batch: &[InHand]) -> Vec<BatchRow<'_>> {
    let mut seen = HashSet::with_capacity(batch.len());
    let rows = batch.iter().filter(|m| seen.insert((m.delivery.sent.ledger_day(), m.delivery.message_id)));
    rows.map(|m| BatchRow { delivery: &m.delivery, verdict: &m.verdict }).collect()
}

/// Reads and masks every body again, by the plan of `masker`.
fn remask(batch: &mut [InHand], masker: &mut Masker, reading: Reading) -> Result<(), Error> {
    // What fields are spelt like was counted when these were read first.
    let near = NearNames::default();
    for message in batch {
        let delivery = &message.delivery;
        message.verdict = if message.verdict.is_refused_by_database() {
            masker.reject_for_database(&message.body, delivery.message_id)?
        } else {
            masker.judge(&message.body, || delivery.message_id, delivery.row_day, reading, &near)?
        };
    }
    Ok(())
}

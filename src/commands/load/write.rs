//! Second stage: collect a batch, write it in one transaction, hand its receipts on.
//!
//! Invariants: receipts go to the deleters only after the commit; an unknown outcome is settled by sending the same
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
use super::outcome::{outcome_of, refused_by_database};
use super::patience::Patience;
use super::run::Run;
use crate::db::{BatchAnswer, BatchRow, DbError, Session, SqlKind, Target};
use crate::error::Error;
use crate::login::{Masker, NearNames, Outcome, Reading, Reason};
use crate::queue::Receipt;
use crate::vault::Keyring;

const BATCH_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_millis(200);
/// A try that takes longer is given up: the server or the way to it is gone.
const LONGEST_WRITE: Duration = Duration::from_secs(30);

/// What to do with a part of a batch after a try.
enum Step {
    Committed,
    Again,
    Halve,
    /// A key has to be learnt first, with no transaction open.
    Learn(Arc<Keyring>),
}

/// One writer with its own connection.
pub struct Writer {
    run: Arc<Run>,
    in_hand: Arc<Mutex<Intake>>,
    committed: mpsc::Sender<Receipt>,
    session: Option<Session>,
    days: HashSet<Date>,
}

impl Writer {
    /// A writer that has not connected yet.
    #[must_use]
    pub fn new(run: &Arc<Run>, in_hand: &Arc<Mutex<Intake>>, committed: mpsc::Sender<Receipt>) -> Self {
        Self { run: Arc::clone(run), in_hand: Arc::clone(in_hand), committed, session: None, days: HashSet::new() }
    }

    /// Writes batches until the receivers have ended and nothing is left. After a failure, gives back what comes.
    pub async fn write_batches(mut self) {
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
        if let Some(reason) = in_hand.rejected_from_start(&self.run.stop).await {
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
        let mut patience = Patience::default();
        while let Some(mut part) = parts.pop() {
            let deadline = self.run.deadline.clone();
            let step = deadline.run_until_cancelled(self.write_part(&mut part, &mut patience)).await;
            match step.unwrap_or(Err(DbError::Lost { action: "writing the last batches" }.into())) {
                Ok(Step::Committed) => self.hand_on(part).await,
                Ok(Step::Again | Step::Learn(_)) => parts.push(part),
                Ok(Step::Halve) => {
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
    async fn write_part(&mut self, part: &mut [InHand], patience: &mut Patience) -> Result<Step, Error> {
        let mute = |_| Error::from(DbError::Lost { action: "writing a batch" });
        let started = Instant::now();
        let error = match tokio::time::timeout(LONGEST_WRITE, self.try_write(part)).await.map_err(mute).flatten() {
            // Outside of the time that the database has: KMS unwraps it.
            Ok(Step::Learn(known)) => match self.run.vault.refresh(&known).await {
                Ok(_) => return Ok(Step::Again),
                Err(error) => error.into(),
            },
            Ok(step) => {
                self.run.health.note(Service::Database, true);
                if matches!(step, Step::Committed) {
                    self.run.metrics.committed(part, started.elapsed(), Timestamp::now());
                }
                return Ok(step);
            }
            Err(error) => error,
        };
        match error {
            Error::Db(error) if error.sql_kind() == Some(SqlKind::Data) && part.len() > 1 => {
                tracing::debug!(%error, rows = part.len(), "a row is refused; looking for it by halving");
                Ok(Step::Halve)
            }
            Error::Db(error) if error.sql_kind() == Some(SqlKind::Data) => {
                self.reject(&mut part[0], error).await?;
                Ok(Step::Again)
            }
            error => {
                // Whatever it was: days may have gone, and the server may be another one after a failover.
                self.days.clear();
                self.session = None;
                if matches!(error, Error::Db(_)) {
                    self.run.health.note(Service::Database, false);
                }
                patience.bear(error, &self.run.stop).await?;
                Ok(Step::Again)
            }
        }
    }

    /// One transaction: fence, guarded insert, commit. A refused batch is read, masked and inserted again under the
    /// fence; unless a key has to be learnt first.
    async fn try_write(&mut self, batch: &mut [InHand]) -> Result<Step, Error> {
        self.make_days(batch).await?;
        let keyring = self.run.vault.known();
        let fenced = connected(&mut self.session, &self.run.target).await?.fenced().await?;
        let mut answer = fenced.insert_batch(&distinct(batch)).await?;
        if answer == BatchAnswer::Refused {
            let plan = fenced.plan().await?;
            let Ok(mut masker) = Masker::new(plan, keyring.as_ref()) else { return Ok(Step::Learn(keyring)) };
            remask(batch, &mut masker, self.run.options.reading)?;
            answer = fenced.insert_batch(&distinct(batch)).await?;
            self.run.vault.adopt(plan);
        }
        let BatchAnswer::Inserted { logins, rejections } = answer else { return Err(DbError::Invalid("rotation").into()) };
        fenced.commit().await?;
        self.run.tally.committed(batch.len(), logins, rejections);
        Ok(Step::Committed)
    }

    /// Makes the days of the ledger that this writer has not met yet, and drops those that SQS cannot deliver any more.
    async fn make_days(&mut self, batch: &[InHand]) -> Result<(), Error> {
        for message in batch {
            let day = message.envelope.sent.ledger_day();
            if !self.days.contains(&day) {
                let session = connected(&mut self.session, &self.run.target).await?;
                session.ensure_day(day).await?;
                if let Err(error) = session.drop_old_days().await {
                    tracing::warn!(%error, "old days of the ledger stay for now");
                }
                self.days.insert(day);
            }
        }
        Ok(())
    }

    /// The database refuses this one row: into the quarantine with it. A refused rejection is a fault of ours.
    async fn reject(&self, message: &mut InHand, error: DbError) -> Result<(), Error> {
        if matches!(&message.outcome, Outcome::Rejected(rejected) if rejected.rejection.reason == Reason::DatabaseRejected) {
            return Err(error.into());
        }
        tracing::warn!(message_id = %message.envelope.message_id, %error, "the database refuses a row; it goes to the quarantine");
        let mut slot = None;
        let masker = self.run.masker(&mut slot).await?;
        message.outcome = refused_by_database(masker, &message.body, message.envelope.message_id)?;
        Ok(())
    }

    async fn give_back(&self, batches: impl IntoIterator<Item = Vec<InHand>>) {
        self.run.give_back(batches.into_iter().flatten().map(|message| message.receipt).collect()).await;
    }

    async fn hand_on(&self, batch: Vec<InHand>) {
        for message in batch {
            // The deleters outlive the writers.
            let _ = self.committed.send(message.receipt).await;
        }
        if self.run.is_poisoned() && !self.run.stop.is_cancelled() {
            tracing::error!(
                quarantined = self.run.tally.quarantined(),
                "the poison budget is used up: has a producer changed its messages?"
            );
            self.run.stop.cancel();
        }
    }
}

/// The session of a worker; it makes its connection anew where that is lost.
pub(super) async fn connected<'a>(slot: &'a mut Option<Session>, target: &Target) -> Result<&'a mut Session, DbError> {
    let session = match slot.take() {
        Some(session) => session,
        None => target.connect().await?,
    };
    Ok(slot.insert(session))
}

/// The batch without messages that came twice in it; both receipts are deleted all the same.
fn distinct(batch: &[InHand]) -> Vec<BatchRow<'_>> {
    let mut seen = HashSet::with_capacity(batch.len());
    let rows = batch.iter().filter(|m| seen.insert((m.envelope.sent.ledger_day(), m.envelope.message_id)));
    rows.map(|m| BatchRow { envelope: &m.envelope, outcome: &m.outcome }).collect()
}

/// Reads and masks every body again, by the plan of `masker`.
fn remask(batch: &mut [InHand], masker: &mut Masker, reading: Reading) -> Result<(), Error> {
    // What fields are spelt like was counted when these were read first.
    let near = NearNames::default();
    for message in batch {
        let envelope = &message.envelope;
        let refused = matches!(&message.outcome, Outcome::Rejected(r) if r.rejection.reason == Reason::DatabaseRejected);
        message.outcome = if refused {
            refused_by_database(masker, &message.body, envelope.message_id)?
        } else {
            outcome_of(masker, &message.body, || envelope.message_id, envelope.row_day, reading, &near)?
        };
    }
    Ok(())
}

//! What is handed out as one, on its way: a message or a chunk, with a verdict for each
//! of its events.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::budget::Reservation;
use crate::db::{BatchAnswer, DbError, Fenced};
use crate::error::Error;
use crate::login::{Body, Masker, NearNames, Reading, Verdict};
use crate::token::SealError;

/// What a source hands out and takes back as one, and what is written
/// whole or not at all.
pub trait Parcel: Send + Sync + Sized + 'static {
    /// What stands for it at its source.
    type Handle;
    /// Whether many share a transaction, each with an id of its own in the ledger.
    const IS_BATCHED: bool;
    /// A try to write it that takes longer is given up: the server or the
    /// way to it is gone.
    fn longest_write(&self) -> Duration;

    /// How many events it has.
    fn events(&self) -> usize;

    /// How many bytes its bodies have.
    fn bytes(&self) -> usize;

    /// When it was sent, if its source says so.
    fn sent_at(&self) -> Option<Timestamp>;

    /// The day of the ledger that it needs, if that is not the one which always is there.
    fn ledger_day(&self) -> Option<Date>;

    /// What becomes of one of its events.
    ///
    /// # Errors
    /// When a rejected body cannot be sealed.
    fn judge(
        &self,
        place: usize,
        masker: &mut Masker,
        how: Judging<'_>,
    ) -> Result<Verdict, SealError>;

    /// Writes a batch of them, once each; nothing at all, if one event is under another
    /// key than the plan asks for.
    ///
    /// # Errors
    /// When the database is gone or refuses. [`crate::db::SqlKind::Data`]: one of the
    /// rows is to blame.
    fn insert(
        fenced: &Fenced<'_>,
        batch: &[InHand<Self>],
    ) -> impl Future<Output = Result<BatchAnswer, DbError>> + Send;

    /// Writes one of which the database has refused a row: what it still refuses is
    /// rejected, by the plan of `masker`.
    ///
    /// # Errors
    /// When the database is gone or refuses, or a body cannot be sealed.
    fn insert_in_part(
        fenced: &Fenced<'_>,
        refused: &mut InHand<Self>,
        masker: &mut Masker,
    ) -> impl Future<Output = Result<BatchAnswer, Error>> + Send;

    /// What ends it at its source; nothing, where nothing has to be ended.
    fn handle(&self) -> Option<&Self::Handle>;

    /// The same, and nothing else is left of it.
    fn into_handle(self) -> Option<Self::Handle>;
}

/// How an event comes to its verdict.
#[derive(Clone, Copy)]
pub enum Judging<'a> {
    /// It is read. Names that are almost those of fields are counted.
    Read(Reading, &'a NearNames),
    /// It could be read, and the database refuses its row.
    RefusedByDatabase,
}

impl Judging<'_> {
    /// The verdict on a body. `message_id` is asked for only when it is rejected.
    pub(super) fn of(
        self,
        body: &Body,
        masker: &mut Masker,
        message_id: impl FnOnce() -> Uuid,
        row_day: Date,
    ) -> Result<Verdict, SealError> {
        match self {
            Self::Read(reading, near) => masker.judge(body, message_id, row_day, reading, near),
            Self::RefusedByDatabase => masker.reject_for_database(body, message_id()),
        }
    }
}

/// A parcel between receiving and acknowledging, with its verdicts. Its bodies stay, so
/// that it can be read again.
pub struct InHand<P> {
    pub(super) parcel: P,
    pub(super) verdicts: Vec<Verdict>,
    /// Its share of the memory budget, given up with it.
    _share: Option<Reservation>,
}

impl<P: Parcel> InHand<P> {
    /// Reads and masks all events of a parcel.
    ///
    /// # Errors
    /// When a rejected body cannot be sealed.
    pub(super) fn judge_all(
        parcel: &P,
        masker: &mut Masker,
        how: Judging<'_>,
    ) -> Result<Vec<Verdict>, SealError> {
        // Exactly as large as it gets: verdicts are large, and thousands are in hand.
        let mut verdicts = Vec::with_capacity(parcel.events());
        for place in 0..parcel.events() {
            verdicts.push(parcel.judge(place, masker, how)?);
        }
        Ok(verdicts)
    }

    /// A parcel and the verdicts on all its events.
    pub(super) fn new(parcel: P, verdicts: Vec<Verdict>, share: Option<Reservation>) -> Self {
        Self { parcel, verdicts, _share: share }
    }

    /// Reads and masks them again, by the plan of `masker`. What the database refuses
    /// stays rejected.
    ///
    /// # Errors
    /// When a rejected body cannot be sealed.
    pub(super) fn judge_again(
        &mut self,
        masker: &mut Masker,
        reading: Reading,
    ) -> Result<(), SealError> {
        // Misspelt names were counted when the events were first read.
        let near = NearNames::default();
        for (place, verdict) in self.verdicts.iter_mut().enumerate() {
            let refused = verdict.is_refused_by_database();
            let how =
                if refused { Judging::RefusedByDatabase } else { Judging::Read(reading, &near) };
            *verdict = self.parcel.judge(place, masker, how)?;
        }
        Ok(())
    }

    /// Rejects the events at these places, because the database refuses their rows.
    ///
    /// # Errors
    /// When a body cannot be sealed.
    pub(super) fn reject(
        &mut self,
        places: &[usize],
        masker: &mut Masker,
    ) -> Result<(), SealError> {
        for place in places {
            self.verdicts[*place] =
                self.parcel.judge(*place, masker, Judging::RefusedByDatabase)?;
        }
        Ok(())
    }
}

//! A chunk of a file: up to 5,000 events with one id in the ledger, written whole, its
//! rows by COPY.
//!
//! Invariants: its id depends on the content alone; its lines are plaintext and live in
//! [`Body`]; what is counted as loaded was counted by the database, and compared where
//! triggers of others ran.

use std::convert::Infallible;
use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use crate::db::{BatchAnswer, DbError, Entrance, Fenced};
use crate::error::Error;
use crate::load::parcel::{InHand, Judging, Parcel};
use crate::login::{
    Body, Delivery, MaskedLogin, Masker, SealedRejection, SentAt, SourceKind, Verdict, line_id,
    utc_day,
};
use crate::token::SealError;

/// A try that takes longer is given up.
const LONGEST_WRITE: Duration = Duration::from_secs(60);
/// What long lines add to that.
const SLOWEST_BYTES_A_SECOND: u64 = 1024 * 1024;

/// Up to 5,000 lines.
pub(crate) struct Chunk {
    /// Its id in the ledger.
    pub(super) id: Uuid,
    /// The id that builds which took a byte order mark for content gave
    /// it, if there was one.
    pub(super) id_with_bom: Uuid,
    /// The number of its first line, from 0.
    pub(super) first_line: u64,
    pub(super) text: Body,
    /// The events with their numbers; blank lines are none.
    pub(super) lines: Vec<(u64, Range<usize>)>,
    /// When the run began.
    pub(super) read_at: Timestamp,
}

impl Chunk {
    fn body(&self, place: usize) -> Body {
        let (_, range) = &self.lines[place];
        Body::new(self.text.expose()[range.clone()].to_vec())
    }

    /// Two blocks of SHA-256: made for those who are rejected alone.
    fn message_id(&self, place: usize) -> Uuid {
        line_id(self.id, self.lines[place].0 - self.first_line)
    }

    fn delivery(&self, place: usize) -> Delivery {
        Delivery {
            message_id: self.message_id(place),
            sent: SentAt::from_attribute(None),
            received_at: self.read_at,
            receive_count: None,
            row_day: utc_day(self.read_at),
            source: SourceKind::File,
        }
    }
}

impl Parcel for Chunk {
    type Handle = Infallible;
    const IS_BATCHED: bool = false;

    fn longest_write(&self) -> Duration {
        LONGEST_WRITE + Duration::from_secs(self.bytes() as u64 / SLOWEST_BYTES_A_SECOND)
    }

    fn events(&self) -> usize {
        self.lines.len()
    }

    fn bytes(&self) -> usize {
        self.text.len()
    }

    fn sent_at(&self) -> Option<Timestamp> {
        None
    }

    fn ledger_day(&self) -> Option<Date> {
        None
    }

    fn judge(
        &self,
        place: usize,
        masker: &mut Masker,
        how: Judging<'_>,
    ) -> Result<Verdict, SealError> {
        how.of(&self.body(place), masker, || self.message_id(place), utc_day(self.read_at))
    }

    /// COPY asks no guard: so the plan is read first, and each row compared with it.
    async fn insert(fenced: &Fenced<'_>, batch: &[InHand<Self>]) -> Result<BatchAnswer, DbError> {
        let plan = fenced.plan().await?;
        let (mut loaded, mut quarantined) = (0, 0);
        for InHand { parcel: chunk, verdicts, .. } in batch {
            if !verdicts.iter().all(|verdict| verdict.is_under(&plan)) {
                return Ok(BatchAnswer::Refused);
            }
            let Some(entrance) = fenced.claim_chunk(chunk.id, chunk.id_with_bom).await? else {
                continue;
            };
            let logins = logins(verdicts);
            fenced.insert_logins(&logins, entrance).await?;
            loaded += logins.len() as u64;
            quarantined += chunk.finish(fenced, verdicts, entrance).await?;
        }
        Ok(BatchAnswer::Inserted { logins: loaded, rejections: quarantined })
    }

    async fn insert_in_part(
        fenced: &Fenced<'_>,
        refused: &mut InHand<Self>,
        masker: &mut Masker,
    ) -> Result<BatchAnswer, Error> {
        tracing::warn!("the database refuses rows; they go to the quarantine");
        let InHand { parcel: chunk, verdicts, .. } = &*refused;
        let Some(entrance) = fenced.claim_chunk(chunk.id, chunk.id_with_bom).await? else {
            return Ok(BatchAnswer::Inserted { logins: 0, rejections: 0 });
        };
        let is_login = |place: &usize| matches!(verdicts[*place], Verdict::Login(_));
        let places: Vec<usize> = (0..verdicts.len()).filter(is_login).collect();
        let found = fenced.insert_logins_one_by_one(&logins(verdicts), entrance).await?;
        let found: Vec<usize> = found.into_iter().map(|found| places[found]).collect();
        refused.reject(&found, masker)?;
        let InHand { parcel: chunk, verdicts, .. } = &*refused;
        let rejections = chunk.finish(fenced, verdicts, entrance).await?;
        Ok(BatchAnswer::Inserted { logins: logins(verdicts).len() as u64, rejections })
    }

    fn handle(&self) -> Option<&Infallible> {
        None
    }

    fn into_handle(self) -> Option<Infallible> {
        None
    }
}

impl Chunk {
    /// Compares the rows that came to stand there, where triggers of others ran, and
    /// quarantines the rest.
    async fn finish(
        &self,
        fenced: &Fenced<'_>,
        verdicts: &[Verdict],
        entrance: Entrance,
    ) -> Result<u64, DbError> {
        fenced.compare_logins(&logins(verdicts), entrance).await?;
        let rejected: Vec<(Delivery, &SealedRejection)> = self.rejections(verdicts).collect();
        if rejected.is_empty() {
            return Ok(0);
        }
        fenced.quarantine(rejected.iter().map(|(delivery, sealed)| (delivery, *sealed))).await
    }

    fn rejections<'a>(
        &self,
        verdicts: &'a [Verdict],
    ) -> impl Iterator<Item = (Delivery, &'a SealedRejection)> {
        let rejected = verdicts.iter().enumerate().filter_map(|(place, verdict)| match verdict {
            Verdict::Rejected(rejected) => Some((place, rejected)),
            Verdict::Login(_) => None,
        });
        rejected.map(|(place, rejected)| (self.delivery(place), rejected))
    }
}

fn logins(verdicts: &[Verdict]) -> Vec<&MaskedLogin> {
    verdicts
        .iter()
        .filter_map(|verdict| if let Verdict::Login(login) = verdict { Some(login) } else { None })
        .collect()
}

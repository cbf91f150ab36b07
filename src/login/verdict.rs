//! `Body ─parse→ LoginEvent ─mask→ MaskedLogin`, or a sealed rejection: one way for
//! queue, file, retry and dry run.

use jiff::civil::Date;
use uuid::Uuid;

use super::{
    Body, Masker, NearNames, Plan, Reading, RejectReason, Rejection, SealedRejection, Verdict,
    parse,
};
use crate::token::SealError;

impl Masker {
    /// What becomes of one body. After this, nothing but the body itself holds its
    /// values. Names that are almost those of fields are counted in `near`. `message_id`
    /// is asked for only when it is rejected.
    ///
    /// # Errors
    /// When a rejected body cannot be sealed.
    pub fn judge(
        &mut self,
        body: &Body,
        message_id: impl FnOnce() -> Uuid,
        row_day: Date,
        reading: Reading,
        near: &NearNames,
    ) -> Result<Verdict, SealError> {
        let reading = Reading { masked: self.fields(), ..reading };
        match parse(body, row_day, reading, near) {
            Ok(event) => Ok(Verdict::Login(self.mask(event))),
            Err(rejection) => self.reject(body, message_id(), rejection),
        }
    }

    /// The verdict on a body that the database refused although it parsed.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn reject_for_database(
        &mut self,
        body: &Body,
        message_id: Uuid,
    ) -> Result<Verdict, SealError> {
        self.reject(body, message_id, Rejection::body(RejectReason::DatabaseRejected, body.len()))
    }

    fn reject(
        &mut self,
        body: &Body,
        message_id: Uuid,
        rejection: Rejection,
    ) -> Result<Verdict, SealError> {
        let sealed = self.seal(message_id, body)?;
        Ok(Verdict::Rejected(SealedRejection { rejection, sealed, key_id: self.plan().seal }))
    }
}

impl Verdict {
    /// Whether the body parsed, and the database refused its row.
    #[must_use]
    pub fn is_refused_by_database(&self) -> bool {
        let Self::Rejected(rejected) = self else { return false };
        rejected.rejection.reason == RejectReason::DatabaseRejected
    }

    /// Whether it is under the keys that the plan asks for.
    #[must_use]
    pub fn is_under(&self, plan: &Plan) -> bool {
        match self {
            Self::Login(login) => plan.allows(login),
            Self::Rejected(rejected) => rejected.key_id == plan.seal,
        }
    }
}

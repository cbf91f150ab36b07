//! `Body ─parse→ LoginEvent ─mask→ MaskedLogin`, or a sealed rejection: one function for queue, file and retry.

use jiff::civil::Date;
use uuid::Uuid;

use crate::login::{self, Body, Masker, NearNames, Reading, RejectReason, Rejection, SealedRejection, Verdict};
use crate::token::SealError;

/// What becomes of one body. After this, nothing but the body itself holds its values. Names that are almost those of
/// fields are counted in `near`. `message_id` is asked for only when it is rejected.
///
/// # Errors
/// When a rejected body cannot be sealed.
pub(crate) fn judge(
    masker: &mut Masker,
    body: &Body,
    message_id: impl FnOnce() -> Uuid,
    row_day: Date,
    reading: Reading,
    near: &NearNames,
) -> Result<Verdict, SealError> {
    let reading = Reading { masked: masker.fields(), ..reading };
    match login::parse(body, row_day, reading, near) {
        Ok(event) => Ok(Verdict::Login(masker.mask(event))),
        Err(rejection) => seal_rejection(masker, body, message_id(), rejection),
    }
}

/// The verdict on a body that the database refused although it parsed.
///
/// # Errors
/// When it cannot be sealed.
pub(super) fn reject_for_database(masker: &mut Masker, body: &Body, message_id: Uuid) -> Result<Verdict, SealError> {
    seal_rejection(masker, body, message_id, Rejection::body(RejectReason::DatabaseRejected, body.len()))
}

fn seal_rejection(masker: &mut Masker, body: &Body, message_id: Uuid, rejection: Rejection) -> Result<Verdict, SealError> {
    let sealed = masker.seal(message_id, body)?;
    Ok(Verdict::Rejected(SealedRejection { rejection, sealed, key_id: masker.plan().seal }))
}

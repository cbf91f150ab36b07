//! `Body ─parse→ LoginEvent ─mask→ MaskedLogin`, or a sealed rejection: one function for queue, file and retry.

use jiff::civil::Date;
use uuid::Uuid;

use crate::login::{self, Body, Masker, NearNames, Outcome, Reading, Reason, Rejection, SealedRejection};
use crate::token::SealError;

/// What becomes of one body. After this, nothing but the body itself holds its values. Names that are almost those of
/// fields are counted in `near`. `message_id` is asked for only when it is rejected.
///
/// # Errors
/// When a rejected body cannot be sealed.
pub fn outcome_of(
    masker: &mut Masker,
    body: &Body,
    message_id: impl FnOnce() -> Uuid,
    row_day: Date,
    reading: Reading,
    near: &NearNames,
) -> Result<Outcome, SealError> {
    let reading = Reading { masked: masker.fields(), ..reading };
    match login::parse(body, row_day, reading, near) {
        Ok(event) => Ok(Outcome::Login(masker.mask(event))),
        Err(rejection) => sealed(masker, body, message_id(), rejection),
    }
}

/// The outcome of a body that the database refused although it parsed.
///
/// # Errors
/// When it cannot be sealed.
pub fn refused_by_database(masker: &mut Masker, body: &Body, message_id: Uuid) -> Result<Outcome, SealError> {
    sealed(masker, body, message_id, Rejection::body(Reason::DatabaseRejected, body.len()))
}

fn sealed(masker: &mut Masker, body: &Body, message_id: Uuid, rejection: Rejection) -> Result<Outcome, SealError> {
    let sealed = masker.seal(message_id, body)?;
    Ok(Outcome::Rejected(SealedRejection { rejection, sealed, key_id: masker.plan().seal }))
}

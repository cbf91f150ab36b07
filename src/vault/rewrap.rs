//! New KMS keys around the same data keys: re-encrypted inside KMS, unwrapped and
//! compared, and only then put in place.
//!
//! Invariant: a wrap goes only after its successor was opened to the key that the check
//! value is of.

use serde::Serialize;

use super::keyring::unwrap_row;
use super::{Signer, VaultError};
use crate::db::{KeyRow, Session};
use crate::kms::{Kms, WrapContext, is_one_key};
use crate::token::Holder;

/// What a rewrap has done.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Rewrapped {
    /// Wraps under the new KMS key.
    pub replaced: u64,
    /// Wraps that were under it already.
    pub unchanged: u64,
}

/// Puts every wrap of a holder under one KMS key. Stopped in between, it
/// goes on where it was.
///
/// # Errors
/// When the database or KMS fails, the other holder has this KMS key, or a new wrap does
/// not open to its key.
pub(crate) async fn rewrap(
    session: &Session,
    kms: &Kms,
    signer: &Signer,
    holder: Holder,
    kms_key: &str,
    done: &mut Rewrapped,
) -> Result<(), VaultError> {
    let others = session.wrap_holders().await?;
    for row in session.wraps_of_holder(holder).await? {
        let context = WrapContext { purpose: row.purpose, key_id: row.key_id, holder };
        let failed = |source| VaultError::Kms { key_id: row.key_id, source };
        let new =
            kms.rewrap(&row.kms_key_arn, kms_key, &row.wrapped, context).await.map_err(failed)?;
        if new.kms_key_arn == row.kms_key_arn {
            done.unchanged += 1;
            continue;
        }
        let is_taken = others.iter().any(|other| {
            other.holder != holder && is_one_key(&other.kms_key_arn, &new.kms_key_arn)
        });
        if is_taken {
            return Err(VaultError::OneKmsKey);
        }
        let (key_id, purpose, check_value) = (row.key_id, row.purpose, row.check_value.clone());
        let candidate = KeyRow {
            key_id,
            purpose,
            check_value,
            kms_key_arn: new.kms_key_arn,
            wrapped: new.bytes,
        };
        unwrap_row(kms, &candidate, holder).await?;
        let details = serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }).to_string();
        let wrap = (candidate.kms_key_arn.as_str(), candidate.wrapped.as_slice());
        let head = session.replace_wrap(row.key_id, holder, &row.wrapped, wrap, &details).await?;
        signer.sign(session, &head).await?;
        done.replaced += 1;
    }
    Ok(())
}

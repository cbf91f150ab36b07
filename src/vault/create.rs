//! New data keys: written pending with both wraps, read back, unwrapped, compared, and only then activated.
//!
//! Invariant: a key that is active can be unwrapped by both holders.

use super::VaultError;
use super::keyring::unwrap;
use crate::crypto::random_secret;
use crate::db::{InitLock, NewWrap};
use crate::kms::{Holder, Kms, WrapContext};
use crate::token::{DataKey, KeyId, Purpose};

/// A key that was made or found pending, and activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// What it is for.
    pub purpose: Purpose,
    /// Its number.
    pub key_id: KeyId,
}

/// Gives each purpose that has no active key its first one. A pending key left by a crash is checked and used.
///
/// # Errors
/// When the database or KMS fails, or a key does not read back as it was written.
pub async fn create_missing_keys(
    lock: &mut InitLock,
    kms: &Kms,
    ingest_key: &str,
    recovery_key: &str,
) -> Result<Vec<Created>, VaultError> {
    let mut created = Vec::new();
    for purpose in Purpose::ALL {
        if lock.key_in_state(purpose, "active").await?.is_some() {
            continue;
        }
        let key_id = match lock.key_in_state(purpose, "pending").await? {
            Some(pending) => pending,
            None => write_pending(lock, kms, purpose, ingest_key, recovery_key).await?,
        };
        for holder in Holder::ALL {
            unwrap(kms, &lock.wrap_of(key_id, holder.name()).await?, holder).await?;
        }
        lock.activate(key_id).await?;
        created.push(Created { purpose, key_id });
    }
    Ok(created)
}

async fn write_pending(
    lock: &mut InitLock,
    kms: &Kms,
    purpose: Purpose,
    ingest_key: &str,
    recovery_key: &str,
) -> Result<KeyId, VaultError> {
    let key_id = lock.next_key_id().await?;
    let secret = random_secret(purpose.key_len()).map_err(|_| VaultError::NoRandomness)?;
    let key = DataKey::new(purpose, secret).map_err(|_| VaultError::CheckValue(key_id))?;
    let mut wraps: Vec<NewWrap> = Vec::new();
    for (holder, kms_key) in Holder::ALL.into_iter().zip([ingest_key, recovery_key]) {
        let context = WrapContext { purpose, key_id, holder };
        let wrapped = kms.wrap(kms_key, key.expose_for_wrapping(), context).await;
        let wrapped = wrapped.map_err(|source| VaultError::Kms { key_id, source })?;
        wraps.push(NewWrap { holder: holder.name(), kms_key_arn: wrapped.kms_key_arn, wrapped: wrapped.bytes });
    }
    if wraps[0].kms_key_arn == wraps[1].kms_key_arn {
        return Err(VaultError::OneKmsKey);
    }
    lock.insert_pending(key_id, purpose, key.check_value(), &wraps).await?;
    Ok(key_id)
}

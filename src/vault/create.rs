//! New data keys: written pending with both wraps, read back, unwrapped, compared,
//! recorded and signed, and only then activated.
//!
//! Invariant: a key that is active can be unwrapped by both holders, and the audit log
//! has its creation.

use serde::Serialize;
use serde_json::Value;

use super::keyring::unwrap_row;
use super::{Signer, TryOut, VaultError};
use crate::audit::RecordKind;
use crate::crypto::random_secret;
use crate::db::{KeyFacts, NewWrap, Session};
use crate::kms::{Kms, WrapContext, is_one_key};
use crate::token::{DataKey, Holder, KeyId, KeyState, Purpose};

/// The index that lets only one key of a purpose be pending.
pub(crate) const ONE_PENDING_KEY: &str = "one_pending_key";

/// A key that was made or found pending, and activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Created {
    /// What it is for.
    pub purpose: Purpose,
    /// Its number.
    pub key_id: KeyId,
}

/// The KMS keys of an installation, as the settings name them.
pub(crate) struct KmsKeys {
    /// Wraps for the loader.
    pub ingest: String,
    /// Wraps for unmaskers.
    pub recovery: String,
}

/// Gives each purpose that has no active key its first one. A pending key left by a crash
/// is checked and used.
///
/// # Errors
/// When the database or KMS fails, or a key does not read back as it was written.
pub(crate) async fn create_missing_keys(
    session: &mut Session,
    kms: &Kms,
    signer: &Signer,
    keys: &KmsKeys,
) -> Result<Vec<Created>, VaultError> {
    let mut created = Vec::new();
    for purpose in Purpose::ALL {
        if session.key_in_state(purpose, KeyState::Active).await?.is_some() {
            continue;
        }
        if created.is_empty() && signer.try_out().await? == TryOut::NotVerified {
            // Nothing is begun that could not be signed. If this role cannot tell whether
            // it is signed rightly, others will.
            tracing::warn!(
                "this role may not read the public half of the audit key: nothing tells yet that \
                 KMS signs rightly"
            );
        }
        created.push(Created { purpose, key_id: pending_key(session, kms, purpose, keys).await? });
    }
    record_all(session, signer).await?;
    for key in &created {
        session.activate(key.key_id).await?;
    }
    Ok(created)
}

/// The pending key of a purpose, new or left by a crash, which both holders can unwrap.
///
/// # Errors
/// When the database or KMS fails, or the key does not read back as it was written.
pub(crate) async fn pending_key(
    session: &mut Session,
    kms: &Kms,
    purpose: Purpose,
    keys: &KmsKeys,
) -> Result<KeyId, VaultError> {
    let key_id = match session.key_in_state(purpose, KeyState::Pending).await? {
        Some(pending) => pending,
        None => match write_pending(session, kms, purpose, keys).await {
            // Another process was faster; there is one pending key a purpose.
            Err(VaultError::Db(error)) if error.is_duplicate_of(ONE_PENDING_KEY) => {
                session.key_in_state(purpose, KeyState::Pending).await?.ok_or(error)?
            }
            written => written?,
        },
    };
    for holder in Holder::ALL {
        unwrap_row(kms, &session.wrap_of(key_id, holder).await?, holder).await?;
    }
    Ok(key_id)
}

async fn write_pending(
    session: &mut Session,
    kms: &Kms,
    purpose: Purpose,
    keys: &KmsKeys,
) -> Result<KeyId, VaultError> {
    let key_id = session.next_key_id().await?;
    let secret = random_secret(purpose.key_len()).map_err(|_| VaultError::NoRandomness)?;
    let key = DataKey::new(purpose, secret).map_err(|_| VaultError::CheckValue(key_id))?;
    let mut wraps: Vec<NewWrap> = Vec::new();
    for (holder, kms_key) in Holder::ALL.into_iter().zip([&keys.ingest, &keys.recovery]) {
        let context = WrapContext { purpose, key_id, holder };
        let wrapped = kms.wrap(kms_key, key.expose_for_wrapping(), context).await;
        let wrapped = wrapped.map_err(|source| VaultError::Kms { key_id, source })?;
        wraps.push(NewWrap { holder, kms_key_arn: wrapped.kms_key_arn, wrapped: wrapped.bytes });
    }
    if is_one_key(&wraps[0].kms_key_arn, &wraps[1].kms_key_arn) {
        return Err(VaultError::OneKmsKey);
    }
    session.insert_pending(key_id, purpose, key.check_value(), &wraps).await?;
    Ok(key_id)
}

/// Every key has a signed record of its creation: new ones, those that a crash left
/// unsigned, and those from before there was a log.
///
/// # Errors
/// When the database or KMS fails, or the log has an unsigned record of a key that is
/// another than the vault's.
pub(crate) async fn record_all(session: &Session, signer: &Signer) -> Result<(), VaultError> {
    let facts = session.key_facts().await?;
    for key in facts.iter().filter(|key| !key.is_recorded) {
        session.record(RecordKind::KeyCreate, &Creation::of(key).to_json()).await?;
    }
    let is_ours = |record: &str| facts.iter().any(|key| Creation::of(key).is_told_by(record));
    signer.catch_up(session, RecordKind::KeyCreate, is_ours).await
}

/// What the log says of a new key.
#[derive(Serialize)]
struct Creation<'a> {
    key_id: KeyId,
    purpose: &'static str,
    check_value: String,
    wraps: Vec<Wrap<'a>>,
    version: &'static str,
}

#[derive(Serialize)]
struct Wrap<'a> {
    holder: &'static str,
    kms_key_arn: &'a str,
}

impl<'a> Creation<'a> {
    fn of(key: &'a KeyFacts) -> Self {
        Self {
            key_id: key.key_id,
            purpose: key.purpose.name(),
            check_value: hex::encode(&key.check_value),
            wraps: key
                .wraps
                .iter()
                .map(|(holder, kms_key_arn)| Wrap { holder: holder.name(), kms_key_arn })
                .collect(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// Whether a record is about this very key; wraps and versions may
    /// have changed since.
    fn is_told_by(&self, record: &str) -> bool {
        let (ours, theirs) =
            (serde_json::json!(self), serde_json::from_str::<Value>(record).unwrap_or_default());
        ["key_id", "purpose", "check_value"].iter().all(|name| ours.get(name) == theirs.get(name))
    }
}

//! Signing the audit log: KMS signs a committed record's hash, and the signature is
//! stored beside it.
//!
//! Invariant: what is signed is a hash that the database answered to this process when it
//! committed the record, or one that this process has computed from the record's parts.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

use super::VaultError;
use crate::audit::{Head, RecordKind};
use crate::aws::CallKind;
use crate::crypto::Digest;
use crate::db::{DbError, Session};
use crate::kms::Kms;

/// What trying out a signer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TryOut {
    /// What it signs verifies.
    Verified,
    /// It signs; this role may not read the public key.
    NotVerified,
}

/// Signs with one KMS key.
#[derive(Clone)]
pub(crate) struct Signer {
    kms: Kms,
    key: String,
}

impl Signer {
    /// Signs with this key: an alias, id or ARN.
    #[must_use]
    pub(crate) fn new(kms: Kms, key: String) -> Self {
        Self { kms, key }
    }

    /// Has a record signed and keeps the signature.
    ///
    /// # Errors
    /// When KMS does not sign, or the database does not store.
    pub(crate) async fn sign(&self, session: &Session, record: &Head) -> Result<(), VaultError> {
        let signed = self.kms.sign(&self.key, &record.hash).await;
        let signed = signed.map_err(|source| VaultError::Unsigned { seq: record.seq, source })?;
        let kept =
            match session.store_signature(record.seq, &signed.key_arn, &signed.signature).await {
                // It stands there: an earlier answer was lost on its way, or another
                // process of this login was faster.
                Err(error) if error.is_duplicate_of("signatures_pkey") => {
                    session.is_kept(record, None).await?
                }
                stored => {
                    stored?;
                    session.is_kept(record, Some(&signed.signature)).await?
                }
            };
        if kept { Ok(()) } else { Err(VaultError::NotKept { seq: record.seq }) }
    }

    /// The same for a record after which there is no way back: for about half a minute, a
    /// faulty KMS is asked again and a lost connection made anew.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub(crate) async fn sign_patiently(
        &self,
        session: &Session,
        record: &Head,
    ) -> Result<(), VaultError> {
        let mut pauses = ExponentialBuilder::default().with_jitter().with_max_times(6).build();
        loop {
            let error = match self.sign(session, record).await {
                Err(error) if error.retry().may_help() => error,
                other => return other,
            };
            let Some(pause) = pauses.next() else { return Err(error) };
            tokio::time::sleep(pause.min(Duration::from_secs(8))).await;
        }
    }

    /// Whether KMS signs with this key, found out with a digest that is of no record; and
    /// whether what it signs verifies with the public half of the key, where this role
    /// may read that.
    ///
    /// # Errors
    /// When it does not sign. [`VaultError::WrongSigner`]: it signs something else.
    pub(crate) async fn try_out(&self) -> Result<TryOut, VaultError> {
        let public = match self.kms.public_key(&self.key).await {
            // Its public half says it plainly; Sign has many words for it.
            Err(error) if error.kind == CallKind::KeyKind => {
                return Err(VaultError::NoSigner(error));
            }
            public => public,
        };
        let signed = self.kms.sign(&self.key, &Digest::default().current()).await;
        let signed = signed.map_err(VaultError::NoSigner)?;
        match public {
            Ok(public) if public.verifies(b"", &signed.signature) => Ok(TryOut::Verified),
            Ok(_) => Err(VaultError::WrongSigner),
            // The group that signs need not be the one that verifies.
            Err(error) if error.kind == CallKind::Denied => Ok(TryOut::NotVerified),
            Err(error) => Err(VaultError::NoSigner(error)),
        }
    }

    /// Refuses a key that cannot sign the log, before anything is begun; as far as this
    /// role can see that.
    ///
    /// # Errors
    /// When KMS says that the key is of another kind. Other faults are left to
    /// [`Signer::sign`].
    pub(crate) async fn check_kind(&self) -> Result<(), VaultError> {
        match self.kms.public_key(&self.key).await {
            Err(error) if error.kind == CallKind::KeyKind => Err(VaultError::NoSigner(error)),
            _ => Ok(()),
        }
    }

    /// Signs what this login left unsigned, if it is what this process would write:
    /// `is_ours` says so.
    ///
    /// # Errors
    /// When a record is another than expected, or [`Signer::sign`] fails.
    pub(crate) async fn catch_up(
        &self,
        session: &Session,
        kind: RecordKind,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<(), VaultError> {
        for record in session.unsigned_records(kind).await? {
            if !is_ours(&record.details) || record.computed_hash() != record.hash.as_slice() {
                return Err(DbError::Invalid(
                    "unsigned audit record: it is not what this program wrote",
                )
                .into());
            }
            self.sign(session, &record.head()).await?;
        }
        Ok(())
    }
}

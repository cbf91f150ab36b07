//! The gate, walked through in one order only: ask (commit, sign) → release the keys → conclude (commit, sign).
//!
//! Invariant: a [`Receipt`] exists only once the outcome is committed and signed, and what was recovered can be read
//! only with the one of the same request. Each step is the only way to the next:
//!
//! ```text
//! Gate ─ask→ UnsignedRequest ─sign→ SignedRequest ─release→ RecoveryKeys ─open→ Recovered
//!                                        └─conclude→ Receipt ──────────────────────┴─disclose→ bytes
//! ```
//!
//! A receipt cannot be made up:
//!
//! ```compile_fail
//! let head = loginetl::audit::Head::default();
//! let receipt = loginetl::vault::Receipt { head, request: 1 };
//! ```
//!
//! Nor can a recovered value be printed, compared or taken apart without one. This is how it is read, and it compiles:
//!
//! ```
//! use loginetl::vault::{Receipt, Recovered};
//! fn read(value: &Recovered, receipt: &Receipt) -> Vec<u8> { value.disclose(receipt).unwrap_or_default().to_vec() }
//! ```
//!
//! These do not:
//!
//! ```compile_fail
//! use loginetl::vault::Recovered;
//! fn read(value: &Recovered) -> Vec<u8> { value.disclose().unwrap_or_default().to_vec() }
//! ```
//!
//! ```compile_fail
//! use loginetl::vault::Recovered;
//! fn read(value: &Recovered) -> String { format!("{value}") }
//! ```
//!
//! ```compile_fail
//! use loginetl::vault::Recovered;
//! fn read(value: &Recovered) -> String { format!("{value:?}") }
//! ```
//!
//! ```compile_fail
//! use loginetl::vault::Recovered;
//! fn read(value: Recovered) -> loginetl::crypto::SecretBytes { value.bytes }
//! ```
//!
//! ```compile_fail
//! use loginetl::vault::Recovered;
//! fn read(value: &Recovered) -> serde_json::Value { serde_json::to_value(value).unwrap() }
//! ```

use futures_util::future::try_join_all;

use super::keyring::unwrap_row;
use super::{RecoveryKeys, Signer, VaultError};
use crate::audit::{Head, RecordKind};
use crate::db::Session;
use crate::kms::Kms;
use crate::token::{Holder, KeyId};

/// Before the request.
pub(crate) struct Gate {
    /// The connection of the login that asks.
    pub session: Session,
    /// Unwraps.
    pub kms: Kms,
    /// Signs.
    pub signer: Signer,
}

/// The answer to a request. Either way it is in the log.
pub(crate) enum Decision {
    /// The way to the keys is open, once it is signed.
    Granted(Box<UnsignedRequest>),
    /// This login may not; the record of the denial.
    Denied(Head),
}

/// A request that is committed.
pub(crate) struct UnsignedRequest {
    gate: Gate,
    request: Head,
    keys: Vec<KeyId>,
}

/// A request that is committed and signed.
pub(crate) struct SignedRequest {
    gate: Gate,
    request: Head,
    keys: Vec<KeyId>,
}

/// Proof that the outcome of a request is committed and signed.
pub struct Receipt {
    head: Head,
    request: i64,
}

impl Gate {
    /// Records what is asked and why; from then on it cannot be undone.
    ///
    /// # Errors
    /// When the database does not record it.
    pub(crate) async fn ask(self, kind: RecordKind, details: &str, keys: Vec<KeyId>) -> Result<Decision, VaultError> {
        let requested = self.session.request_unmask(kind, details, &keys).await?;
        if !requested.is_granted {
            return Ok(Decision::Denied(requested.head));
        }
        Ok(Decision::Granted(Box::new(UnsignedRequest { gate: self, request: requested.head, keys })))
    }
}

impl UnsignedRequest {
    /// The request's number.
    #[must_use]
    pub(crate) fn request(&self) -> i64 {
        self.request.seq
    }

    /// Has the request signed.
    ///
    /// # Errors
    /// When KMS does not sign it: then no key is released.
    pub(crate) async fn sign(self) -> Result<SignedRequest, VaultError> {
        let Self { gate, request, keys } = self;
        gate.signer.sign(&gate.session, &request).await?;
        Ok(SignedRequest { gate, request, keys })
    }
}

impl SignedRequest {
    /// The request's number.
    #[must_use]
    pub(crate) fn request(&self) -> i64 {
        self.request.seq
    }

    /// The connection, to look further for masked rows.
    #[must_use]
    pub(crate) fn session(&self) -> &Session {
        &self.gate.session
    }

    /// Has the keys of the request released and unwrapped, each once.
    ///
    /// # Errors
    /// When the gate refuses, KMS does, or a key is not the one that was wrapped.
    pub(crate) async fn release(&self) -> Result<RecoveryKeys, VaultError> {
        // All releases are committed before the first wrap is handed out: none can be undone with a wrap in hand.
        for key in &self.keys {
            self.gate.session.release_key(self.request.seq, *key).await?;
        }
        let mut rows = Vec::new();
        for key in &self.keys {
            rows.push(self.gate.session.released_wrap(self.request.seq, *key).await?);
        }
        let keys = try_join_all(rows.iter().map(|row| unwrap_row(&self.gate.kms, row, Holder::Recovery))).await?;
        Ok(RecoveryKeys::new(self.request.seq, rows.iter().map(|row| row.key_id).zip(keys)))
    }

    /// Records what came of it, and has that signed. What was recovered can be read only after this.
    ///
    /// # Errors
    /// When the database does not record it, or KMS does not sign it: then nothing can be shown.
    pub(crate) async fn conclude(self, details: &str) -> Result<Receipt, VaultError> {
        let head = self.gate.session.record_outcome(self.request.seq, details).await?;
        self.gate.signer.sign_patiently(&self.gate.session, &head).await?;
        Ok(Receipt { head, request: self.request.seq })
    }
}

impl Receipt {
    /// The request whose outcome it proves.
    #[must_use]
    pub(super) fn request(&self) -> i64 {
        self.request
    }

    /// The head of the log that the outcome made.
    #[must_use]
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }
}

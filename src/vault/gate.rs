//! The gate, walked through in one order only: ask (commit, sign) → release the keys →
//! conclude (commit, sign).
//!
//! Invariant: a [`Receipt`] exists only once the outcome is committed and signed, and
//! what was recovered can be read only with the one of the same request. Each step is the
//! only way to the next:
//!
//! ```text
//! Gate ─ask→ UnsignedRequest ─sign→ SignedRequest ─release→ RecoveryKeys ─open→ Recovered
//!   │               ↑                 ↑  └─conclude→ Receipt ───────────────────┴─disclose→ bytes
//!   └─find→ LeftRequest ─resume───────┘
//! ```
//!
//! A request that another process of the same login has left is resumed as the same
//! types, so the same steps follow.
//!
//! A receipt cannot be made up:
//!
//! ```compile_fail
//! let head = loginetl::audit::Head::default();
//! let receipt = loginetl::vault::Receipt { head, request: 1 };
//! ```
//!
//! Nor can a recovered value be printed, compared or taken apart without one. This is how
//! it is read, and it compiles:
//!
//! ```
//! use loginetl::vault::{Receipt, Recovered};
//! fn read(value: &Recovered, receipt: &Receipt) -> Vec<u8> {
//!     value.disclose(receipt).unwrap_or_default().to_vec()
//! }
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

use super::VaultError;
use super::keyring::unwrap_row;
use super::recovery::{Receipt, RecoveryKeys};
use super::signing::Signer;
use crate::audit::{Head, Record, RecordKind};
use crate::db::{DbError, OwnRequest, Session};
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

/// A committed request of this login that another process of it may have left open.
pub(crate) struct LeftRequest {
    gate: Gate,
    own: OwnRequest,
}

/// A request that was taken up again.
pub(crate) enum ResumedRequest {
    /// It is still to be signed.
    Unsigned(Box<UnsignedRequest>),
    /// Its keys can be released.
    Signed(Box<SignedRequest>),
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

impl Gate {
    /// Records what is asked and why; from then on it cannot be undone.
    ///
    /// # Errors
    /// When the database does not record it.
    pub(crate) async fn ask(
        self,
        kind: RecordKind,
        details: &str,
        keys: Vec<KeyId>,
    ) -> Result<Decision, VaultError> {
        let requested = self.session.request_unmask(kind, details, &keys).await?;
        if !requested.is_granted {
            return Ok(Decision::Denied(requested.head));
        }
        Ok(Decision::Granted(Box::new(UnsignedRequest {
            gate: self,
            request: requested.head,
            keys,
        })))
    }

    /// Looks for a request of this login; nothing, if it has made none of this number.
    ///
    /// # Errors
    /// When the database is gone, or does not let this login look.
    pub(crate) async fn find(self, request: i64) -> Result<Option<LeftRequest>, VaultError> {
        Ok(self.session.own_request(request).await?.map(|own| LeftRequest { gate: self, own }))
    }
}

impl LeftRequest {
    /// The connection, to look for masked rows.
    #[must_use]
    pub(crate) fn session(&self) -> &Session {
        &self.gate.session
    }

    /// What it asks for.
    #[must_use]
    pub(crate) fn record(&self) -> &Record {
        &self.own.record
    }

    /// Whether it has its outcome, or was withdrawn.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        self.own.is_closed
    }

    /// Whether no key is released for it any more.
    #[must_use]
    pub(crate) fn is_late(&self) -> bool {
        self.own.is_late
    }

    /// Goes on with it, for these keys. Others than it names are not released.
    ///
    /// # Errors
    /// When its hash is not the one of its parts: somebody changed it,
    /// and nobody signs it.
    pub(crate) fn resume(self, keys: Vec<KeyId>) -> Result<ResumedRequest, VaultError> {
        let Self { gate, own } = self;
        if own.record.computed_hash() != own.record.hash.as_slice() {
            return Err(DbError::Invalid(
                "request in the audit log: its hash is not the one of its parts",
            )
            .into());
        }
        let request = own.record.head();
        Ok(if own.is_signed {
            ResumedRequest::Signed(Box::new(SignedRequest { gate, request, keys }))
        } else {
            ResumedRequest::Unsigned(Box::new(UnsignedRequest { gate, request, keys }))
        })
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
        // All releases are committed before the first wrap is handed out: none can be
        // undone with a wrap in hand.
        for key in &self.keys {
            self.gate.session.release_key(self.request.seq, *key).await?;
        }
        let mut rows = Vec::new();
        for key in &self.keys {
            rows.push(self.gate.session.released_wrap(self.request.seq, *key).await?);
        }
        let keys =
            try_join_all(rows.iter().map(|row| unwrap_row(&self.gate.kms, row, Holder::Recovery)))
                .await?;
        Ok(RecoveryKeys::new(self.request.seq, rows.iter().map(|row| row.key_id).zip(keys)))
    }

    /// Records what came of it, and has that signed. What was recovered can be read only
    /// after this.
    ///
    /// # Errors
    /// When the database does not record it, or KMS does not sign it: then
    /// nothing can be shown.
    pub(crate) async fn conclude(self, details: &str) -> Result<Receipt, VaultError> {
        let head = self.gate.session.record_outcome(self.request.seq, details).await?;
        self.gate.signer.sign_patiently(&self.gate.session, &head).await?;
        Ok(Receipt::of_outcome(head, self.request.seq))
    }
}

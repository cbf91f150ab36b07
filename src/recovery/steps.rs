//! The steps after the decision: sign → release → open → conclude. Each takes the one
//! before, with its request.

use super::answer::{self, Answer};
use super::outcome::OutcomeRecord;
use super::refusal::RecoveryError;
use super::search::Search;
use crate::vault::{Receipt, RecoveryKeys, SignedRequest, UnsignedRequest};

/// The request is committed, and what it is for was found.
pub(crate) struct CommittedRecovery {
    request: UnsignedRequest,
    search: Search,
}

/// The request is signed too.
pub(crate) struct SignedRecovery {
    request: SignedRequest,
    search: Search,
}

/// The keys that it names are released and unwrapped.
pub(crate) struct ReleasedRecovery {
    request: SignedRequest,
    search: Search,
    keys: RecoveryKeys,
}

/// What was found is open, and cannot be read yet.
pub(crate) struct OpenedRecovery {
    request: SignedRequest,
    answers: Vec<Answer>,
}

/// The outcome is committed and signed: what was opened may be shown.
pub(crate) struct ConcludedRecovery {
    /// In the order of the selectors.
    pub answers: Vec<Answer>,
    /// What discloses their values.
    pub receipt: Receipt,
}

impl CommittedRecovery {
    pub(super) fn new(request: UnsignedRequest, search: Search) -> Self {
        Self { request, search }
    }

    /// The request's number.
    #[must_use]
    pub(crate) fn number(&self) -> i64 {
        self.request.request()
    }

    /// Has the request signed.
    ///
    /// # Errors
    /// When KMS does not sign it: then no key is released.
    pub(crate) async fn sign(self) -> Result<SignedRecovery, RecoveryError> {
        Ok(SignedRecovery { request: self.request.sign().await?, search: self.search })
    }
}

impl SignedRecovery {
    pub(super) fn new(request: SignedRequest, search: Search) -> Self {
        Self { request, search }
    }

    /// The request's number.
    #[must_use]
    pub(crate) fn number(&self) -> i64 {
        self.request.request()
    }

    /// Has the keys released and unwrapped.
    ///
    /// # Errors
    /// When the gate refuses, or KMS does.
    pub(crate) async fn release(self) -> Result<ReleasedRecovery, RecoveryError> {
        let keys = self.request.release().await?;
        Ok(ReleasedRecovery { request: self.request, search: self.search, keys })
    }
}

impl ReleasedRecovery {
    /// Opens what was found, and forgets the keys.
    ///
    /// # Errors
    /// When the database is gone.
    pub(crate) async fn open(mut self) -> Result<OpenedRecovery, RecoveryError> {
        let answers = answer::open(self.search, &mut self.keys, self.request.session()).await?;
        Ok(OpenedRecovery { request: self.request, answers })
    }
}

impl OpenedRecovery {
    /// The request's number.
    #[must_use]
    pub(crate) fn number(&self) -> i64 {
        self.request.request()
    }

    /// Records what came of it, and has that signed.
    ///
    /// # Errors
    /// When the database does not record it, or KMS does not sign it: then
    /// nothing can be shown.
    pub(crate) async fn conclude(self) -> Result<ConcludedRecovery, RecoveryError> {
        let details = serde_json::to_string(&OutcomeRecord::of(&self.answers))?;
        Ok(ConcludedRecovery {
            answers: self.answers,
            receipt: self.request.conclude(&details).await?,
        })
    }
}

//! The vault: data keys, wrapped in the database by KMS, unwrapped in this process for as
//! long as they may be; and the gate that hands out the recovery wraps.

mod create;
mod gate;
mod job_keys;
mod job_plan;
mod keyring;
mod masking;
mod recovery;
mod rewrap;
mod signing;
mod sweep;

pub(crate) use create::{
    Created, KmsKeys, ONE_PENDING_KEY, create_missing_keys, pending_key, record_all,
};
pub(crate) use gate::{Decision, Gate, ResumedRequest, SignedRequest, UnsignedRequest};
pub(crate) use job_keys::{JobKeys, Remasker};
pub(crate) use job_plan::{JobPlan, PlanProblem, UnprovenPlan};
pub(crate) use keyring::{KeyCache, Keyring, check_wrap};
pub(crate) use masking::{Fit, Masking};
pub(crate) use recovery::{OpenFailure, OpenedValue, RecoveryKeys};
pub use recovery::{OtherRequest, Receipt, Recovered};
pub(crate) use rewrap::{Rewrapped, rewrap};
pub(crate) use signing::{Signer, TryOut};
pub(crate) use sweep::{Converted, Converter, SweepKeys};

use crate::aws::CallError;
use crate::db::DbError;
use crate::retry::Retry;
use crate::token::KeyId;

/// What can go wrong with keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// KMS failed for one key.
    #[error("data key {key_id} cannot be wrapped or unwrapped")]
    Kms {
        /// Which data key.
        key_id: KeyId,
        /// What KMS said.
        source: CallError,
    },
    /// KMS did not sign a record of the audit log.
    #[error("audit record {seq} cannot be signed")]
    Unsigned {
        /// Which record.
        seq: i64,
        /// What KMS said.
        source: CallError,
    },
    /// KMS does not sign with the audit key, so nothing was begun.
    #[error("the audit log cannot be signed")]
    NoSigner(#[source] CallError),
    /// What KMS signs does not verify with the public half of its own key.
    #[error("a signature of the audit key does not verify with the public half of that key")]
    WrongSigner,
    /// The database says that it stored a record and its signature, and
    /// they are not there.
    #[error(
        "audit record {seq} and its signature do not stand in the log, although the database \
         took them"
    )]
    NotKept {
        /// Which record.
        seq: i64,
    },
    /// A receipt of one request for a value of another.
    #[error(transparent)]
    OtherRequest(#[from] OtherRequest),
    /// There are no keys yet.
    #[error("there are no data keys in this database")]
    NoKeys,
    /// A key in force is not offered to this role.
    #[error("data key {0} is in force, but its wrap is not readable")]
    Unreadable(KeyId),
    /// The unwrapped key is not the one that was wrapped.
    #[error("data key {0} does not match its check value")]
    CheckValue(KeyId),
    /// Both holders would wrap under one KMS key.
    #[error("the ingest key and the recovery key are one KMS key")]
    OneKmsKey,
    /// The unwrapped keys are too old to be used, and could not be unwrapped again.
    #[error("the unwrapped keys are over an hour old and could not be unwrapped again")]
    Expired(#[source] Box<VaultError>),
    /// No randomness for a new key.
    #[error("the operating system has no randomness to give")]
    NoRandomness,
}

impl VaultError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Db(error) => error.retry(),
            Self::Kms { source, .. } | Self::Unsigned { source, .. } | Self::NoSigner(source) => {
                source.retry()
            }
            Self::Expired(source) => source.retry(),
            Self::NoRandomness => Retry::Later,
            Self::WrongSigner | Self::NotKept { .. } | Self::OtherRequest(_) | Self::NoKeys => {
                Retry::Never
            }
            Self::Unreadable(_) | Self::CheckValue(_) | Self::OneKmsKey => Retry::Never,
        }
    }
}

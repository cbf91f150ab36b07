//! Why a recovery does not go on. Names flags, numbers and fields; never quotes what may
//! be a value.

use std::fmt::Display;

use crate::db::DbError;
use crate::token::Field;
use crate::vault::VaultError;

/// A query that cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    /// A flag whose value cannot be read.
    #[error("a value of --{flag} {problem}")]
    Flag {
        /// Which flag.
        flag: &'static str,
        /// What is wrong with the value.
        problem: String,
    },
    /// No selector at all.
    #[error("--from: the file names nothing")]
    Empty,
    /// More selectors than allowed.
    #[error("{many} values are asked for, and --max-values allows {limit}")]
    TooMany {
        /// How many there are.
        many: usize,
        /// How many may be.
        limit: u32,
    },
    /// A clear value needs no recovery.
    #[error(
        "{} are not masked in this installation (loginetl init --{} masks them): look them up in \
         the column {}",
        .0.nouns(), .0.flags().mask.unwrap_or_default(), .0.name()
    )]
    NotMasked(Field),
}

impl QueryError {
    pub(super) fn of_flag(flag: &'static str, problem: &impl Display) -> Self {
        Self::Flag { flag, problem: problem.to_string() }
    }
}

/// Why a request cannot be taken up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResumeProblem {
    /// There is none of this number, or it is another's.
    #[error("this login has made no such request")]
    NotOwn,
    /// Nothing more comes of it.
    #[error("it has its outcome, or was withdrawn")]
    Closed,
    /// No key is released for it.
    #[error("it is older than five minutes")]
    Late,
    /// Rows of a value are no values of selectors.
    #[error("it is of the other kind: values of selectors, or rows of a value")]
    OtherKind,
    /// It names other selectors.
    #[error("it is for other selectors than these")]
    OtherSelectors,
    /// The keys that these selectors take are not those that it names.
    #[error("what these selectors take is not under the keys that it names")]
    OtherKeys,
}

/// Why a recovery ends before its receipt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    /// The database, KMS or the gate.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What is asked for.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A login that may not.
    #[error("this login may not recover values")]
    NotGranted,
    /// A request that is not taken up again.
    #[error("request {request} cannot be resumed: {problem}")]
    NotResumed {
        /// Which request.
        request: i64,
        /// Why not.
        problem: ResumeProblem,
    },
    /// A record that cannot be put into words.
    #[error("a record of the audit log cannot be written")]
    Record(#[from] serde_json::Error),
}

impl From<DbError> for RecoveryError {
    fn from(error: DbError) -> Self {
        Self::Vault(error.into())
    }
}

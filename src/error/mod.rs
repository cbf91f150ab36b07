//! Every failure of a command, and the one place that turns it into an exit
//! code and a remedy.

mod advice;
mod exit;
mod job;
#[cfg(test)]
mod tests;

use crate::audit::JustificationError;
use crate::aws::CallError;
use crate::crypto::NoPublicKey;
use crate::db::DbError;
use crate::recovery::{QueryError, RecoveryError, ResumeProblem};
use crate::retry::Retry;
use crate::settings::SettingsError;
use crate::token::SealError;
use crate::vault::VaultError;
pub(crate) use exit::Exit;
pub(crate) use job::JobError;

use advice::{aws_advice, db_advice, justification_hint, resume_hint, settings_hint, vault_advice};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Wrong flags or settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The queue or KMS.
    #[error(transparent)]
    Aws(#[from] CallError),
    /// The keys.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A sealed body.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A file to be loaded.
    #[error("{path}: {problem}")]
    File {
        /// The file, as it was named.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that can be read and cannot be loaded.
    #[error("{path}: {problem}")]
    FileRefused {
        /// The file, as it was named.
        path: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A file that is not the one of which loading began.
    #[error("{path}: {problem}")]
    FileChanged {
        /// The file, as it was named.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The same of an archive, whose lines have ids of their own.
    #[error("{path}: its content was changed while it was being loaded")]
    ArchiveChanged {
        /// The archive, as it was named.
        path: String,
    },
    /// A source of one's own.
    #[error("the source: {problem}")]
    Source {
        /// What is wrong.
        problem: String,
        /// Whether it may pass by itself.
        may_pass: bool,
    },
    /// An export could not be written.
    #[error("{path}: {problem}")]
    Export {
        /// The file, as it was named.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What should verify signatures is no public key.
    #[error("{path} {problem}")]
    PublicKey {
        /// The file, or where else it came from.
        path: String,
        /// What is wrong with it.
        problem: NoPublicKey,
    },
    /// A reason or ticket that must not be written down.
    #[error("the {what} {problem}")]
    Justification {
        /// Which of them.
        what: &'static str,
        /// What is wrong with it.
        problem: JustificationError,
    },
    /// This login may not recover values.
    #[error("this login may not recover values; the refusal is on record")]
    NotGranted,
    /// `--require-user` names another login.
    #[error("this is the login {login}, not the one that --require-user names")]
    OtherLogin {
        /// The login of the database URL.
        login: String,
    },
    /// A request that cannot be withdrawn.
    #[error("request {request} cannot be withdrawn")]
    NotWithdrawn {
        /// Which request.
        request: i64,
    },
    /// A request that cannot be taken up again.
    #[error("request {request} cannot be resumed: {problem}")]
    NotResumed {
        /// Which request.
        request: i64,
        /// Why not.
        problem: ResumeProblem,
    },
    /// Nobody knows whether the outcome was recorded.
    #[error("the outcome of request {request} may not be on record: nothing was shown")]
    OutcomeUnknown {
        /// Which request.
        request: i64,
    },
    /// A key that may not be destroyed.
    #[error("key {key} {problem}")]
    NotDestroyed {
        /// Which key.
        key: i64,
        /// Why not.
        problem: &'static str,
    },
    /// A key that an archive is under.
    #[error("key {key} is still in use outside of this database: {archives}")]
    Archived {
        /// Which key.
        key: i64,
        /// The archives, by their names and states.
        archives: String,
    },
    /// The last look before a key goes.
    #[error(
        "looking at all rows once more took over {seconds} s while loaders waited: key {key} was \
         not destroyed"
    )]
    LookTookTooLong {
        /// Which key.
        key: i64,
        /// What --longest-look allows.
        seconds: u32,
    },
    /// A signal came before the outcome was on record.
    #[error("interrupted: nothing was shown")]
    Interrupted,
    /// The output could not be written.
    #[error("cannot write the output")]
    Output(#[source] std::io::Error),
    /// The start-up self-test of the cipher failed.
    #[error("the self-test of AES-SIV failed: this build or this processor computes wrongly")]
    SelfTest,
    /// Stopped before it was done, because something does not answer.
    #[error("stopped before all was done: something did not answer in time")]
    Stopped,
    /// What a queue begins with are no login events.
    #[error(
        "the {what} begins with {messages} messages in a row that cannot be loaded: each is \
         {looks_like} ({reason})"
    )]
    RejectedFromStart {
        /// A queue, or something that has an end.
        what: &'static str,
        /// How many were looked at.
        messages: usize,
        /// Their reason code.
        reason: &'static str,
        /// What their bodies look like.
        looks_like: &'static str,
    },
    /// A job that masks outside of the database.
    #[error(transparent)]
    Job(#[from] JobError),
    /// What would end the commit of a job with 1, which says that it is registered.
    #[error("nothing was registered")]
    NotCommitted(#[source] Box<Error>),
    /// Stopped by a signal.
    #[error("stopped before all was done")]
    StoppedBySignal,
    /// A load that does not work, is not ready, or does not answer.
    #[error("{url}: {problem}")]
    Unhealthy {
        /// What was asked.
        url: String,
        /// What came of it.
        problem: String,
    },
    /// A part of this process stopped by a defect of ours.
    #[error("a worker of this process panicked; what it had in hand is not written")]
    Panicked,
    /// The process could not be set up.
    #[error("cannot start: {0}")]
    Start(String),
}

/// What the word for a queue is in [`Error::RejectedFromStart`].
pub(crate) const QUEUE: &str = "queue";

const REJECTED_ARCHIVE: &str = "see that it is the right one; nothing of it was loaded or \
                                quarantined; to quarantine such messages: --quarantine-from-start";
const NOT_DESTROYED: &str = "see: loginetl keys list; only a key that was retired by a rotation, \
                             and is empty, can go";
const ARCHIVED: &str = "rewrite the archive (remask), or delete it and: loginetl archive drop; a \
                        run that nobody committed: loginetl archive drop NAME --open-runs";
const FILE_CHANGED: &str = "the rows of what was read until then stay; compare them with the \
                            file before you load it again, for its unchanged lines would \
                            count twice";

const REJECTED_FROM_START: &str = "see that it is the right queue; none was quarantined or \
                                   deleted, all were given back, and each restart costs each of \
                                   them a receive (after maxReceiveCount, a queue with a \
                                   dead-letter queue moves them there); to quarantine them: \
                                   --quarantine-from-start";

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        Self::Settings(SettingsError::Flags(error.to_string()))
    }
}

impl From<RecoveryError> for Error {
    fn from(error: RecoveryError) -> Self {
        match error {
            RecoveryError::Vault(error) => Self::Vault(error),
            RecoveryError::Query(error) => error.into(),
            RecoveryError::NotGranted => Self::NotGranted,
            RecoveryError::NotResumed { request, problem } => Self::NotResumed { request, problem },
            RecoveryError::Record(error) => Self::Output(error.into()),
        }
    }
}

impl Error {
    /// Whether this process should try again what has failed. What ends a process ends
    /// it, even if the next one may succeed.
    #[must_use]
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Db(error) => error.retry(),
            Self::Aws(error) => error.retry(),
            Self::Vault(error) => error.retry(),
            Self::Seal(SealError::NoRandomness(_)) | Self::Source { may_pass: true, .. } => {
                Retry::Later
            }
            _ => Retry::Never,
        }
    }

    /// The exit code, and what the user can do.
    #[must_use]
    pub(crate) fn advice(&self) -> (Exit, String) {
        (self.exit(), self.hint())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Db(error) | Self::Vault(VaultError::Db(error)) => db_advice(error).0,
            Self::Aws(error) => aws_advice(error).0,
            Self::Vault(error) => vault_advice(error).0,
            Self::Settings(_)
            | Self::Source { may_pass: false, .. }
            | Self::File { .. }
            | Self::FileRefused { .. }
            | Self::Export { .. }
            | Self::PublicKey { .. } => Exit::Usage,
            Self::Job(error) => error.advice().0,
            Self::Justification { .. }
            | Self::NotGranted
            | Self::OtherLogin { .. }
            | Self::NotWithdrawn { .. }
            | Self::NotResumed { .. }
            | Self::NotDestroyed { .. }
            | Self::Archived { .. }
            | Self::NotCommitted(_) => Exit::Refused,
            Self::Seal(SealError::NoRandomness(_))
            | Self::Source { may_pass: true, .. }
            | Self::OutcomeUnknown { .. }
            | Self::LookTookTooLong { .. }
            | Self::Interrupted
            | Self::Output(_)
            | Self::ArchiveChanged { .. }
            | Self::Stopped
            | Self::StoppedBySignal
            | Self::Unhealthy { .. }
            | Self::Panicked
            | Self::Start(_) => Exit::Temporary,
            Self::Seal(_) | Self::FileChanged { .. } | Self::SelfTest => Exit::Integrity,
            Self::RejectedFromStart { .. } => Exit::Attention,
        }
    }

    fn hint(&self) -> String {
        let hint = match self {
            Self::Settings(error) => return settings_hint(error),
            Self::Db(error) | Self::Vault(VaultError::Db(error)) => return db_advice(error).1,
            Self::Aws(error) => return aws_advice(error).1,
            Self::Vault(error) => return vault_advice(error).1,
            Self::FileRefused { hint, .. } => return hint.clone(),
            Self::NotResumed { request, problem } => return resume_hint(*request, *problem),
            Self::Justification { problem, .. } => justification_hint(*problem),
            Self::Job(error) => return error.advice().1,
            Self::NotCommitted(error) => return error.hint(),
            Self::Seal(SealError::NoRandomness(_)) | Self::Source { may_pass: true, .. } => {
                "run it again"
            }
            Self::Source { may_pass: false, .. } => "see what the source needs",
            Self::Seal(_) => "somebody changed this row; compare it with a backup",
            Self::File { .. } => "check the name, and that you may read it",
            Self::FileChanged { .. } => FILE_CHANGED,
            Self::ArchiveChanged { .. } => "run it again: what was loaded stays and is recognised",
            Self::Export { .. } => "give --out another name, in a folder that you may write to",
            Self::PublicKey { .. } => {
                "give the public key of the audit key (see: loginetl audit verify --help)"
            }
            Self::NotGranted => {
                "connect as a login in loginetl_unmasker; a loader's or an analyst's login should \
                 not be one (docs/roles.md)"
            }
            Self::OtherLogin { .. } => "connect as your own login; the log shows who asked",
            Self::NotWithdrawn { .. } => {
                "only your own request can be, if no key was released for it and it has no \
                 outcome; an auditor sees which: loginetl audit list --kind unmask"
            }
            Self::OutcomeUnknown { .. } => {
                "database or KMS did not answer in time; an auditor sees what is on record: \
                 loginetl audit verify; then run it again"
            }
            Self::Archived { .. } => ARCHIVED,
            Self::LookTookTooLong { .. } => {
                "run it again when less is going on, or let loaders wait longer: \
                 --longest-look SECS"
            }
            Self::NotDestroyed { .. } => NOT_DESTROYED,
            Self::Interrupted => {
                "run it again; a request without an outcome stays in the log, and audit verify \
                 shows it"
            }
            Self::Output(_) => "see where the output goes: a full disk, a closed terminal?",
            Self::SelfTest => "do not load with it; use another build or machine",
            Self::Stopped => "run it again; nothing is lost",
            Self::RejectedFromStart { what: QUEUE, .. } => REJECTED_FROM_START,
            Self::RejectedFromStart { .. } => REJECTED_ARCHIVE,
            Self::StoppedBySignal => "run it again; it goes on where it was",
            Self::Unhealthy { .. } => "see what the loader logs; it answers where --listen says",
            Self::Panicked => "run it again, nothing is lost; and report the line above",
            Self::Start(_) => "see whether the machine has memory, threads and file handles left",
        };
        hint.to_owned()
    }
}

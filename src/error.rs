//! Every failure of a command, and the one place that turns it into an exit code and a remedy.

use crate::audit::ReasonError;
use crate::aws::{CallError, CallKind};
use crate::crypto::NoPublicKey;
use crate::db::{DbError, Denial, SqlKind};
use crate::settings::SettingsError;
use crate::token::SealError;
use crate::vault::VaultError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    Reason {
        /// Which of them.
        what: &'static str,
        /// What is wrong with it.
        problem: ReasonError,
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
    /// The last look before a key goes.
    #[error("looking at all rows once more took over {seconds} s while loaders waited: key {key} was not destroyed")]
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
    #[error("the queue begins with {messages} messages in a row that cannot be loaded: each is {looks_like} ({reason})")]
    RejectedFromStart {
        /// How many were looked at.
        messages: usize,
        /// Their reason code.
        reason: &'static str,
        /// What their bodies look like.
        looks_like: &'static str,
    },
    /// Stopped by a signal.
    #[error("stopped before all was done")]
    StoppedBySignal,
    /// A part of this process stopped by a defect of ours.
    #[error("a worker of this process panicked; what it had in hand is not written")]
    Panicked,
    /// The process could not be set up.
    #[error("cannot start: {0}")]
    Start(String),
}

const REJECTED_FROM_START: &str = "see that it is the right queue; none was quarantined or deleted, all were given back, and each restart \
     costs each of them a receive (after maxReceiveCount, a queue with a dead-letter queue moves them there); to quarantine them: \
     --quarantine-from-start";

/// Exit codes (fixed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Done, but a person should look.
    Attention = 1,
    /// Wrong flags or settings.
    Usage = 2,
    /// Refused: role, KMS policy, key state, missing reason.
    Refused = 3,
    /// Temporary: safe to run again.
    Temporary = 4,
    /// A token, key or chain that was tampered with.
    Integrity = 5,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Error {
    /// The exit code, and what the user can do.
    #[must_use]
    pub fn advice(&self) -> (Exit, String) {
        match self {
            Self::Settings(error) => (Exit::Usage, settings_hint(error)),
            Self::Db(error) | Self::Vault(VaultError::Db(error)) => db_advice(error),
            Self::Aws(error) => aws_advice(error),
            Self::Vault(error) => vault_advice(error),
            Self::Seal(SealError::NoRandomness(_)) => (Exit::Temporary, "run it again".to_owned()),
            Self::Seal(_) => (Exit::Integrity, "somebody changed this row; compare it with a backup".to_owned()),
            Self::File { .. } => (Exit::Usage, "check the name, and that you may read it".to_owned()),
            Self::FileRefused { hint, .. } => (Exit::Usage, hint.clone()),
            Self::FileChanged { .. } => (
                Exit::Integrity,
                "the rows of what was read until then stay; compare them with the file before you load it again, for its \
                 unchanged lines would count twice"
                    .to_owned(),
            ),
            Self::Export { .. } => (Exit::Usage, "give --out another name, in a folder that you may write to".to_owned()),
            Self::PublicKey { .. } => {
                (Exit::Usage, "give the public key of the audit key (see: loginetl audit verify --help)".to_owned())
            }
            Self::Reason { problem: ReasonError::Empty | ReasonError::TooLong | ReasonError::Control, .. } => {
                (Exit::Refused, "say why in 1 to 500 printable characters; nothing was written".to_owned())
            }
            Self::Reason { .. } => (
                Exit::Refused,
                "it stays in the log for ever, so leave values out and name a case or ticket; nothing was written".to_owned(),
            ),
            Self::NotGranted => (Exit::Refused, "ask for membership: GRANT loginetl_unmasker TO your login".to_owned()),
            Self::OtherLogin { .. } => (Exit::Refused, "connect as your own login; the log shows who asked".to_owned()),
            Self::NotWithdrawn { .. } => (
                Exit::Refused,
                "only your own request can be, if no key was released for it and it has no outcome; an auditor sees which: loginetl audit list --kind unmask"
                    .to_owned(),
            ),
            Self::OutcomeUnknown { .. } => (
                Exit::Temporary,
                "database or KMS did not answer in time; an auditor sees what is on record: loginetl audit verify; then run it again"
                    .to_owned(),
            ),
            Self::LookTookTooLong { .. } => {
                (Exit::Temporary, "run it again when less is going on, or let loaders wait longer: --longest-look SECS".to_owned())
            }
            Self::NotDestroyed { .. } => (
                Exit::Refused,
                "see: loginetl keys list; only a key that was retired by a rotation, and is empty, can go".to_owned(),
            ),
            Self::Interrupted => (
                Exit::Temporary,
                "run it again; a request without an outcome stays in the log, and audit verify shows it".to_owned(),
            ),
            Self::Output(_) => (Exit::Temporary, "see where the output goes: a full disk, a closed terminal?".to_owned()),
            Self::SelfTest => (Exit::Integrity, "do not load with it; use another build or machine".to_owned()),
            Self::Stopped => (Exit::Temporary, "run it again; nothing is lost".to_owned()),
            Self::RejectedFromStart { .. } => (Exit::Attention, REJECTED_FROM_START.to_owned()),
            Self::StoppedBySignal => (Exit::Temporary, "run it again; it goes on where it was".to_owned()),
            Self::Panicked => (Exit::Temporary, "run it again, nothing is lost; and report the line above".to_owned()),
            Self::Start(_) => (Exit::Temporary, "see whether the machine has memory, threads and file handles left".to_owned()),
        }
    }
}

fn settings_hint(error: &SettingsError) -> String {
    match error {
        SettingsError::Missing { flag, variable, .. } => format!("set {variable}, or give {flag}"),
        SettingsError::NotUtf8(_) => "set it again".to_owned(),
        SettingsError::SensitiveLogging => "unset LOG_SENSITIVE_BODIES".to_owned(),
        SettingsError::Region(_) => "set it to something like eu-central-1".to_owned(),
        SettingsError::Blanks(name) => {
            format!("set it again, as in: export {name}=\"$(printf %s \"${name}\" | tr -d '[:space:]')\"")
        }
        SettingsError::Both(..) => "unset one of them".to_owned(),
        SettingsError::Endpoint(_) => "set it to something like http://127.0.0.1:4566, or unset it for AWS itself".to_owned(),
        SettingsError::LogFilter => "set it to a level or to targets with levels, like RUST_LOG=loginetl=debug".to_owned(),
        SettingsError::Flags(_) => "see --help".to_owned(),
    }
}

fn db_advice(error: &DbError) -> (Exit, String) {
    let (exit, hint) = match error {
        DbError::Url(problem) => (Exit::Usage, problem.remedy()),
        DbError::Stale(_) => {
            (Exit::Temporary, "make the password on the server and the one in the file the same, then run it again")
        }
        DbError::Tls(_) => (
            Exit::Usage,
            "TLS is verified by default: give sslrootcert=FILE for a private authority; for a server without TLS on a trusted network, sslmode=disable",
        ),
        DbError::Connect(_) | DbError::Lost { .. } => {
            (Exit::Temporary, "see that the server runs and can be reached, then run it again")
        }
        DbError::Server(_) => (Exit::Usage, "use PostgreSQL 14 or newer and a database in UTF8"),
        DbError::SchemaVersion { found, needed } if found < needed => (Exit::Usage, "run: loginetl init"),
        DbError::SchemaVersion { .. } => (Exit::Usage, "use the newer loginetl that made this schema"),
        DbError::Divergent(_) => (Exit::Usage, "use the loginetl that made this schema; migrations are frozen once released"),
        DbError::Table(_) => (Exit::Usage, "run the ALTER named above, or rename the table, then run loginetl init again"),
        DbError::Invalid(_) => (Exit::Integrity, "somebody changed the vault; compare it with a backup"),
        DbError::Blind { spots, .. } if spots.iter().all(|spot| spot.contains(" has no right to ")) => {
            (Exit::Refused, denial_hint(Denial::OwnerOfFunctions))
        }
        DbError::Blind { .. } => (
            Exit::Refused,
            "loginetl init makes the policies that row-level security needs; drop, disable or reset what else is named; nothing was changed",
        ),
        DbError::Swallowed { .. } => {
            (Exit::Refused, "disable or correct what is named, then run it again; nothing was changed by this transaction")
        }
        DbError::NotInherited { .. } => (
            Exit::Refused,
            "ALTER ROLE the login INHERIT, or GRANT the group again WITH INHERIT TRUE (PostgreSQL 16 or newer), then connect anew",
        ),
        DbError::Standby => (Exit::Usage, "name the primary in the database URL"),
        DbError::Owner { .. } => {
            (Exit::Refused, "run init as the owner of the table, or GRANT that role to this login (a superuser needs neither)")
        }
        DbError::Sql { kind, .. } => sql_advice(error, *kind),
    };
    (exit, hint.to_owned())
}

fn sql_advice(error: &DbError, kind: SqlKind) -> (Exit, &'static str) {
    match kind {
        SqlKind::Temporary | SqlKind::MissingDay => (Exit::Temporary, "run it again; nothing is lost"),
        SqlKind::ReadOnly => (
            Exit::Temporary,
            "the server is read-only (a standby, or in the midst of a failover): name the primary, then run it again",
        ),
        SqlKind::Login => (Exit::Refused, "see user name and password in the database URL, and the server's pg_hba.conf"),
        SqlKind::Denied(_) if error.is_about_roles() => (
            Exit::Refused,
            "run init as a superuser; or have one run GRANT loginetl_owner TO your login, which owns the database",
        ),
        SqlKind::Denied(denial) => (Exit::Refused, denial_hint(denial)),
        SqlKind::Gate if error.is_overtaken() => {
            (Exit::Temporary, "another process has changed it meanwhile; see: loginetl keys list, and run it again")
        }
        SqlKind::Gate => (
            Exit::Refused,
            "run it again; a request serves its own login, for the keys it names, for five minutes (see the README: unmask)",
        ),
        SqlKind::ForeignCode => (
            Exit::Refused,
            "a trigger or function of somebody else raised it: correct or disable it; loginetl check names the triggers on user_logins",
        ),
        SqlKind::Blind => (
            Exit::Refused,
            "loginetl_owner, whose functions count rows, cannot see all of them: loginetl check names what hides them; nothing was changed",
        ),
        SqlKind::Swallowed => {
            (Exit::Refused, "a trigger or rule on loginetl's own tables swallows what is written: loginetl check names it")
        }
        SqlKind::Missing => (
            Exit::Usage,
            "see that the URL names the right database; then run: loginetl check, which compares it, and loginetl init, which repairs it",
        ),
        SqlKind::Unsupported => {
            (Exit::Refused, "the table or the server is in another state than this needs; loginetl check may name it")
        }
        SqlKind::Pooler => (
            Exit::Refused,
            "a pooler or proxy changes transactions on the way: use its transaction or session mode, or connect directly",
        ),
        SqlKind::Data | SqlKind::Other => {
            (Exit::Attention, "look the SQLSTATE up in the PostgreSQL manual, appendix A; the server's log has the details")
        }
    }
}

/// SQLSTATE 42501 has many causes.
fn denial_hint(denial: Denial) -> &'static str {
    match denial {
        Denial::Policy => "a policy of row-level security refuses it: loginetl init makes the policies for loginetl's groups",
        Denial::Sequence => "the sequence is behind a default of user_logins: loginetl init grants USAGE on it",
        Denial::ForeignCode => {
            "a trigger or function of somebody else runs with the rights of this login and lacks one: make it SECURITY DEFINER, or grant it \
             what it needs; loginetl check names the triggers on user_logins"
        }
        Denial::OwnerOfFunctions => {
            "loginetl_owner, which owns loginetl's functions, has lost a right: loginetl init gives it back"
        }
        Denial::Grant => {
            "connect as a login that is a member of the group this command needs (see the README: roles); after a restore or a REVOKE, \
             loginetl init grants again"
        }
    }
}

fn aws_advice(error: &CallError) -> (Exit, String) {
    let (exit, hint) = match error.kind {
        CallKind::NoRegion => (Exit::Usage, "set AWS_REGION, or a region in the AWS profile"),
        CallKind::NoCredentials => (
            Exit::Usage,
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role; with SSO: eval \"$(aws configure export-credentials --format env)\"",
        ),
        CallKind::Denied => {
            (Exit::Refused, "see that the credentials are of the right role and that its policy allows the call (keys/README.md)")
        }
        CallKind::Missing => {
            (Exit::Usage, "see that the queue URL or key alias is right, and that it is in this account and region")
        }
        CallKind::KeyState => (Exit::Refused, "see the key's state in KMS: it must be enabled"),
        CallKind::KeyKind => (Exit::Usage, kind_hint(error.operation)),
        CallKind::Tampered => (Exit::Integrity, "the wrap was moved or changed; compare the row in vault.wraps with a backup"),
        CallKind::Busy => (Exit::Temporary, "run it again; nothing is lost"),
        CallKind::Unreachable => {
            (Exit::Temporary, "see that AWS_ENDPOINT_URL, the network and the proxy are right, then run it again")
        }
        CallKind::QueryProtocol => (
            Exit::Usage,
            "this emulator is too old for the AWS JSON protocol; use LocalStack 4.8.1 (docker compose up, or make up)",
        ),
        CallKind::Refused => (Exit::Attention, "look the error code up in the AWS documentation of the call"),
    };
    (exit, hint.to_owned())
}

/// What the KMS key of an operation must be, and where its name stands.
fn kind_hint(operation: &str) -> &'static str {
    match operation {
        "KMS Sign" | "KMS GetPublicKey" => {
            "the audit key must sign with ECDSA on P-256 (KeyUsage SIGN_VERIFY, KeySpec ECC_NIST_P256): name such a key by \
             LOGINETL_AUDIT_KEY or --audit-key; keys/create-keys.sh makes one"
        }
        _ => {
            "the ingest and the recovery key must encrypt (KeyUsage ENCRYPT_DECRYPT, KeySpec SYMMETRIC_DEFAULT): name such keys \
             by LOGINETL_INGEST_KEY and LOGINETL_RECOVERY_KEY; keys/create-keys.sh makes them"
        }
    }
}

fn vault_advice(error: &VaultError) -> (Exit, String) {
    let (exit, hint) = match error {
        VaultError::Db(error) => return db_advice(error),
        VaultError::Kms { source, .. } | VaultError::Unsigned { source, .. } | VaultError::NoSigner(source) => {
            return aws_advice(source);
        }
        VaultError::Expired(source) => return vault_advice(source),
        VaultError::WrongSigner => (
            Exit::Integrity,
            "this KMS, or the emulator that stands for it, signs wrongly (a DIGEST hashed again?): use another; nothing was begun",
        ),
        VaultError::NotKept { .. } => (
            Exit::Integrity,
            "something removes what is written into the audit log: loginetl check and audit verify; nothing was shown",
        ),
        VaultError::OtherRequest => (Exit::Integrity, "report this: it is a defect of loginetl; nothing was shown"),
        VaultError::NoKeys => (Exit::Usage, "run: loginetl init"),
        VaultError::Unreadable(_) => (Exit::Integrity, "a row of vault.wraps is missing; compare it with a backup"),
        VaultError::CheckValue(_) => {
            (Exit::Integrity, "a row of vault.data_keys or vault.wraps was changed; compare it with a backup")
        }
        VaultError::OneKmsKey => (Exit::Usage, "give two KMS keys: revoking recovery must not stop loading"),
        VaultError::NoRandomness => (Exit::Temporary, "run it again"),
    };
    (exit, hint.to_owned())
}

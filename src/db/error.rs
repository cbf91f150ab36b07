//! What can go wrong with the database, by SQLSTATE. Names objects and codes; never
//! quotes a value.

use jiff::civil::Date;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::sqlstate::{is_raised_by_user_code, kind_of};
use super::{Denial, SqlKind, UrlProblem};
use crate::audit::Group;
use crate::retry::Retry;

/// A failed call to the database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    /// The database URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlProblem),
    /// No connection with what a file holds now; it may be about to change.
    #[error("cannot connect to the database with what stands in the files now: {0}")]
    Stale(Box<DbError>),
    /// No connection, or none that may be used.
    #[error("cannot connect to the database: {0}")]
    Connect(String),
    /// TLS was asked for, and the server has none or shows a certificate
    /// that is not accepted.
    #[error("no TLS with the database: {0}")]
    Tls(String),
    /// The server is older than 14 or not in UTF8.
    #[error("the database server {0}")]
    Server(String),
    /// The connection broke; whether the last statement took effect is unknown.
    #[error("the connection to the database was lost while {action}")]
    Lost {
        /// What was being done.
        action: &'static str,
    },
    /// The server refused a statement.
    #[error(
        "the database refused with SQLSTATE {code}{object} while {action}{}",
        ServerText(message)
    )]
    Sql {
        /// What was being done.
        action: &'static str,
        /// What the code means to us.
        kind: SqlKind,
        /// The SQLSTATE.
        code: String,
        /// Table, column and constraint, where the server named them.
        object: String,
        /// The server's own words, where they can hold no value.
        message: Option<String>,
    },
    /// Something hides rows from whoever must see all, or swallows what is written.
    #[error("{} cannot see or write all rows: {}", .who, .spots.join("; "))]
    Blind {
        /// This login, or the owner of the functions that count.
        who: &'static str,
        /// What hides or swallows.
        spots: Vec<String>,
    },
    /// What was written is not what stands there: it was undone.
    #[error("rows do not stand as they were written, and the transaction was \
             undone, while {action}: {}", .suspects.join("; "))]
    Swallowed {
        /// What was being done.
        action: &'static str,
        /// What may have done it.
        suspects: Vec<String>,
    },
    /// A membership that gives no rights by itself.
    #[error("the login {login} is a member of {group}, but does not inherit its rights")]
    NotInherited {
        /// Who.
        login: String,
        /// Of which group.
        group: Group,
    },
    /// A server that takes no changes.
    #[error(
        "the database server is a read-only standby (it is in recovery), and this command writes"
    )]
    Standby,
    /// A table whose owner is somebody else.
    #[error(
        "the table public.user_logins belongs to its owner {owner}, and {login} is no member of \
         that role"
    )]
    Owner {
        /// Who owns it.
        owner: String,
        /// Who runs this.
        login: String,
    },
    /// The schema is not the one of this program.
    #[error("the schema in the database is version {found}, this program needs {needed}")]
    SchemaVersion {
        /// The version in the database; 0 before the first `init`.
        found: i32,
        /// The version of this program.
        needed: i32,
    },
    /// A migration in the database differs from the one in this program.
    #[error("migration {0} in the database is not the one of this program")]
    Divergent(String),
    /// `user_logins` has columns that loginetl cannot write.
    #[error("the table public.user_logins does not fit: {0}")]
    Table(String),
    /// The ledger may have forgotten messages of an archive.
    #[error("the ledger does not keep {day} any more, on which messages were sent")]
    Forgotten {
        /// Their day.
        day: Date,
    },
    /// A message of an archive is known under another day.
    #[error("the ledger has message {message_id} under another day, {day}")]
    OtherDay {
        /// Which message.
        message_id: Uuid,
        /// The day that the ledger has.
        day: Date,
    },
    /// The database holds something that only tampering or a defect can have put there.
    #[error("the database holds an invalid {0}")]
    Invalid(&'static str),
}

/// The server's message behind ours.
struct ServerText<'a>(&'a Option<String>);

impl std::fmt::Display for ServerText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_ref().map_or(Ok(()), |text| write!(f, ": {text}"))
    }
}

/// Classes of SQLSTATE whose primary messages name objects and settings. Those of 22, 23
/// and P0 quote values.
const SPEAKING: [&str; 8] = ["0A", "25", "3F", "42", "53", "55", "57", "58"];
/// Of these, nothing that a value is handed to raises one of its own.
const SPEAKING_FREELY: [&str; 3] = ["25", "53", "57"];
/// Routines of the server that name what a statement names. A constraint may look up
/// names that a value holds (`check (user_id::regclass is not null)`), and the server
/// then quotes it from other routines.
const SPEAKING_ROUTINES: [&str; 16] = [
    "aclcheck_error",
    "aclcheck_error_col",
    "nextval_internal",
    "parserOpenTable",
    "errorMissingColumn",
    "errorMissingRTE",
    "ParseFuncOrColumn",
    "check_enable_rls",
    "ExecWithCheckOptions",
    "CheckCmdReplicaIdentity",
    "BeginCopyFrom",
    "DoCopy",
    "RewriteQuery",
    "rewriteTargetListIU",
    "PreventCommandIfReadOnly",
    "checkInsertTargets",
];

/// Whose statement it was that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// One that values go through.
    Rows,
    /// One of `init`, which values do not go through.
    Schema,
}

/// The server's message, unless a value may be in it: anybody's trigger can raise any
/// code with any text.
fn message_of(about: About, error: &tokio_postgres::error::DbError) -> Option<String> {
    let class = &error.code().code()[..2];
    let is_harmless = about == About::Schema
        || SPEAKING_FREELY.contains(&class)
        || error.routine().is_some_and(|routine| SPEAKING_ROUTINES.contains(&routine));
    let is_speaking = SPEAKING.contains(&class) && is_harmless && !is_raised_by_user_code(error);
    let one_line = |c: char| if c.is_control() { ' ' } else { c };
    is_speaking.then(|| error.message().chars().map(one_line).collect())
}

impl DbError {
    /// Sorts an error of a statement.
    pub(super) fn sql(action: &'static str, error: &tokio_postgres::Error) -> Self {
        Self::of(About::Rows, action, error)
    }

    /// Sorts an error of a statement that no value goes through.
    pub(super) fn schema(action: &'static str, error: &tokio_postgres::Error) -> Self {
        Self::of(About::Schema, action, error)
    }

    /// Sorts an error of the statements of `init` that make the roles.
    pub(super) fn roles(error: &tokio_postgres::Error) -> Self {
        match Self::schema("creating roles and schemas", error) {
            Self::Sql { action, kind: SqlKind::Denied(_), code, object, message } => {
                Self::Sql { action, kind: SqlKind::Denied(Denial::Roles), code, object, message }
            }
            other => other,
        }
    }

    /// What an error of a transaction means that began by asking for the fence alone.
    pub(super) fn at_the_fence(self) -> Self {
        match self {
            Self::Sql { action, code, object, message, .. }
                if code == SqlState::LOCK_NOT_AVAILABLE.code() =>
            {
                Self::Sql { action, kind: SqlKind::FenceTaken, code, object, message }
            }
            other => other,
        }
    }

    fn of(about: About, action: &'static str, error: &tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else { return Self::Lost { action } };
        // RAISE … USING can put anything there, even a value.
        let is_raised = db.routine() == Some("exec_stmt_raise");
        let named = [
            db.table().map(|t| format!(" on table {t}")),
            db.column().map(|c| format!(", column {c}")),
            db.constraint().map(|c| format!(", constraint {c}")),
        ];
        let object = named.into_iter().flatten().filter(|_| !is_raised).collect();
        Self::Sql {
            action,
            kind: kind_of(db),
            code: db.code().code().to_owned(),
            object,
            message: message_of(about, db),
        }
    }

    /// Sorts an error of connecting. Transport errors carry no values, answers of the
    /// server are reduced to their code.
    pub(super) fn connect(error: &tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            // "database is not currently accepting connections":
            // somebody is at work on it.
            let is_closed = *db.code() == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
            let closed = || Self::Connect("it lets nobody in now (SQLSTATE 55000)".to_owned());
            return if is_closed { closed() } else { Self::sql("connecting", error) };
        }
        let mut text = error.to_string();
        let mut tls = false;
        let mut cause = std::error::Error::source(error);
        while let Some(current) = cause {
            let wrapped =
                current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            tls |= wrapped.is_some_and(|inner| inner.is::<rustls::Error>());
            let current_text = current.to_string();
            if !text.contains(&current_text) {
                text = format!("{text}: {current_text}");
            }
            cause = current.source();
        }
        match () {
            () if tls || text.contains("does not support TLS") => Self::Tls(text),
            () => Self::Connect(text),
        }
    }

    /// One word for it, as metrics name it.
    #[must_use]
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Self::Stale(error) => error.kind_name(),
            Self::Sql { kind, .. } => kind.name(),
            Self::Url(_) => "url",
            Self::Connect(_) => "unreachable",
            Self::Tls(_) => "tls",
            Self::Server(_) => "server",
            Self::Lost { .. } => "lost",
            Self::Blind { .. } => SqlKind::Blind.name(),
            Self::Swallowed { .. } => SqlKind::Swallowed.name(),
            Self::Standby => SqlKind::ReadOnly.name(),
            Self::NotInherited { .. } | Self::Owner { .. } => "denied",
            Self::SchemaVersion { .. } | Self::Divergent(_) => "schema",
            Self::Table(_) => "table",
            Self::Forgotten { .. } | Self::OtherDay { .. } => "ledger",
            Self::Invalid(_) => "invalid",
        }
    }

    /// What the SQLSTATE means, where there is one.
    #[must_use]
    pub(crate) fn sql_kind(&self) -> Option<SqlKind> {
        if let Self::Sql { kind, .. } = self { Some(*kind) } else { None }
    }

    /// Whether the server found the entry of this unique constraint there already, and
    /// nothing else.
    #[must_use]
    pub(crate) fn is_duplicate_of(&self, constraint: &str) -> bool {
        matches!(self, Self::Sql { code, object, .. }
            if code == "23505" && object.ends_with(&format!(", constraint {constraint}")))
    }

    /// Whether another process has changed what this one wanted to change.
    #[must_use]
    pub(crate) fn is_overtaken(&self) -> bool {
        self.sql_kind() == Some(SqlKind::Overtaken)
    }

    /// The SQLSTATE, where there is one.
    #[must_use]
    pub(crate) fn code(&self) -> Option<&str> {
        if let Self::Sql { code, .. } = self { Some(code) } else { None }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Connect(_) | Self::Stale(_) | Self::Lost { .. } => Retry::Later,
            Self::Sql { kind, .. } => kind.retry(),
            Self::Url(_)
            | Self::Tls(_)
            | Self::Server(_)
            | Self::Standby
            | Self::NotInherited { .. } => Retry::Never,
            Self::Blind { .. }
            | Self::Swallowed { .. }
            | Self::Owner { .. }
            | Self::Forgotten { .. }
            | Self::OtherDay { .. }
            | Self::SchemaVersion { .. } => Retry::Never,
            Self::Divergent(_) | Self::Table(_) | Self::Invalid(_) => Retry::Never,
        }
    }
}

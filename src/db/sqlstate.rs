//! What a SQLSTATE means to us: one table from codes to kinds.
//!
//! Invariant: it is told by codes and by the server's routines, never by messages, which
//! may be in any language.

use tokio_postgres::error::SqlState;

use crate::retry::Retry;

/// What a SQLSTATE means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SqlKind {
    /// Safe to send again: shutdown, out of resources, deadlock, timeout.
    Temporary,
    /// Loaders held the fence for longer than a rotation waits for it.
    FenceTaken,
    /// Another process has changed what this one wanted to change.
    Overtaken,
    /// The server takes no changes now: a standby, perhaps after a failover.
    ReadOnly,
    /// The login failed: user, password, or the server's rules about both.
    Login,
    /// The role may not, for one of several reasons.
    Denied(Denial),
    /// The database or its schema is not there, or is another.
    Missing,
    /// The server cannot do that with the table as it is.
    Unsupported,
    /// Something between this program and the server changes transactions.
    Pooler,
    /// The ledger has no partition for the day: make it and send again.
    MissingDay,
    /// One of the rows is to blame.
    Data,
    /// A function of the gate refused: the request is not one that it may answer.
    Gate,
    /// A trigger or function of somebody else raised it.
    ForeignCode,
    /// The owner of our functions cannot see all rows.
    Blind,
    /// Something has swallowed what was written.
    Swallowed,
    /// Anything else.
    Other,
}

/// Why a role may not: SQLSTATE 42501 has many causes, each with a remedy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// A policy of row-level security.
    Policy,
    /// A sequence behind a default.
    Sequence,
    /// A trigger or function of somebody else, which runs with the rights of this login.
    ForeignCode,
    /// The owner of our functions has lost a right.
    OwnerOfFunctions,
    /// The right to make roles, which takes a superuser or their administrator.
    Roles,
    /// A right that this login does not have.
    Grant,
}

impl SqlKind {
    /// One word for it, as metrics name it.
    #[must_use]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Temporary => "temporary",
            Self::FenceTaken => "fence_taken",
            Self::Overtaken => "overtaken",
            Self::ReadOnly => "read_only",
            Self::Login => "login",
            Self::Denied(_) => "denied",
            Self::Missing => "missing",
            Self::Unsupported => "unsupported",
            Self::Pooler => "pooler",
            Self::MissingDay => "missing_day",
            Self::Data => "data",
            Self::Gate => "gate",
            Self::ForeignCode => "foreign_code",
            Self::Blind => "blind",
            Self::Swallowed => "swallowed",
            Self::Other => "other",
        }
    }

    pub(super) const fn retry(self) -> Retry {
        match self {
            Self::FenceTaken => Retry::Now,
            Self::Temporary | Self::ReadOnly | Self::MissingDay | Self::Overtaken => Retry::Later,
            Self::Login
            | Self::Denied(_)
            | Self::Missing
            | Self::Unsupported
            | Self::Pooler
            | Self::Data => Retry::Never,
            Self::Gate | Self::ForeignCode | Self::Blind | Self::Swallowed | Self::Other => {
                Retry::Never
            }
        }
    }
}

/// Sorts an error of the server.
pub(super) fn kind_of(error: &tokio_postgres::error::DbError) -> SqlKind {
    let code = error.code();
    // "no partition of relation found for row" is a check violation without a constraint.
    if *code == SqlState::CHECK_VIOLATION
        && error.routine() != Some("exec_stmt_raise")
        && error.constraint().is_none()
        && error.table().is_some_and(|t| t.starts_with("ledger"))
    {
        return SqlKind::MissingDay;
    }
    match &code.code()[..2] {
        _ if code.code() == "LG004" => SqlKind::Overtaken,
        _ if code.code() == "LG007" => SqlKind::Blind,
        _ if code.code() == "LG008" => SqlKind::Swallowed,
        "LG" => SqlKind::Gate,
        // Whatever broke a connection, the next one may hold.
        "08" => SqlKind::Temporary,
        _ if TEMPORARY.contains(&code.code()) => SqlKind::Temporary,
        "22" | "23" => SqlKind::Data,
        "28" => SqlKind::Login,
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => SqlKind::ReadOnly,
        // A trigger or domain of the user's own that raises: the row is to blame.
        _ if *code == SqlState::RAISE_EXCEPTION => SqlKind::Data,
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => SqlKind::Denied(denial_of(error)),
        _ if is_raised_by_user_code(error) && !is_within_ours(error) => SqlKind::ForeignCode,
        _ if PASSING_UNLESS_RAISED.contains(&code.code()) => SqlKind::Temporary,
        _ if OTHER_TRANSACTIONS.contains(&code.code()) => SqlKind::Pooler,
        "0A" | "55" => SqlKind::Unsupported,
        "3D" | "3F" => SqlKind::Missing,
        _ if *code == SqlState::DATABASE_DROPPED => SqlKind::Missing,
        "42" if MISSING.contains(&code.code()) => SqlKind::Missing,
        "42" => SqlKind::Unsupported,
        _ => SqlKind::Other,
    }
}

/// A table, column, function or other object that is not there.
const MISSING: [&str; 4] = ["42P01", "42703", "42883", "42704"];

/// What passes by itself. Others of these classes do not: a limit that somebody has
/// set (53400), a database that was dropped (57P04), a file of the server that is
/// not there (58P01).
const TEMPORARY: [&str; 13] = [
    "40001", "40P01", // serialization failure, deadlock
    "53000", "53100", "53200", "53300", // out of resources, disk, memory, connections
    "57014", "57P01", "57P02", "57P03",
    "57P05", // cancelled, shut down, crashed, starting, idle
    "58000", "58030", // system error, I/O error
];

/// The same, unless somebody's code has raised it: `idle_in_transaction_session_timeout`,
/// `transaction_timeout`, an object in use, a lock that is not to be had.
const PASSING_UNLESS_RAISED: [&str; 4] = ["25P03", "25P04", "55006", "55P03"];

/// A transaction where none should be, none where one should be, and one that failed
/// before its first statement.
const OTHER_TRANSACTIONS: [&str; 3] = ["25001", "25P01", "25P02"];

/// Whether one of our own functions was at work.
fn is_within_ours(error: &tokio_postgres::error::DbError) -> bool {
    // The word before the name is in the server's language.
    let ours = [" vault.", " audit.", " ingest."];
    error.where_().is_some_and(|context| ours.iter().any(|name| context.contains(name)))
}

/// Told by the server's routine and not by its message, which may be in any language.
fn denial_of(error: &tokio_postgres::error::DbError) -> Denial {
    match error.routine() {
        _ if is_within_ours(error) => Denial::OwnerOfFunctions,
        _ if is_raised_by_user_code(error) => Denial::ForeignCode,
        Some("ExecWithCheckOptions" | "check_enable_rls") => Denial::Policy,
        Some("nextval_internal") => Denial::Sequence,
        _ => Denial::Grant,
    }
}

/// Whether a function or trigger of somebody else raised it. COPY has a context too,
/// which names no code.
pub(super) fn is_raised_by_user_code(error: &tokio_postgres::error::DbError) -> bool {
    let is_code = |context: &str| context.contains("PL/") || context.contains("SQL");
    error.routine() == Some("exec_stmt_raise") || error.where_().is_some_and(is_code)
}

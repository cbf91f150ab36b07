//! What can go wrong with the database, by SQLSTATE. Names objects and codes; never quotes a value.

use tokio_postgres::error::SqlState;

/// What begins each step of a rotation.
pub(super) const TAKING_THE_FENCE: &str = "taking the fence";

/// What `init` does first.
pub(super) const CREATING_ROLES: &str = "creating roles and schemas";

/// A failed call to the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database URL cannot be used.
    #[error("the database URL {0}")]
    Url(&'static str),
    /// No connection, or none that may be used.
    #[error("cannot connect to the database: {0}")]
    Connect(String),
    /// TLS was asked for, and the server has none or shows a certificate that is not accepted.
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
    #[error("the database refused with SQLSTATE {code}{object} while {action}")]
    Sql {
        /// What was being done.
        action: &'static str,
        /// What the code means to us.
        kind: SqlKind,
        /// The SQLSTATE.
        code: String,
        /// Table and constraint, where the server named them.
        object: String,
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
    /// The database holds something that only tampering or a defect can have put there.
    #[error("the database holds an invalid {0}")]
    Invalid(&'static str),
}

/// What a SQLSTATE means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlKind {
    /// Safe to send again: shutdown, read-only after a failover, out of resources, deadlock, timeout.
    Temporary,
    /// The login failed: user, password, or the server's rules about both.
    Login,
    /// The role may not.
    Denied,
    /// The database or its schema is not there.
    Missing,
    /// The ledger has no partition for the day: make it and send again.
    MissingDay,
    /// One of the rows is to blame.
    Data,
    /// A function of the gate refused: the request is not one that it may answer.
    Gate,
    /// Anything else.
    Other,
}

impl DbError {
    /// Sorts an error of a statement.
    pub(super) fn sql(action: &'static str, error: &tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else { return Self::Lost { action } };
        let named = [db.table().map(|t| format!(" on table {t}")), db.constraint().map(|c| format!(", constraint {c}"))];
        Self::Sql { action, kind: kind_of(db), code: db.code().code().to_owned(), object: named.into_iter().flatten().collect() }
    }

    /// Sorts an error of connecting. Transport errors carry no values, answers of the server are reduced to their code.
    pub(super) fn connect(error: &tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            // "database is not currently accepting connections": somebody is at work on it.
            let is_closed = *db.code() == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
            let closed = || Self::Connect("it lets nobody in now (SQLSTATE 55000)".to_owned());
            return if is_closed { closed() } else { Self::sql("connecting", error) };
        }
        let mut text = error.to_string();
        let mut tls = false;
        let mut cause = std::error::Error::source(error);
        while let Some(current) = cause {
            let wrapped = current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            tls |= wrapped.is_some_and(|inner| inner.is::<rustls::Error>());
            let current_text = current.to_string();
            if !text.contains(&current_text) {
                text = format!("{text}: {current_text}");
            }
            cause = current.source();
        }
        match () {
            () if text.contains("password missing") => Self::Url("lacks a password, and the server asks for one"),
            () if text.contains("invalid configuration") => Self::Url("is not complete"),
            () if tls || text.contains("does not support TLS") => Self::Tls(text),
            () => Self::Connect(text),
        }
    }

    /// What the SQLSTATE means, where there is one.
    #[must_use]
    pub fn sql_kind(&self) -> Option<SqlKind> {
        if let Self::Sql { kind, .. } = self { Some(*kind) } else { None }
    }

    /// Whether loaders held the fence for too long to wait.
    #[must_use]
    pub fn is_fence_taken(&self) -> bool {
        matches!(self, Self::Sql { action, code, .. } if *action == TAKING_THE_FENCE && code == "55P03")
    }

    /// Whether another process has changed what this one wanted to change.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        self.code() == Some("LG004")
    }

    /// The SQLSTATE, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        if let Self::Sql { code, .. } = self { Some(code) } else { None }
    }

    /// Whether `init` failed at the roles, which take a superuser or their administrator.
    #[must_use]
    pub fn is_about_roles(&self) -> bool {
        matches!(self, Self::Sql { action, .. } if *action == CREATING_ROLES)
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Lost { .. }) || self.sql_kind() == Some(SqlKind::Temporary)
    }
}

fn kind_of(error: &tokio_postgres::error::DbError) -> SqlKind {
    let code = error.code();
    // "no partition of relation found for row" is a check violation without a constraint.
    if *code == SqlState::CHECK_VIOLATION
        && error.constraint().is_none()
        && error.table().is_some_and(|t| t.starts_with("ledger"))
    {
        return SqlKind::MissingDay;
    }
    match &code.code()[..2] {
        "LG" => SqlKind::Gate,
        "08" | "40" | "53" | "57" | "58" => SqlKind::Temporary,
        "22" | "23" => SqlKind::Data,
        "28" => SqlKind::Login,
        "3D" | "3F" => SqlKind::Missing,
        _ if [SqlState::LOCK_NOT_AVAILABLE, SqlState::READ_ONLY_SQL_TRANSACTION].contains(code) => SqlKind::Temporary,
        _ if [SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT, SqlState::OBJECT_IN_USE].contains(code) => SqlKind::Temporary,
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => SqlKind::Denied,
        _ if [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_FUNCTION, SqlState::UNDEFINED_COLUMN].contains(code) => {
            SqlKind::Missing
        }
        // A trigger or domain of the user's own that raises: the row is to blame.
        _ if *code == SqlState::RAISE_EXCEPTION => SqlKind::Data,
        _ => SqlKind::Other,
    }
}

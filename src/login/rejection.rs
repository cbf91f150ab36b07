//! Why a message cannot become a row: a reason code, a field name and a length, never a value.

/// The reasons, as `ingest.quarantine` stores them and `quarantine list` shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The body is not JSON.
    NotJson,
    /// The body is JSON, but no object.
    NotAnObject,
    /// A field that is needed stands there twice.
    DuplicateField,
    /// A required field is absent.
    MissingField,
    /// A required field is JSON null.
    NullField,
    /// A field has another JSON type than its own.
    WrongType,
    /// A required field is an empty string.
    Empty,
    /// A field is longer than its column.
    TooLong,
    /// A field holds U+0000, which Postgres cannot store.
    NulCharacter,
    /// `ip` is no IPv4 or IPv6 literal.
    InvalidIp,
    /// `app_version` is not two or three groups of digits.
    InvalidAppVersion,
    /// `app_version` does not fit its integer.
    AppVersionOutOfRange,
    /// `create_date` or `timestamp` is present and no date.
    InvalidDate,
    /// The database refused the row: a constraint or trigger that loginetl does not know.
    DatabaseRejected,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 15] = [
        Self::NotUtf8,
        Self::NotJson,
        Self::NotAnObject,
        Self::DuplicateField,
        Self::MissingField,
        Self::NullField,
        Self::WrongType,
        Self::Empty,
        Self::TooLong,
        Self::NulCharacter,
        Self::InvalidIp,
        Self::InvalidAppVersion,
        Self::AppVersionOutOfRange,
        Self::InvalidDate,
        Self::DatabaseRejected,
    ];

    /// The code in SQL, JSON and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::DuplicateField => "duplicate_field",
            Self::MissingField => "missing_field",
            Self::NullField => "null_field",
            Self::WrongType => "wrong_type",
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::NulCharacter => "nul_character",
            Self::InvalidIp => "invalid_ip",
            Self::InvalidAppVersion => "invalid_app_version",
            Self::AppVersionOutOfRange => "app_version_out_of_range",
            Self::InvalidDate => "invalid_date",
            Self::DatabaseRejected => "database_rejected",
        }
    }
}

/// What is wrong with one message, where, and how long the offending text is (in characters, where that matters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The reason code.
    pub reason: Reason,
    /// The field's JSON name, where one is to blame.
    pub field: Option<&'static str>,
    /// The length of the offending field or body.
    pub length: Option<usize>,
}

impl Rejection {
    /// A body that is wrong as a whole.
    #[must_use]
    pub fn body(reason: Reason, length: usize) -> Self {
        Self { reason, field: None, length: Some(length) }
    }

    /// A field that is wrong, whatever its length.
    #[must_use]
    pub fn field(reason: Reason, field: &'static str) -> Self {
        Self { reason, field: Some(field), length: None }
    }

    /// A field whose text is wrong.
    #[must_use]
    pub fn text(reason: Reason, field: &'static str, text: &str) -> Self {
        Self { reason, field: Some(field), length: Some(text.chars().count()) }
    }
}

//! Why a message cannot become a row: a reason code, a field name and a
//! length, never a value.

/// The reasons, as `ingest.quarantine` stores them and `quarantine list` shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectReason {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The body is not JSON.
    NotJson,
    /// The body is JSON, but no object.
    NotAnObject,
    /// The body is a JSON array, whatever is in it.
    WrappedInArray,
    /// The body is several JSON objects, one behind the other.
    SeveralObjects,
    /// The body is compressed: gzip, zlib or zstd, or one of them in base64.
    Compressed,
    /// What a topic of SNS hands on, and it is not opened.
    SnsNotification,
    /// SNS asks to confirm a subscription, or its end.
    SnsConfirmation,
    /// An event of EventBridge, and it is not opened.
    EventBridgeEvent,
    /// S3 tells of an object.
    S3Notification,
    /// S3 tries whether its notifications arrive.
    S3TestEvent,
    /// An extended client has put the body into S3 and sends where it is.
    ExtendedClientPointer,
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
    /// A line has another number of cells than there are columns.
    ColumnCount,
    /// The database refused the row: a constraint or trigger that loginetl does not know.
    DatabaseRejected,
}

impl RejectReason {
    /// All reasons.
    pub const ALL: [Self; 25] = [
        Self::NotUtf8,
        Self::NotJson,
        Self::NotAnObject,
        Self::WrappedInArray,
        Self::SeveralObjects,
        Self::Compressed,
        Self::SnsNotification,
        Self::SnsConfirmation,
        Self::EventBridgeEvent,
        Self::S3Notification,
        Self::S3TestEvent,
        Self::ExtendedClientPointer,
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
        Self::ColumnCount,
        Self::DatabaseRejected,
    ];

    /// The code in SQL, JSON and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::WrappedInArray => "wrapped_in_array",
            Self::SeveralObjects => "several_objects",
            Self::Compressed => "compressed",
            Self::SnsNotification => "sns_notification",
            Self::SnsConfirmation => "sns_confirmation",
            Self::EventBridgeEvent => "eventbridge_event",
            Self::S3Notification => "s3_notification",
            Self::S3TestEvent => "s3_test_event",
            Self::ExtendedClientPointer => "extended_client_pointer",
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
            Self::ColumnCount => "column_count",
            Self::DatabaseRejected => "database_rejected",
        }
    }
}

impl RejectReason {
    /// What bodies with this reason look like.
    #[must_use]
    pub const fn looks_like(self) -> &'static str {
        match self {
            Self::NotUtf8 => "bytes that are no UTF-8",
            Self::NotJson => "no JSON",
            Self::NotAnObject => "a single JSON value that is no object",
            Self::WrappedInArray => "a JSON array, where one object is expected",
            Self::SeveralObjects => "several JSON objects in one body",
            Self::Compressed => "compressed, or compressed and in base64",
            Self::SnsNotification => "an SNS notification that is not opened (see --envelope)",
            Self::SnsConfirmation => "a request of SNS to confirm a subscription, or its end",
            Self::EventBridgeEvent => "an EventBridge event that is not opened (see --envelope)",
            Self::S3Notification => "a notification of S3, not an event itself",
            Self::S3TestEvent => "a test event of S3",
            Self::ExtendedClientPointer => {
                "the place in S3 where an extended client has put the body"
            }
            Self::MissingField => "a JSON object without a field that is needed",
            Self::ColumnCount => "a line with another number of cells than there are columns",
            Self::DatabaseRejected => "an event that the database refuses",
            Self::DuplicateField
            | Self::NullField
            | Self::WrongType
            | Self::Empty
            | Self::TooLong
            | Self::NulCharacter
            | Self::InvalidIp
            | Self::InvalidAppVersion
            | Self::AppVersionOutOfRange
            | Self::InvalidDate => "an event with a field that is wrong",
        }
    }
}

/// What is wrong with one message, where, and how long the offending text is (in
/// characters, where that matters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The reason code.
    pub reason: RejectReason,
    /// The field's JSON name, where one is to blame.
    pub field: Option<&'static str>,
    /// The length of the offending field or body.
    pub length: Option<usize>,
}

impl Rejection {
    /// A body that is wrong as a whole.
    #[must_use]
    pub fn body(reason: RejectReason, length: usize) -> Self {
        Self { reason, field: None, length: Some(length) }
    }

    /// A field that is wrong, whatever its length.
    #[must_use]
    pub fn field(reason: RejectReason, field: &'static str) -> Self {
        Self { reason, field: Some(field), length: None }
    }

    /// A field whose text is wrong.
    #[must_use]
    pub fn text(reason: RejectReason, field: &'static str, text: &str) -> Self {
        Self { reason, field: Some(field), length: Some(text.chars().count()) }
    }
}

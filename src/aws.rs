//! What the queue and KMS have in common: the SDK's configuration, and one
//! sorting of its failures.
//!
//! Invariant: no error text of the SDK or a service leaves this module, for they may
//! quote what was sent.

use std::error::Error as StdError;
use std::time::Duration;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::retry::Retry;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of one attempt; long polls set their own.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// A failed call to an AWS service.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {kind}{detail}")]
pub(crate) struct CallError {
    /// Service and operation, as AWS documents it: `SQS ReceiveMessage`.
    pub operation: &'static str,
    /// What it means to us.
    pub kind: CallKind,
    detail: String,
}

/// What a failed call means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallKind {
    /// No region is set.
    #[error("no AWS region is set")]
    NoRegion,
    /// No credentials are to be had.
    #[error("no AWS credentials were found")]
    NoCredentials,
    /// The credentials or a policy do not allow it.
    #[error("access denied")]
    Denied,
    /// The queue or key does not exist.
    #[error("there is no such resource")]
    Missing,
    /// The KMS key is disabled or pending deletion.
    #[error("the KMS key is not usable")]
    KeyState,
    /// The KMS key is of another kind: an audit key that encrypts, or signs with another
    /// algorithm; a key that should encrypt, and signs.
    #[error("the KMS key is of the wrong kind")]
    KeyKind,
    /// The recorded KMS key is of another region than the one that is set, and cannot be
    /// used there.
    #[error("the KMS key is of another region, and no multi-Region key")]
    OtherRegion,
    /// KMS does not recognise the ciphertext, its context or its key.
    #[error("the wrap does not belong to this key and context")]
    Tampered,
    /// Throttled, or a fault of the service: safe to call again.
    #[error("the service is busy or faulty")]
    Busy,
    /// No answer: safe to call again.
    #[error("the endpoint cannot be reached")]
    Unreachable,
    /// The endpoint answers XML: an emulator that knows the old query protocol alone.
    #[error("the endpoint speaks only the old query protocol")]
    QueryProtocol,
    /// The service refused the request for another reason.
    #[error("the service refused")]
    Refused,
}

impl CallKind {
    /// One word for it, as metrics name it.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoRegion => "no_region",
            Self::NoCredentials => "no_credentials",
            Self::Denied => "denied",
            Self::Missing => "missing",
            Self::KeyState => "key_state",
            Self::KeyKind => "key_kind",
            Self::OtherRegion => "other_region",
            Self::Tampered => "tampered",
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
            Self::QueryProtocol => "query_protocol",
            Self::Refused => "refused",
        }
    }
}

impl CallError {
    /// A failure that we found ourselves.
    pub(crate) fn new(operation: &'static str, kind: CallKind) -> Self {
        Self { operation, kind, detail: String::new() }
    }

    /// A KMS key that turned out to be of the wrong kind: of this one.
    pub(crate) fn of_kind(operation: &'static str, kind: &str) -> Self {
        Self { operation, kind: CallKind::KeyKind, detail: format!(" ({})", printable(kind)) }
    }

    /// A recorded KMS key of another region. Its ARN is made of words.
    pub(crate) fn of_other_region(operation: &'static str, arn: &str) -> Self {
        Self { operation, kind: CallKind::OtherRegion, detail: format!(" ({arn})") }
    }

    /// Sorts a failure of the SDK.
    pub(crate) fn of<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let raw = error.raw_response();
        let status = raw.map_or(0, |response| response.status().as_u16());
        if !matches!(status, 429 | 502..=504)
            && raw.and_then(|r| r.body().bytes()).is_some_and(is_query_protocol)
        {
            return Self {
                operation,
                kind: CallKind::QueryProtocol,
                detail: format!(" (HTTP {status})"),
            };
        }
        match error {
            // Cut short or mangled on the way: whether it took effect is unknown, and it
            // may be sent again.
            SdkError::ServiceError(_) if (200..300).contains(&status) => {
                Self::new(operation, CallKind::Busy)
            }
            SdkError::ServiceError(context) => {
                let code = context.err().code().unwrap_or("no error code");
                Self {
                    operation,
                    kind: kind_of(code, status),
                    detail: format!(" ({})", printable(code)),
                }
            }
            _ if find(error).is_some_and(are_missing) => {
                Self::new(operation, CallKind::NoCredentials)
            }
            SdkError::TimeoutError(_) => {
                Self { operation, kind: CallKind::Unreachable, detail: " (timeout)".to_owned() }
            }
            SdkError::DispatchFailure(_) => {
                let io = find::<std::io::Error>(error)
                    .map_or_else(String::new, |io| format!(" ({})", io.kind()));
                Self { operation, kind: CallKind::Unreachable, detail: io }
            }
            SdkError::ResponseError(_) => Self {
                operation,
                kind: CallKind::Busy,
                detail: " (the answer could not be read)".to_owned(),
            },
            _ => Self {
                operation,
                kind: CallKind::Refused,
                detail: " (the request could not be made)".to_owned(),
            },
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub(crate) fn retry(&self) -> Retry {
        match self.kind {
            CallKind::Busy | CallKind::Unreachable => Retry::Later,
            CallKind::NoRegion | CallKind::NoCredentials | CallKind::Denied | CallKind::Missing => {
                Retry::Never
            }
            CallKind::KeyState | CallKind::KeyKind | CallKind::OtherRegion | CallKind::Tampered => {
                Retry::Never
            }
            CallKind::QueryProtocol | CallKind::Refused => Retry::Never,
        }
    }
}

/// The configuration of both services, from the SDK's own environment
/// variables and profiles.
///
/// # Errors
/// When no region is set.
pub(crate) async fn configuration() -> Result<SdkConfig, CallError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    let region = DefaultRegionChain::builder().build().region().await;
    let Some(region) =
        region.map(|region| region.as_ref().trim().to_owned()).filter(|region| !region.is_empty())
    else {
        return Err(CallError::new("AWS configuration", CallKind::NoRegion));
    };
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region))
        .timeout_config(timeouts);
    let config = loader.load().await;
    let endpoint = config.endpoint_url().map(|endpoint| endpoint.trim().to_owned());
    let mut trimmed = config.to_builder();
    trimmed.set_endpoint_url(endpoint);
    trimmed.set_service_config(Some(Trimmed(config)));
    Ok(trimmed.build())
}

/// The settings of one service, such as `AWS_ENDPOINT_URL_KMS`, without blanks and line
/// ends around them.
#[derive(Debug)]
struct Trimmed(SdkConfig);

impl LoadServiceConfig for Trimmed {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        self.0.service_config()?.load_config(key).map(|value| value.trim().to_owned())
    }
}

fn kind_of(code: &str, status: u16) -> CallKind {
    match code {
        "AccessDenied"
        | "AccessDeniedException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidSecurity"
        | "KmsAccessDenied" => CallKind::Denied,
        "AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist" | "NotFoundException" => {
            CallKind::Missing
        }
        "DisabledException"
        | "KMSInvalidStateException"
        | "KeyUnavailableException"
        | "KmsDisabled"
        | "KmsInvalidState" => CallKind::KeyState,
        // GetPublicKey says the second of a symmetric key.
        "InvalidKeyUsageException" | "UnsupportedOperationException" => CallKind::KeyKind,
        "InvalidCiphertextException" | "IncorrectKeyException" => CallKind::Tampered,
        "RequestThrottled"
        | "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "OverLimit"
        | "KmsThrottled"
        | "LimitExceededException"
        | "KMSInternalException"
        | "DependencyTimeoutException"
        | "ServiceUnavailable" => CallKind::Busy,
        _ if status >= 500 || status == 429 => CallKind::Busy,
        _ if status == 403 => CallKind::Denied,
        _ => CallKind::Refused,
    }
}

/// Whether an answer is XML of the query protocol, and not the page of a proxy that
/// stands before the service.
fn is_query_protocol(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    [&b"<?xml"[..], b"<ErrorResponse", b"<Response"].iter().any(|xml| start.starts_with(xml))
}

/// Whether there are no credentials at all; a provider that does not answer
/// now may do so later.
fn are_missing(error: &CredentialsError) -> bool {
    matches!(
        error,
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)
    )
}

/// An error code is a word; whatever else an endpoint answers there is not repeated.
fn printable(code: &str) -> &str {
    let word = code.len() <= 64
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b' '));
    if word { code } else { "unreadable error code" }
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        cause = current.source();
    }
    None
}

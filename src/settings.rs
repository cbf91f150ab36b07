//! Settings: flags before environment before defaults. The one module that
//! reads the environment.
//!
//! Invariant: a setting's value is named in an error only where it
//! cannot hold a password.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// Alias of the KMS key that wraps for the loader.
pub(crate) const DEFAULT_INGEST_KEY: &str = "alias/loginetl-ingest";
/// Alias of the KMS key that wraps for unmaskers.
pub(crate) const DEFAULT_RECOVERY_KEY: &str = "alias/loginetl-recovery";
/// Alias of the KMS key that signs the audit log.
pub(crate) const DEFAULT_AUDIT_KEY: &str = "alias/loginetl-audit";

/// A setting is missing or cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum SettingsError {
    /// Neither flag nor variable.
    #[error("{what} is not set")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The flag that sets it.
        flag: &'static str,
        /// The variable that sets it.
        variable: &'static str,
    },
    /// A variable is not UTF-8.
    #[error("the variable {0} is not UTF-8")]
    NotUtf8(&'static str),
    /// The SDK would log bodies.
    #[error("LOG_SENSITIVE_BODIES is set: the AWS SDK would log message bodies and keys")]
    SensitiveLogging,
    /// The endpoint that is set cannot be one.
    #[error("{0} is no http or https URL")]
    Endpoint(&'static str),
    /// The region that is set cannot be one.
    #[error("{0} is no name of an AWS region")]
    Region(&'static str),
    /// The AWS SDK would sign with the blanks.
    #[error("{0} has a blank or a line end before or behind it")]
    Blanks(&'static str),
    /// A setting that is set twice.
    #[error("{0} and {1} are both set")]
    Both(&'static str, &'static str),
    /// `RUST_LOG` cannot be parsed.
    #[error("RUST_LOG cannot be parsed")]
    LogFilter,
    /// Flags that exclude each other, or a value out of range.
    #[error("{0}")]
    Flags(String),
}

/// Where the database URL is to be had.
#[derive(Clone)]
pub(crate) enum DatabaseUrl {
    /// Here.
    Text(String),
    /// In a file, which is read again for each connection.
    File(PathBuf),
}

/// What the environment says. Flags win over it.
#[derive(Default)]
pub(crate) struct Environment {
    /// `LOGINETL_DATABASE_URL` or `LOGINETL_DATABASE_URL_FILE`.
    pub database_url: Option<DatabaseUrl>,
    /// `PGPASSFILE`, or `.pgpass` in `HOME`: passwords for URLs without one.
    pub password_file: Option<PathBuf>,
    /// `LOGINETL_QUEUE_URL`.
    pub queue_url: Option<String>,
    /// `LOGINETL_INGEST_KEY`.
    pub ingest_key: Option<String>,
    /// `LOGINETL_RECOVERY_KEY`.
    pub recovery_key: Option<String>,
    /// `LOGINETL_AUDIT_KEY`.
    pub audit_key: Option<String>,
    /// `LOGINETL_KMS_REGION`: where KMS is asked, if not in the region of the AWS SDK.
    pub kms_region: Option<String>,
    /// `USER` or `LOGNAME`: what this process says of itself in the audit log. Nobody
    /// checks it.
    pub os_user: Option<String>,
    /// `RUST_LOG`.
    pub log_filter: Option<String>,
    /// `NO_COLOR` (no-color.org): set and not empty.
    pub no_color: bool,
}

/// What was typed, the name of the program first.
#[must_use]
pub(crate) fn words() -> Vec<OsString> {
    env::args_os().collect()
}

impl Environment {
    /// Reads the environment once.
    ///
    /// # Errors
    /// When a variable is not UTF-8, asks the AWS SDK to log bodies, or names an endpoint
    /// that cannot be one.
    pub(crate) fn read() -> Result<Self, SettingsError> {
        if variable("LOG_SENSITIVE_BODIES")?
            .is_some_and(|value| !matches!(value.as_str(), "false" | "0"))
        {
            return Err(SettingsError::SensitiveLogging);
        }
        check_aws()?;
        Ok(Self {
            database_url: database_url()?,
            password_file: password_file(),
            queue_url: variable("LOGINETL_QUEUE_URL")?,
            ingest_key: variable("LOGINETL_INGEST_KEY")?,
            recovery_key: variable("LOGINETL_RECOVERY_KEY")?,
            audit_key: variable("LOGINETL_AUDIT_KEY")?,
            kms_region: variable("LOGINETL_KMS_REGION")?,
            os_user: variable("USER")?.or(variable("LOGNAME")?),
            log_filter: variable("RUST_LOG")?,
            no_color: variable("NO_COLOR")?.is_some(),
        })
    }

    /// The database URL, by flag or variable.
    ///
    /// # Errors
    /// When neither is set.
    pub(crate) fn database_url(&self, flag: Option<String>) -> Result<DatabaseUrl, SettingsError> {
        trim(flag).map(DatabaseUrl::Text).or_else(|| self.database_url.clone()).ok_or(
            SettingsError::Missing {
                what: "the database URL",
                flag: "--database-url",
                variable: "LOGINETL_DATABASE_URL",
            },
        )
    }

    /// The queue URL, by flag or variable.
    ///
    /// # Errors
    /// When neither is set.
    pub(crate) fn queue_url(&self, flag: Option<String>) -> Result<String, SettingsError> {
        trim(flag).or_else(|| self.queue_url.clone()).ok_or(SettingsError::Missing {
            what: "the queue URL",
            flag: "--queue-url",
            variable: "LOGINETL_QUEUE_URL",
        })
    }

    /// The KMS key that wraps for the loader.
    #[must_use]
    pub(crate) fn ingest_key(&self, flag: Option<String>) -> String {
        trim(flag)
            .or_else(|| self.ingest_key.clone())
            .unwrap_or_else(|| DEFAULT_INGEST_KEY.to_owned())
    }

    /// The KMS key that wraps for unmaskers.
    #[must_use]
    pub(crate) fn recovery_key(&self, flag: Option<String>) -> String {
        trim(flag)
            .or_else(|| self.recovery_key.clone())
            .unwrap_or_else(|| DEFAULT_RECOVERY_KEY.to_owned())
    }

    /// The KMS key that signs the audit log.
    #[must_use]
    pub(crate) fn audit_key(&self, flag: Option<String>) -> String {
        trim(flag)
            .or_else(|| self.audit_key.clone())
            .unwrap_or_else(|| DEFAULT_AUDIT_KEY.to_owned())
    }
}

fn database_url() -> Result<Option<DatabaseUrl>, SettingsError> {
    const NAMES: [&str; 2] = ["LOGINETL_DATABASE_URL", "LOGINETL_DATABASE_URL_FILE"];
    match (variable(NAMES[0])?, variable(NAMES[1])?) {
        (Some(_), Some(_)) => Err(SettingsError::Both(NAMES[0], NAMES[1])),
        (Some(url), None) => Ok(Some(DatabaseUrl::Text(url))),
        (None, file) => Ok(file.map(|file| DatabaseUrl::File(PathBuf::from(file)))),
    }
}

/// As libpq finds it.
fn password_file() -> Option<PathBuf> {
    let path = |name: &str| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    path("PGPASSFILE").or_else(|| path("HOME").map(|home| home.join(".pgpass")))
}

/// What the SDK would only call a request that cannot be made. Blanks around endpoint and
/// region are harmless: they are taken away when the SDK has read them.
fn check_aws() -> Result<(), SettingsError> {
    let is_url = |url: &String| {
        let host = url.strip_prefix("http://").or(url.strip_prefix("https://"));
        host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace))
    };
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_KMS"] {
        if variable(name)?.is_some_and(|url| !is_url(&url)) {
            return Err(SettingsError::Endpoint(name));
        }
    }
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "LOGINETL_KMS_REGION"] {
        let is_name =
            |region: &String| region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if variable(name)?.is_some_and(|region| !is_name(&region)) {
            return Err(SettingsError::Region(name));
        }
    }
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"] {
        if env::var(name).is_ok_and(|value| value.trim() != value) {
            return Err(SettingsError::Blanks(name));
        }
    }
    Ok(())
}

/// Without blanks and line ends around it, as files and consoles leave them; `None` if
/// nothing is left.
fn trim(value: Option<String>) -> Option<String> {
    value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// A variable that is set and not blank.
fn variable(name: &'static str) -> Result<Option<String>, SettingsError> {
    match env::var(name) {
        Ok(value) => Ok(trim(Some(value))),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(SettingsError::NotUtf8(name)),
    }
}

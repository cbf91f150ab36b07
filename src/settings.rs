//! Settings: flags before environment before defaults. The one module that reads the environment.
//!
//! Invariant: a setting's value is named in an error only where it cannot hold a password.

use std::env;

/// Alias of the KMS key that wraps for the loader.
pub const DEFAULT_INGEST_KEY: &str = "alias/loginetl-ingest";
/// Alias of the KMS key that wraps for unmaskers.
pub const DEFAULT_RECOVERY_KEY: &str = "alias/loginetl-recovery";
/// Alias of the KMS key that signs the audit log.
pub const DEFAULT_AUDIT_KEY: &str = "alias/loginetl-audit";

/// A setting is missing or cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
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
    #[error("AWS_ENDPOINT_URL is no http or https URL")]
    Endpoint,
    /// `RUST_LOG` cannot be parsed.
    #[error("RUST_LOG cannot be parsed")]
    LogFilter,
    /// Flags that exclude each other, or a value out of range.
    #[error("{0}")]
    Flags(String),
}

/// What the environment says. Flags win over it.
#[derive(Default)]
pub struct Environment {
    /// `LOGINETL_DATABASE_URL`.
    pub database_url: Option<String>,
    /// `LOGINETL_QUEUE_URL`.
    pub queue_url: Option<String>,
    /// `LOGINETL_INGEST_KEY`.
    pub ingest_key: Option<String>,
    /// `LOGINETL_RECOVERY_KEY`.
    pub recovery_key: Option<String>,
    /// `LOGINETL_AUDIT_KEY`.
    pub audit_key: Option<String>,
    /// `USER` or `LOGNAME`: what this process says of itself in the audit log. Nobody checks it.
    pub os_user: Option<String>,
    /// `RUST_LOG`.
    pub log_filter: Option<String>,
    /// `NO_COLOR` (no-color.org): set and not empty.
    pub no_color: bool,
}

impl Environment {
    /// Reads the environment once.
    ///
    /// # Errors
    /// When a variable is not UTF-8, asks the AWS SDK to log bodies, or names an endpoint that cannot be one.
    pub fn read() -> Result<Self, SettingsError> {
        if variable("LOG_SENSITIVE_BODIES")?.is_some_and(|value| !matches!(value.as_str(), "false" | "0")) {
            return Err(SettingsError::SensitiveLogging);
        }
        let is_url = |url: &String| {
            let host = url.strip_prefix("http://").or(url.strip_prefix("https://"));
            host.is_some_and(|host| !host.is_empty())
        };
        if variable("AWS_ENDPOINT_URL")?.is_some_and(|url| !is_url(&url)) {
            return Err(SettingsError::Endpoint);
        }
        Ok(Self {
            database_url: variable("LOGINETL_DATABASE_URL")?,
            queue_url: variable("LOGINETL_QUEUE_URL")?,
            ingest_key: variable("LOGINETL_INGEST_KEY")?,
            recovery_key: variable("LOGINETL_RECOVERY_KEY")?,
            audit_key: variable("LOGINETL_AUDIT_KEY")?,
            os_user: variable("USER")?.or(variable("LOGNAME")?),
            log_filter: variable("RUST_LOG")?,
            no_color: variable("NO_COLOR")?.is_some(),
        })
    }

    /// The database URL, by flag or variable.
    ///
    /// # Errors
    /// When neither is set.
    pub fn database_url(&self, flag: Option<String>) -> Result<String, SettingsError> {
        flag.or_else(|| self.database_url.clone()).ok_or(SettingsError::Missing {
            what: "the database URL",
            flag: "--database-url",
            variable: "LOGINETL_DATABASE_URL",
        })
    }

    /// The queue URL, by flag or variable.
    ///
    /// # Errors
    /// When neither is set.
    pub fn queue_url(&self, flag: Option<String>) -> Result<String, SettingsError> {
        flag.or_else(|| self.queue_url.clone()).ok_or(SettingsError::Missing {
            what: "the queue URL",
            flag: "--queue-url",
            variable: "LOGINETL_QUEUE_URL",
        })
    }

    /// The KMS key that wraps for the loader.
    #[must_use]
    pub fn ingest_key(&self, flag: Option<String>) -> String {
        flag.or_else(|| self.ingest_key.clone()).unwrap_or_else(|| DEFAULT_INGEST_KEY.to_owned())
    }

    /// The KMS key that wraps for unmaskers.
    #[must_use]
    pub fn recovery_key(&self, flag: Option<String>) -> String {
        flag.or_else(|| self.recovery_key.clone()).unwrap_or_else(|| DEFAULT_RECOVERY_KEY.to_owned())
    }

    /// The KMS key that signs the audit log.
    #[must_use]
    pub fn audit_key(&self, flag: Option<String>) -> String {
        flag.or_else(|| self.audit_key.clone()).unwrap_or_else(|| DEFAULT_AUDIT_KEY.to_owned())
    }
}

/// A variable that is set and not empty.
fn variable(name: &'static str) -> Result<Option<String>, SettingsError> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(SettingsError::NotUtf8(name)),
    }
}

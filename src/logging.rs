//! Log lines: which of them, and in which form.
//!
//! Invariant: whatever RUST_LOG says, no code but ours logs below info. The AWS SDK logs
//! received bodies at trace and the raw data key of a KMS Encrypt at debug;
//! tokio-postgres prints bind parameters (its records go through the log crate, for which
//! no bridge is installed).

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, filter, fmt};

use crate::cli::LogFormat;
use crate::output::{self, LogWriter};
use crate::settings::{Environment, SettingsError};

/// Ours from info; what the SDK has to say reaches the user as an error, with a remedy.
const DEFAULT_FILTER: &str = "error,loginetl=info";
const OURS: &str = "loginetl";

/// Sets up logging for the process.
///
/// # Errors
/// When `RUST_LOG` cannot be parsed.
pub(crate) fn start(format: LogFormat, environment: &Environment) -> Result<(), SettingsError> {
    let directives = environment.log_filter.as_deref().unwrap_or(DEFAULT_FILTER);
    let chosen = EnvFilter::try_new(directives).map_err(|_| SettingsError::LogFilter)?;
    let capped = filter::filter_fn(|metadata| {
        *metadata.level() <= LevelFilter::INFO
            || metadata.target() == OURS
            || metadata.target().starts_with("loginetl::")
    });
    let lines = fmt::layer().with_writer(|| LogWriter).with_target(false);
    let layer = match format {
        LogFormat::Text => {
            lines.with_ansi(output::stderr_is_terminal() && !environment.no_color).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(capped).with(chosen).with(layer);
    subscriber.try_init().map_err(|_| SettingsError::LogFilter)
}

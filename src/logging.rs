//! Log lines: which of them, and in which form.
//!
//! Invariant: whatever RUST_LOG says, no code but ours logs below info. The AWS SDK logs
//! received bodies at trace and the raw data key of a KMS Encrypt at debug;
//! tokio-postgres prints bind parameters (its records go through the log crate, for which
//! no bridge is installed).

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, filter, fmt};

use crate::cli::LogFormat;
use crate::login::NearNames;
use crate::output::{self, LogField, LogWriter};
use crate::settings::{Environment, SettingsError};

/// Ours from info; what the SDK has to say reaches the user as an error, with a remedy.
const DEFAULT_FILTER: &str = "error,loginetl=info";
const OURS: &str = "loginetl";

/// Logs the spellings that have come since this was called last, each once.
pub(crate) fn near_names(near: &NearNames) {
    for name in near.take_new() {
        tracing::warn!(%name.name, name.almost,
            "a field is not read: its name is almost a known one");
    }
}

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
    let layer = match format {
        LogFormat::Text => {
            let lines = fmt::layer().with_writer(|| LogWriter).with_target(false);
            lines.with_ansi(output::shows_progress() && !environment.no_color).boxed()
        }
        LogFormat::Json => Objects.boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(capped).with(chosen).with(layer);
    subscriber.try_init().map_err(|_| SettingsError::LogFilter)
}

/// Log lines as JSON objects, in the form of all lines on stderr.
struct Objects;

impl<S: Subscriber> Layer<S> for Objects {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = EventFields::default();
        event.record(&mut said);
        // Code of others may say nothing in words.
        let message = said.message.as_deref().unwrap_or(event.metadata().target());
        output::log(*event.metadata().level(), message, said.fields);
    }
}

/// What an event says.
#[derive(Default)]
struct EventFields {
    message: Option<String>,
    fields: Vec<LogField>,
}

impl EventFields {
    fn push(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = Some(text),
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for EventFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.push(field, format!("{value:?}").into());
    }
}

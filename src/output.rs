//! The one module that prints: results on stdout, everything else on stderr.
//!
//! Invariants: a reader that went away is no failure; the progress line and log lines never mix.

use std::io::{self, IsTerminal as _, Write};
use std::sync::LazyLock;
use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::error::Error;

/// The one progress line of the process; hidden unless [`Progress::start`] shows it.
static PROGRESS: LazyLock<ProgressBar> = LazyLock::new(ProgressBar::hidden);

/// Prints one line of a result.
///
/// # Errors
/// When stdout cannot be written, a closed pipe excepted.
pub fn line(text: &str) -> Result<(), Error> {
    PROGRESS.suspend(|| written(writeln!(io::stdout().lock(), "{text}")))
}

/// Prints one JSON object on a line of its own.
///
/// # Errors
/// When stdout cannot be written, a closed pipe excepted.
pub fn json(value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string(value).map_err(|e| Error::Output(e.into()))?;
    line(&text)
}

/// Prints a table as wide as the terminal, or nothing when there are no rows.
///
/// # Errors
/// When stdout cannot be written, a closed pipe excepted.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> Result<(), Error> {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header).add_rows(rows);
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    line(&table.to_string())
}

/// Prints a failure, its causes and its remedy on stderr.
pub fn failure(error: &Error, hint: &str) {
    let mut text = format!("error: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    note(&format!("{text}\n hint: {hint}"));
}

/// Prints a line for a person on stderr.
pub fn note(text: &str) {
    // Nobody is left to tell when stderr is gone.
    PROGRESS.suspend(|| drop(writeln!(io::stderr().lock(), "{text}")));
}

/// From now on a panic prints where it happened and not its message, which may quote a value.
pub fn panics_without_values() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        note(&format!("panic at {place}"));
    }));
}

/// Asks a yes-or-no question on the terminal; without one, there is no answer.
///
/// # Errors
/// When the terminal cannot be read.
pub fn confirm(question: &str) -> Result<Option<bool>, Error> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).map_err(Error::Output)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Error::Output)?;
    Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
}

/// A closed pipe means that the reader has seen enough.
fn written(result: io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}

/// The progress line, on stderr, if that is a terminal.
pub struct Progress;

impl Progress {
    /// Shows it.
    #[must_use]
    pub fn start() -> Self {
        PROGRESS.set_draw_target(ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise}  {msg}") {
            PROGRESS.set_style(style);
        }
        PROGRESS.enable_steady_tick(Duration::from_millis(200));
        Self
    }

    /// Replaces its text.
    pub fn show(&self, text: String) {
        PROGRESS.set_message(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        PROGRESS.finish_and_clear();
    }
}

/// Where log lines go: stderr, above the progress line.
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        PROGRESS.suspend(|| io::stderr().lock().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Whether log lines may have colours.
#[must_use]
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

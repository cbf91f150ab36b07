//! The one module that prints: results on stdout, everything else on stderr.
//!
//! Invariants: a reader that went away is no failure; the progress line and log lines
//! never mix; no character that a terminal obeys, or that nobody sees, gets out of a
//! result (CSV into a file or pipe excepted: it keeps every byte). Once lines are JSON,
//! each line on stderr is one object.

mod log_line;
mod unprintable;

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
pub(crate) use log_line::LogField;
use serde::Serialize;
use tracing::Level;
use unprintable::{is_unprintable, spell_unprintable};
use zeroize::Zeroizing;

use crate::error::{Error, Exit};

/// The one progress line of the process; hidden unless [`Progress::start`] shows it.
static PROGRESS: LazyLock<ProgressBar> = LazyLock::new(ProgressBar::hidden);
/// Whether each line on stderr is a JSON object.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// From now on each line on stderr is one JSON object.
pub(crate) fn make_lines_json() {
    IS_JSON.store(true, Ordering::Relaxed);
}

fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Prints one line of a result.
///
/// # Errors
/// When stdout cannot be written, a closed pipe excepted.
pub(crate) fn line(text: &str) -> Result<(), Error> {
    PROGRESS.suspend(|| check_write(writeln!(io::stdout().lock(), "{text}")))
}

/// Prints one JSON object on a line of its own.
///
/// # Errors
/// When stdout cannot be written, a closed pipe excepted.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Error> {
    let text = Zeroizing::new(serde_json::to_string(value).map_err(|e| Error::Output(e.into()))?);
    let spelled = spell_unprintable(&text).map(Zeroizing::new);
    line(spelled.as_ref().unwrap_or(&text))
}

/// What becomes of the cells of CSV.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cells {
    /// Nothing: a program reads every byte of a value.
    AsTheyAre,
    /// What a spreadsheet would compute gets an apostrophe, and is text.
    Inert,
}

/// Prints rows as CSV (RFC 4180); on a terminal with unprintable characters escaped.
///
/// # Errors
/// When stdout cannot be written, a closed pipe excepted.
pub(crate) fn csv<const N: usize>(
    header: &[&str; N],
    rows: impl Iterator<Item = [Zeroizing<String>; N]>,
    kind: Cells,
) -> Result<(), Error> {
    let is_terminal = io::stdout().is_terminal();
    let written = PROGRESS.suspend(|| {
        let mut writer = ::csv::Writer::from_writer(io::stdout().lock());
        writer.write_record(header)?;
        for row in rows {
            let cells = row.into_iter();
            let cells = cells.map(|cell| if kind == Cells::Inert { inert(&cell) } else { cell });
            let spell = |cell: Zeroizing<String>| Zeroizing::new(printable(&cell).into_owned());
            writer.write_record(cells.map(|cell| if is_terminal { spell(cell) } else { cell }))?;
        }
        writer.flush()
    });
    self::check_write(written)
}

/// The cell with an apostrophe before each sign that a spreadsheet takes for the
/// beginning of a formula, or skips before it looks for one: where the cell begins, and
/// after what another import or locale takes for the end of a cell.
fn inert(cell: &str) -> Zeroizing<String> {
    // In one piece from the start: no reallocation leaves a part of a value behind.
    let mut inert = Zeroizing::new(String::with_capacity(2 * cell.len()));
    let mut begins = true;
    for c in cell.chars() {
        // The wide forms count in East Asian locales.
        let is_sign =
            matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
        if begins && is_sign {
            inert.push('\'');
        }
        inert.push(c);
        begins = matches!(c, ';' | '\t' | '\r' | '\n') || (begins && c == ' ');
    }
    inert
}

/// The text without anything that a terminal obeys or nobody sees: such characters are
/// spelled out.
#[must_use]
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| c.is_control() || is_unprintable(c)) {
        return text.into();
    }
    let spelled = |c: char| {
        if c.is_control() || is_unprintable(c) {
            c.escape_default().collect()
        } else {
            c.to_string()
        }
    };
    text.chars().map(spelled).collect::<String>().into()
}

/// Prints a table as wide as the terminal, or nothing when there are no rows.
///
/// # Errors
/// When stdout cannot be written, a closed pipe excepted.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> Result<(), Error> {
    let mut table = Table::new();
    let printable_rows = rows.iter().map(|row| row.iter().map(|cell| printable(cell)));
    table.load_style(UTF8_FULL_CONDENSED).set_header(header).add_rows(printable_rows);
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    line(&table.to_string())
}

/// Standard output, byte for byte: what is no text for a person, or is not to be lost. A
/// closed pipe is an error.
#[must_use]
pub(crate) fn standard_output() -> Box<dyn Write + Send> {
    Box::new(io::stdout())
}

/// Standard input, byte for byte.
#[must_use]
pub(crate) fn standard_input() -> Box<dyn io::Read + Send> {
    Box::new(io::stdin())
}

/// Prints a failure, its causes and its remedy on stderr.
pub(crate) fn failure(error: &Error, exit: Exit, hint: &str) {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    let (as_text, exit) = (format!("error: {text}\n hint: {hint}"), exit as u8);
    say(Level::ERROR, &as_text, &text, vec![("hint", hint.into()), ("exit_code", exit.into())]);
}

/// Prints a line for a person on stderr.
pub(crate) fn note(text: &str) {
    say(Level::INFO, text, text, Vec::new());
}

/// Prints a line on stderr about what a person should look at.
pub(crate) fn warning(text: &str) {
    say(Level::WARN, text, text, Vec::new());
}

/// What a log line says, where lines are JSON.
pub(crate) fn log(level: Level, message: &str, fields: Vec<LogField>) {
    say(level, message, message, fields);
}

/// The words of a usage error, if lines are JSON; else its reader prints it.
#[must_use]
pub(crate) fn misuse(message: &str, hint: &str) -> Option<Exit> {
    let exit = Exit::Usage;
    let fields = vec![("hint", hint.into()), ("exit_code", (exit as u8).into())];
    is_json().then(|| say(Level::ERROR, message, message, fields)).map(|()| exit)
}

fn say(level: Level, as_text: &str, message: &str, fields: Vec<LogField>) {
    let json = is_json().then(|| log_line::render(level, message, fields));
    let line = json.as_deref().unwrap_or(as_text);
    // Nobody is left to tell when stderr is gone.
    PROGRESS.suspend(|| drop(io::stderr().lock().write_all(format!("{line}\n").as_bytes())));
}

/// From now on a panic prints where it happened and not its message, which
/// may quote a value.
pub(crate) fn panics_without_values() {
    std::panic::set_hook(Box::new(|panic| {
        let place =
            panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let text = format!("panic at {place}");
        say(Level::ERROR, &text, &text, Vec::new());
    }));
}

/// Asks a yes-or-no question on the terminal; without one, there is no answer.
///
/// # Errors
/// When the terminal cannot be read.
pub(crate) fn confirm(question: &str) -> Result<Option<bool>, Error> {
    let answer = ask(&format!("{question} [y/N] "))?;
    Ok(answer.map(|answer| matches!(answer.trim(), "y" | "Y" | "yes")))
}

/// Asks for a line on the terminal; without one, there is no answer.
///
/// # Errors
/// When the terminal cannot be read.
pub(crate) fn ask(question: &str) -> Result<Option<String>, Error> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    if is_json() {
        note(question.trim());
    } else {
        let mut stderr = io::stderr().lock();
        write!(stderr, "{question}").and_then(|()| stderr.flush()).map_err(Error::Output)?;
    }
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Error::Output)?;
    Ok(Some(answer))
}

/// A closed pipe means that the reader has seen enough.
fn check_write(result: io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}

/// The progress line, on stderr, if [`shows_progress`].
pub(crate) struct Progress;

impl Progress {
    /// Shows it.
    #[must_use]
    pub(crate) fn start() -> Self {
        PROGRESS.set_draw_target(ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise}  {msg}") {
            PROGRESS.set_style(style);
        }
        PROGRESS.enable_steady_tick(Duration::from_millis(200));
        Self
    }

    /// Replaces its text.
    pub(crate) fn show(&self, text: String) {
        PROGRESS.set_message(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        PROGRESS.finish_and_clear();
    }
}

/// Where log lines for people go: stderr, above the progress line.
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        PROGRESS.suspend(|| io::stderr().lock().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Whether a person reads stderr on a terminal: there may be colours and a progress line.
#[must_use]
pub(crate) fn shows_progress() -> bool {
    io::stderr().is_terminal() && !is_json()
}

#[cfg(test)]
mod tests {
    use super::inert;

    #[test]
    fn what_a_spreadsheet_computes_gets_an_apostrophe_and_nothing_else_does() {
        for (cell, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("\r=1", "'\r'=1"),
            ("\r\n=1", "'\r'\n'=1"),
            ("  =1", "  '=1"),
            ("＝1", "'＝1"),
            ("a;=1", "a;'=1"),
            ("a\n@x", "a\n'@x"),
            ("'=1", "'=1"),
        ] {
            assert_eq!(inert(cell).as_str(), expected, "{cell:?}");
        }
        for cell in ["", "a", "593-47-5928", "a=b", "a, =b", "192.0.2.7", "2001:db8::1", "1-1"] {
            assert_eq!(inert(cell).as_str(), cell);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_cell_begins_with_a_sign_and_without_apostrophes_it_is_the_value(
            cell in "[-=+@ \t\r\n;a\\PC]{0,20}",
        ) {
            let inert = inert(&cell);
            let first = inert.trim_start_matches(' ').chars().next();
            let is_formula = first.is_some_and(|c| "=+-@\t\r\n".contains(c));
            proptest::prop_assert!(!is_formula);
            proptest::prop_assert_eq!(inert.replace('\'', ""), cell.replace('\'', ""));
            proptest::prop_assert!(inert.capacity() <= (2 * cell.len()).max(8));
        }
    }
}

//! `loginetl check`: can this login do its work on this installation? One line each, a remedy beside each failure.
//!
//! Invariant: it changes nothing; it writes no record, receives no message and releases no key.

mod database;
mod services;

use serde::Serialize;

use crate::cli::{CheckArgs, Format, Global};
use crate::error::{Error, Exit};
use crate::output;
use crate::settings::Environment;

/// Checks everything that can be checked, and prints what it found.
///
/// # Errors
/// When the settings are wrong; whatever else fails is a line of the result.
pub(crate) async fn run(args: CheckArgs, global: Global, environment: &Environment) -> Result<Exit, Error> {
    let target = super::database(global, environment, "check")?;
    let mut findings = Findings::default();
    if let Some((session, login)) = database::check(&target, &mut findings).await {
        let queue_url = args.queue_url.or_else(|| environment.queue_url.clone());
        services::check(&session, &login, queue_url, environment, &mut findings).await;
    }
    findings.print(args.format)?;
    Ok(findings.exit())
}

/// What was looked at, in order.
#[derive(Default)]
struct Findings(Vec<Finding>);

#[derive(Serialize)]
struct Finding {
    check: &'static str,
    result: Level,
    text: String,
    remedy: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Note,
    Warning,
    Failed,
}

impl Findings {
    fn ok(&mut self, check: &'static str, text: impl Into<String>) {
        self.0.push(Finding { check, result: Level::Ok, text: text.into(), remedy: None, exit: Exit::Done });
    }

    /// As it should be, but worth knowing.
    fn note(&mut self, check: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        let (text, remedy) = (text.into(), Some(remedy.into()));
        self.0.push(Finding { check, result: Level::Note, text, remedy, exit: Exit::Done });
    }

    /// A person should look.
    fn warn(&mut self, check: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        let (text, remedy) = (text.into(), Some(remedy.into()));
        self.0.push(Finding { check, result: Level::Warning, text, remedy, exit: Exit::Attention });
    }

    /// It does not work, and the error says what to do.
    fn fail(&mut self, check: &'static str, error: &Error) {
        let (exit, remedy) = error.advice();
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        self.0.push(Finding { check, result: Level::Failed, text, remedy: Some(remedy), exit });
    }

    /// Notes a failure and goes on without the value.
    fn take<T>(&mut self, check: &'static str, result: Result<T, impl Into<Error>>) -> Option<T> {
        result.map_err(|error| self.fail(check, &error.into())).ok()
    }

    fn print(&self, format: Format) -> Result<(), Error> {
        if format == Format::Json {
            return self.0.iter().try_for_each(output::json);
        }
        for finding in &self.0 {
            let level = match finding.result {
                Level::Ok => "ok",
                Level::Note => "note",
                Level::Warning => "warn",
                Level::Failed => "FAIL",
            };
            output::line(&format!("{level:<5} {:<11} {}", finding.check, output::printable(&finding.text)))?;
            if let Some(remedy) = &finding.remedy {
                output::line(&format!("                  → {remedy}"))?;
            }
        }
        Ok(())
    }

    /// The gravest: tampering, refusals, settings, faults, then what a person should look at.
    fn exit(&self) -> Exit {
        let gravity = [Exit::Integrity, Exit::Refused, Exit::Usage, Exit::Temporary, Exit::Attention];
        gravity.into_iter().find(|exit| self.0.iter().any(|finding| finding.exit == *exit)).unwrap_or(Exit::Done)
    }
}

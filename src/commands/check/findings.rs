//! What a check finds: a line each, with a remedy, and the exit code of the gravest.

use serde::Serialize;

use crate::cli::Format;
use crate::error::{Error, Exit};
use crate::output;

/// What was looked at, in order.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

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
    pub(super) fn ok(&mut self, check: &'static str, text: impl Into<String>) {
        self.0.push(Finding {
            check,
            result: Level::Ok,
            text: text.into(),
            remedy: None,
            exit: Exit::Done,
        });
    }

    /// As it should be, but worth knowing.
    pub(super) fn note(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (text, remedy) = (text.into(), Some(remedy.into()));
        self.0.push(Finding { check, result: Level::Note, text, remedy, exit: Exit::Done });
    }

    /// A person should look.
    pub(super) fn warn(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (text, remedy) = (text.into(), Some(remedy.into()));
        self.0.push(Finding { check, result: Level::Warning, text, remedy, exit: Exit::Attention });
    }

    /// It does not work, and the error says what to do.
    pub(super) fn fail(&mut self, check: &'static str, error: &Error) {
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
    pub(super) fn take<T>(
        &mut self,
        check: &'static str,
        result: Result<T, impl Into<Error>>,
    ) -> Option<T> {
        result.map_err(|error| self.fail(check, &error.into())).ok()
    }

    pub(super) fn print(&self, format: Format) -> Result<(), Error> {
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
            output::line(&format!(
                "{level:<5} {:<11} {}",
                finding.check,
                output::printable(&finding.text)
            ))?;
            if let Some(remedy) = &finding.remedy {
                output::line(&format!("                  → {remedy}"))?;
            }
        }
        Ok(())
    }

    /// The gravest: tampering, refusals, settings, faults, then what a
    /// person should look at.
    pub(super) fn exit(&self) -> Exit {
        let gravity =
            [Exit::Integrity, Exit::Refused, Exit::Usage, Exit::Temporary, Exit::Attention];
        gravity
            .into_iter()
            .find(|exit| self.0.iter().any(|finding| finding.exit == *exit))
            .unwrap_or(Exit::Done)
    }
}

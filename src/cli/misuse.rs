//! A command line that cannot be understood, or asks for help or the version alone.
//!
//! Invariant: what was typed is not repeated, but for names of flags: a value may be one
//! that is to be recovered.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What there is to say instead of doing anything.
pub(crate) struct Misuse(clap::Error);

impl Misuse {
    /// From a formatted error.
    pub(super) fn new(mut error: clap::Error) -> Self {
        hide_values(&mut error);
        Self(error)
    }

    /// What is wrong and what helps, each in one line; nothing, if nothing is wrong.
    #[must_use]
    pub(crate) fn words(&self) -> Option<(String, String)> {
        if !self.0.use_stderr() {
            return None;
        }
        let text = self.0.to_string();
        if self.0.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let usage = text.lines().find(|line| line.starts_with("Usage: ")).unwrap_or_default();
            let hint = format!("{usage}. For more information, try '--help'.");
            return Some(("a command is missing".to_owned(), hint));
        }
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
        let paragraphs = rest.split("\n\n").map(one_line).filter(|line| !line.is_empty());
        Some((one_line(message), paragraphs.collect::<Vec<_>>().join(". ")))
    }

    /// Prints it as clap does, and ends the process.
    pub(crate) fn print_and_exit(&self) -> ! {
        self.0.exit()
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Keeps what was typed out of the message, but for names of flags.
fn hide_values(error: &mut clap::Error) {
    const HIDDEN: &str = "…";
    if error.get(ContextKind::InvalidValue).is_some() {
        error.insert(ContextKind::InvalidValue, ContextValue::String(HIDDEN.to_owned()));
    }
    let is_flag = |text: &str| {
        text.starts_with('-')
            && text.bytes().all(|b| {
                b.is_ascii_lowercase() || b"-<>.[] _ABCDEFGHIJKLMNOPQRSTUVWXYZ".contains(&b)
            })
    };
    if let Some(ContextValue::String(text)) = error.get(ContextKind::InvalidArg)
        && !is_flag(text)
    {
        error.insert(ContextKind::InvalidArg, ContextValue::String(HIDDEN.to_owned()));
    }
}

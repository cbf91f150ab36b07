//! The flags of `quarantine`.

use clap::{Args, Subcommand};

use super::{AppVersion, Envelope, Format};
use crate::login::RejectReason;

/// `quarantine …`.
#[derive(Subcommand)]
pub(crate) enum QuarantineCommand {
    /// Show which messages could not be loaded and why; never their content
    #[command(after_help = "Examples:\n  \
                            loginetl quarantine list\n  \
                            loginetl quarantine list --reason invalid_ip --format json")]
    List(ListArgs),
    /// Load what now parses; the rest stays
    #[command(after_help = "Examples:\n  \
                            loginetl quarantine retry\n  \
                            loginetl quarantine retry 17 18\n  \
                            loginetl quarantine retry --reason invalid_app_version\n  \
                            loginetl quarantine retry --reason missing_field   events in \
                            envelopes, kept by earlier versions")]
    Retry(RetryArgs),
    /// Delete messages for good, after asking
    #[command(after_help = "Examples:\n  \
                            loginetl quarantine purge 17\n  \
                            loginetl quarantine purge --older-than 30d --yes\n  \
                            loginetl quarantine purge --all")]
    Purge(PurgeArgs),
}

/// Which messages are meant.
#[derive(Args)]
pub(crate) struct Selection {
    /// Their numbers, as `quarantine list` shows them
    #[arg(value_name = "ID")]
    pub ids: Vec<i64>,
    /// Only those with this reason
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub reason: Option<&'static str>,
    /// Only those that have been there longer than this: 12h, 30d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<jiff::SignedDuration>,
}

/// `quarantine list`.
#[derive(Args)]
pub(crate) struct ListArgs {
    /// Which messages.
    #[command(flatten)]
    pub selection: Selection,
    /// Show at most this many, oldest first
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub limit: u32,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `quarantine retry`.
#[derive(Args)]
pub(crate) struct RetryArgs {
    /// Which messages.
    #[command(flatten)]
    pub selection: Selection,
    /// How app_version becomes an integer
    #[arg(long, value_enum, default_value_t)]
    pub app_version: AppVersion,
    /// Which envelopes of other services are opened, where a body is no event itself
    #[arg(long, value_enum, default_value_t)]
    pub envelope: Envelope,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `quarantine purge`.
#[derive(Args)]
pub(crate) struct PurgeArgs {
    /// Which messages.
    #[command(flatten)]
    pub selection: Selection,
    /// Every message in the quarantine
    #[arg(long, conflicts_with_all = ["ids", "reason", "older_than"])]
    pub all: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

fn reason(text: &str) -> Result<&'static str, String> {
    let codes: Vec<_> = RejectReason::ALL.iter().map(|reason| reason.code()).collect();
    codes
        .iter()
        .find(|code| **code == text)
        .copied()
        .ok_or_else(|| format!("one of: {}", codes.join(", ")))
}

pub(super) fn age(text: &str) -> Result<jiff::SignedDuration, String> {
    let malformed = || "a number and a unit: 90m, 12h or 30d".to_owned();
    let (number, hours) = match text.as_bytes().last() {
        Some(b'd') => (&text[..text.len() - 1], 24.0),
        Some(b'h') => (&text[..text.len() - 1], 1.0),
        Some(b'm') => (&text[..text.len() - 1], 1.0 / 60.0),
        _ => return Err(malformed()),
    };
    let number: u32 = number.parse().map_err(|_| malformed())?;
    Ok(jiff::SignedDuration::from_secs((f64::from(number) * hours * 3600.0) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_units() {
        assert_eq!(age("30d"), Ok(jiff::SignedDuration::from_hours(720)));
        assert_eq!(age("90m"), Ok(jiff::SignedDuration::from_mins(90)));
        for text in ["", "30", "d", "-1d", "1w", "1.5h"] {
            assert!(age(text).is_err(), "{text:?}");
        }
    }
}

//! The command line: flags, their help and examples. Says what there is; decides nothing.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::login::{AppVersionEncoding, Reason};

/// loginetl loads login events from SQS into Postgres with the personal fields masked so that duplicates still match.
#[derive(Parser)]
#[command(name = "loginetl", version, max_term_width = 100, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
}

const AFTER_HELP: &str = "\
Exit codes:
  0 done · 1 done, but a person should look · 2 wrong flags or settings
  3 refused · 4 temporary, safe to run again · 5 tampered with

Start here:
  export LOGINETL_DATABASE_URL='postgres://USER:PASSWORD@HOST:5432/DATABASE'
  export LOGINETL_QUEUE_URL='https://sqs.REGION.amazonaws.com/ACCOUNT/NAME'
  loginetl init && loginetl load --drain";

/// Flags of every command.
#[derive(Args)]
pub struct Global {
    /// The database; TLS is verified unless it says sslmode=require or sslmode=disable [env: LOGINETL_DATABASE_URL]
    #[arg(long, global = true, value_name = "URL", help_heading = "Options of every command")]
    pub database_url: Option<String>,
    /// How log lines on stderr look; RUST_LOG chooses which (default: error,loginetl=info)
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, help_heading = "Options of every command")]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How results on stdout look.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Create or upgrade the schema, the roles and the first keys (idempotent)
    Init(InitArgs),
    /// Load events from the queue or a file, masked, each exactly once
    Load(LoadArgs),
    /// See, retry or delete messages that could not be loaded
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
}

/// `init`.
#[derive(Args)]
#[command(after_help = "\
Run it as a superuser, or as a user with CREATEROLE who owns the database and
the table user_logins. The KMS keys must exist: keys/create-keys.sh makes them.

Examples:
  loginetl init
  loginetl init --ingest-key alias/prod-ingest --recovery-key alias/prod-recovery")]
pub struct InitArgs {
    /// KMS key that wraps for the loader [env: LOGINETL_INGEST_KEY] [default: alias/loginetl-ingest]
    #[arg(long, value_name = "KEY")]
    pub ingest_key: Option<String>,
    /// KMS key that wraps for unmaskers [env: LOGINETL_RECOVERY_KEY] [default: alias/loginetl-recovery]
    #[arg(long, value_name = "KEY")]
    pub recovery_key: Option<String>,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `load`.
#[derive(Args)]
#[command(after_help = "\
Each event has its effect once, however often it is delivered. Messages that
are no login events go to the quarantine, sealed. Ctrl-C and SIGTERM stop in
order and lose nothing.

Examples:
  loginetl load                              run on, as a service
  loginetl load --drain --format json        empty the queue, print a summary
  loginetl load --dry-run --max-messages 5   show masked rows, write nothing
  loginetl load --file events.jsonl          a second run loads nothing twice
  zcat events.jsonl.gz | loginetl load --file -")]
pub struct LoadArgs {
    /// The queue [env: LOGINETL_QUEUE_URL]
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    pub queue_url: Option<String>,
    /// Load a file of JSON Lines instead of a queue; - reads standard input. A grown file is another file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// End when the queue stays empty
    #[arg(long, conflicts_with_all = ["follow", "file"])]
    pub drain: bool,
    /// Run on until stopped (default)
    #[arg(long, conflicts_with = "file")]
    pub follow: bool,
    /// End after this many messages; of a file, only with --dry-run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_messages: Option<u64>,
    /// Show masked rows, write nothing, give the messages back (their receive count grows by one)
    #[arg(long)]
    pub dry_run: bool,
    /// How long a received message stays invisible to others; it is prolonged while it is in hand
    #[arg(long, value_name = "SECS", default_value_t = 120, conflicts_with = "file", value_parser = clap::value_parser!(u64).range(10..=43_200))]
    pub visibility_timeout: u64,
    /// Most receivers at once; one starts, more join while answers are full
    #[arg(long, value_name = "N", default_value_t = 64, conflicts_with = "file", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub receivers: u32,
    /// Most rows in one transaction
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "file", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_rows: u32,
    /// How app_version becomes an integer
    #[arg(long, value_enum, default_value_t)]
    pub app_version: AppVersion,
    /// Stop with exit 1 once more messages than this have been quarantined in this run
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub poison_budget: u64,
    /// How the result looks; with json, the last line of stdout is one object
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// The encodings of `app_version`.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum AppVersion {
    /// major·1000000 + minor·1000 + patch: 2.3 = 2.3.0 = 2003000
    #[default]
    Ordered,
    /// The first part alone: 2.3.0 = 2
    Major,
    /// The digits without dots: 2.3.0 = 230
    Digits,
}

impl From<AppVersion> for AppVersionEncoding {
    fn from(flag: AppVersion) -> Self {
        match flag {
            AppVersion::Ordered => Self::Ordered,
            AppVersion::Major => Self::Major,
            AppVersion::Digits => Self::Digits,
        }
    }
}

/// `quarantine …`.
#[derive(Subcommand)]
pub enum QuarantineCommand {
    /// Show which messages could not be loaded and why; never their content
    #[command(after_help = "Examples:\n  loginetl quarantine list\n  loginetl quarantine list --reason invalid_ip --format json")]
    List(ListArgs),
    /// Load what now parses; the rest stays
    #[command(
        after_help = "Examples:\n  loginetl quarantine retry\n  loginetl quarantine retry 17 18\n  loginetl quarantine retry --reason invalid_app_version"
    )]
    Retry(RetryArgs),
    /// Delete messages for good, after asking
    #[command(
        after_help = "Examples:\n  loginetl quarantine purge 17\n  loginetl quarantine purge --older-than 30d --yes\n  loginetl quarantine purge --all"
    )]
    Purge(PurgeArgs),
}

/// Which messages are meant.
#[derive(Args)]
pub struct Selection {
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
pub struct ListArgs {
    /// Which messages.
    #[command(flatten)]
    pub selection: Selection,
    /// Show at most this many, oldest first
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `quarantine retry`.
#[derive(Args)]
pub struct RetryArgs {
    /// Which messages.
    #[command(flatten)]
    pub selection: Selection,
    /// How app_version becomes an integer
    #[arg(long, value_enum, default_value_t)]
    pub app_version: AppVersion,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `quarantine purge`.
#[derive(Args)]
pub struct PurgeArgs {
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
    let codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    codes.iter().find(|code| **code == text).copied().ok_or_else(|| format!("one of: {}", codes.join(", ")))
}

fn age(text: &str) -> Result<jiff::SignedDuration, String> {
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
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ages_have_units() {
        assert_eq!(age("30d"), Ok(jiff::SignedDuration::from_hours(720)));
        assert_eq!(age("90m"), Ok(jiff::SignedDuration::from_mins(90)));
        for text in ["", "30", "d", "-1d", "1w", "1.5h"] {
            assert!(age(text).is_err(), "{text:?}");
        }
    }
}

//! The command line: flags, their help and examples. Says what there is; decides nothing.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap::{CommandFactory as _, FromArgMatches as _};

mod audit;
mod fields;
mod format;
mod health;
mod install;
mod load;
mod mask;
mod misuse;
mod quarantine;
mod rotate;
mod unmask;

pub(crate) use audit::{AuditCommand, ExportArgs, RecordsArgs, VerifyArgs};
pub(crate) use fields::{ColumnFlags, FindFlags, HashFlags, MaskFlags};
pub(crate) use format::Format;
pub(crate) use health::HealthArgs;
pub(crate) use install::{CompletionsArgs, ManArgs, Shell};
pub(crate) use load::{AppVersion, Envelope, LoadArgs};
pub(crate) use mask::{
    ArchiveCommand, ArchiveDropArgs, ArchiveListArgs, CommitArgs, LineFormat, MaskArgs,
    MaskCommand, PlanArgs, RemaskArgs,
};
pub(crate) use misuse::Misuse;
pub(crate) use quarantine::{ListArgs, PurgeArgs, QuarantineCommand, RetryArgs, Selection};
pub(crate) use rotate::{
    BackfillArgs, DestroyArgs, KeysCommand, KeysListArgs, RewrapArgs, RotateArgs, RotatePurpose,
};
pub(crate) use unmask::{UnmaskArgs, UnmaskFormat};

/// loginetl loads login events from SQS into Postgres with the personal fields masked so
/// that duplicates still match.
#[derive(Parser)]
#[command(
    name = "loginetl",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = AFTER_HELP
)]
#[command(arg = verbose())]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
}

impl Cli {
    /// Reads what was typed.
    ///
    /// # Errors
    /// What is wrong with it, or the help or version that was asked for.
    pub(crate) fn read(words: Vec<OsString>, long_version: &'static str) -> Result<Self, Misuse> {
        let mut command = Self::command();
        // clap prints the version where it reads --version: it must know which one
        // before.
        if words.iter().any(|word| word == "--verbose") {
            command = command.version(long_version);
        }
        let matches = command.try_get_matches_from_mut(words);
        let read = matches.and_then(|matches| Self::from_arg_matches(&matches));
        read.map_err(|error| Misuse::new(error.format(&mut command)))
    }

    /// The command line that these words make.
    #[must_use]
    pub(crate) fn of(words: &[&str]) -> Self {
        Self::parse_from(words)
    }
}

/// `--verbose`, which is for `--version` alone.
fn verbose() -> Arg {
    let flag = Arg::new("verbose").long("verbose").action(ArgAction::SetTrue).requires("version");
    flag.help("With --version: commit, build, compiler and schema too")
}

const AFTER_HELP: &str = "\
Exit codes:
  0 done · 1 done, but a person should look · 2 wrong flags or settings
  3 refused · 4 temporary, safe to run again · 5 tampered with

Start here:
  export LOGINETL_DATABASE_URL='postgres://USER:PASSWORD@HOST:5432/DATABASE'
  export LOGINETL_QUEUE_URL='https://sqs.REGION.amazonaws.com/ACCOUNT/NAME'
  loginetl init && loginetl load --drain

The database URL is one of libpq (postgres://… or keyword=value …); each of its
parameters is taken, or refused by its name. It may stand in a file instead:
LOGINETL_DATABASE_URL_FILE. A URL without password takes it from PGPASSFILE or
~/.pgpass. These files, sslcert, sslkey and sslrootcert are read again for each
connection: a password or certificate may change under a running loader.
  several hosts         postgres://u@a:5432,b:5432/d?target_session_attrs=primary
  a private authority   …?sslrootcert=ca.pem (or the server's own certificate)
  a client certificate  …?sslcert=me.pem&sslkey=me.key (chmod 0600)
  @ : / % in a password %40 %3A %2F %25";

/// Flags of every command.
#[derive(Args)]
pub(crate) struct Global {
    /// The database; TLS is verified unless it says sslmode=require or sslmode=disable
    /// [env: LOGINETL_DATABASE_URL, or LOGINETL_DATABASE_URL_FILE]
    #[arg(long, global = true, value_name = "URL", help_heading = "Options of every command")]
    pub database_url: Option<String>,
    /// How log lines on stderr look; RUST_LOG chooses which (default:
    /// error,loginetl=info)
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = LogFormat::Text,
        help_heading = "Options of every command"
    )]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// What these words ask for, however wrong the others are.
    #[must_use]
    pub(crate) fn asked_by(words: &[OsString]) -> Self {
        let flags = words.iter().take_while(|word| *word != "--");
        let follows = flags.clone().zip(flags.clone().skip(1));
        let is_json = flags.clone().any(|word| word == "--log-format=json")
            || follows.into_iter().any(|(flag, word)| flag == "--log-format" && word == "json");
        if is_json { Self::Json } else { Self::Text }
    }
}

/// The subcommands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create or upgrade the schema, the roles and the first keys (idempotent)
    Init(InitArgs),
    /// Load events from the queue or a file, masked, each exactly once
    Load(LoadArgs),
    /// See, retry or delete messages that could not be loaded
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Recover values, for a reason, after it is on record
    Unmask(UnmaskArgs),
    /// New data keys; rows are re-encrypted in place while loading and analysing go on
    RotateKeys(RotateArgs),
    /// See data keys, put new KMS keys around them, or destroy a retired one
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Mask rows in place that an earlier loader left with plain values
    Backfill(BackfillArgs),
    /// Mask events outside of the database, as a filter that any engine can run
    Mask(MaskArgs),
    /// Bring masked lines under the keys in force
    Remask(RemaskArgs),
    /// See what was masked outside of the database, and which keys it keeps
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// See, export or verify the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Can this login do its work here? Queue, KMS, schema, roles, keys, clock, audit log
    Check(CheckArgs),
    /// Rows per key, quarantine, queue, head of the audit log
    Status(StatusArgs),
    /// Ask a load with --listen whether it works, or is ready
    Health(HealthArgs),
    /// Print the script by which a shell completes this command line
    Completions(CompletionsArgs),
    /// Write manual pages, one for each command
    Man(ManArgs),
}

/// `init`.
#[derive(Args)]
#[command(after_help = "\
Run it as a superuser, or as a user with CREATEROLE who owns the database and
is in the role that owns the table user_logins. It also repairs what is missing
or another, and says so. The KMS keys must exist: keys/create-keys.sh makes them.

Examples:
  loginetl init
  loginetl init --ingest-key alias/prod-ingest --recovery-key alias/prod-recovery
  loginetl init --mask-user-id

With --mask-user-id, new rows have a token and a hash of the user id, and user_id
is null. There is no way back. Rows that are there keep their user ids until
backfill --user-id-column user_id masks them. Loaders of a build that knows no
masked user ids stop, and lose nothing.")]
pub(crate) struct InitArgs {
    /// Fields that are to be masked too.
    #[command(flatten)]
    pub mask: MaskFlags,
    /// KMS key that wraps for the loader
    /// [env: LOGINETL_INGEST_KEY] [default: alias/loginetl-ingest]
    #[arg(long, value_name = "KEY")]
    pub ingest_key: Option<String>,
    /// KMS key that wraps for unmaskers
    /// [env: LOGINETL_RECOVERY_KEY] [default: alias/loginetl-recovery]
    #[arg(long, value_name = "KEY")]
    pub recovery_key: Option<String>,
    /// KMS key that signs the audit log
    /// [env: LOGINETL_AUDIT_KEY] [default: alias/loginetl-audit]
    #[arg(long, value_name = "KEY")]
    pub audit_key: Option<String>,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `check`.
#[derive(Args)]
#[command(after_help = "\
One line each; a remedy stands beside each failure. Changes nothing.

Examples:
  loginetl check
  loginetl check --format json")]
pub(crate) struct CheckArgs {
    /// The queue [env: LOGINETL_QUEUE_URL]
    #[arg(long, value_name = "URL")]
    pub queue_url: Option<String>,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `status`.
#[derive(Args)]
#[command(after_help = "\
Of a large table or quarantine it reads a sample, and says how far each figure may
be off. A sample may miss what is rare: rows without a hash, rows under keys that the
vault never had.

Examples:
  loginetl status
  loginetl status --exact
  loginetl status --format json")]
pub(crate) struct StatusArgs {
    /// Count everything, which reads the whole table and the whole quarantine
    #[arg(long)]
    pub exact: bool,
    /// The queue; without one, its depth is not shown [env: LOGINETL_QUEUE_URL]
    #[arg(long, value_name = "URL")]
    pub queue_url: Option<String>,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_form_of_lines_is_known_before_the_words_are_understood() {
        let asks = |words: &str| {
            LogFormat::asked_by(&words.split(' ').map(OsString::from).collect::<Vec<_>>())
        };
        for words in ["x --log-format json", "x load --nonsense --log-format=json --drain"] {
            assert!(asks(words) == LogFormat::Json, "{words}");
        }
        for words in ["x", "x --log-format", "x --log-format text json", "x -- --log-format=json"] {
            assert!(asks(words) == LogFormat::Text, "{words}");
        }
    }
}

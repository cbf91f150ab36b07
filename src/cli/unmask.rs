//! The flags of `unmask`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{FindFlags, HashFlags};

/// `unmask`.
#[derive(Args)]
#[command(after_help = "\
Who asks, why, for what and what came of it is committed to the audit log and
signed before anything is shown. Values go to stdout and nowhere else; the new
head of the log goes to stderr. The reason stays for ever: name no value in it.

A line of --from is a token, `ip-hash H`, `device-id-hash H`, `user-id-hash H`,
or a bare hash, which is looked up in all masked columns. Other users of the
machine can see flags: `--find-ip -` and its like read the value from standard
input.

Whoever can log in chooses a device id, and a spreadsheet computes a cell that
begins with = + - or @. With --csv-safe it does not: an apostrophe stands before
such a cell, and before a leading tab or line end, so the value is not what it
was. Leave it out where a program reads the file.

A signal ends it at once, until it begins to record the outcome. Then it waits
up to 21 s for that, and without that shows nothing.

A call that ended before its outcome leaves its request open, and says which.
Within five minutes --resume and the same selectors go on with it, as the same
login; reason and ticket stand in the log. Other selectors are refused.

Examples:
  loginetl unmask --ip-hash 9237a680-1122-821e-b5c8-9796b4b614fd \
  --reason 'abuse report' --ticket SEC-17
  loginetl unmask --token ip1.1.7fQg8g-XKVvA0sP192xB0j6MJAgTf0hcvAmo3mfqads --reason 'abuse report'
  loginetl unmask --from hashes.txt --max-values 10000 --format csv \
  --reason 'court order 4711' > values.csv
  loginetl unmask --from hashes.txt --format csv --csv-safe \
  --reason 'court order 4711' > for-a-spreadsheet.csv
  loginetl unmask --quarantine 17 --reason 'what does the new app send?'
  loginetl unmask --find-ip - --reason 'the owner asks for her data' < address.txt
  loginetl unmask --ip-hash 9237a680-1122-821e-b5c8-9796b4b614fd --resume 4711
  loginetl unmask --withdraw 4711")]
#[command(group = clap::ArgGroup::new("selectors").required(true).multiple(true))]
#[command(group = clap::ArgGroup::new("listed").multiple(true))]
#[command(group = clap::ArgGroup::new("value"))]
pub(crate) struct UnmaskArgs {
    /// Hashes of each field.
    #[command(flatten)]
    pub hashes: HashFlags,
    /// Open these tokens
    #[arg(long, value_name = "TOKEN", num_args = 1.., groups = ["selectors", "listed"])]
    pub token: Vec<String>,
    /// Show the bodies of these messages of the quarantine
    #[arg(long, value_name = "ID", num_args = 1.., groups = ["selectors", "listed"])]
    pub quarantine: Vec<i64>,
    /// Read selectors from a file, one a line; - reads standard input
    #[arg(long, value_name = "FILE", groups = ["selectors", "listed"])]
    pub from: Option<PathBuf>,
    /// A value whose rows are wanted.
    #[command(flatten)]
    pub find: FindFlags,
    /// Why; 1 to 500 characters, kept for ever
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["withdraw", "resume"])]
    pub reason: Option<String>,
    /// Close a request of your own that failed: no key was released for it
    #[arg(
        long,
        value_name = "SEQ",
        group = "selectors",
        conflicts_with_all = ["listed", "value", "reason", "ticket"]
    )]
    pub withdraw: Option<i64>,
    /// Go on with a request of your own that has no outcome: the same selectors again,
    /// within five minutes
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["withdraw", "reason", "ticket"])]
    pub resume: Option<i64>,
    /// The ticket or case that it belongs to
    #[arg(long, value_name = "TEXT")]
    pub ticket: Option<String>,
    /// Refuse a call with more selectors than this; the number is recorded
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub max_values: u32,
    /// Refuse to run as another database login than this
    #[arg(long, value_name = "LOGIN")]
    pub require_user: Option<String>,
    /// KMS key that signs the audit log
    /// [env: LOGINETL_AUDIT_KEY] [default: alias/loginetl-audit]
    #[arg(long, value_name = "KEY")]
    pub audit_key: Option<String>,
    /// How the values look
    #[arg(long, value_enum, default_value_t)]
    pub format: UnmaskFormat,
    /// With --format csv, for spreadsheets: an apostrophe before what they would compute
    #[arg(long)]
    pub csv_safe: bool,
}

/// How recovered values look on stdout.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnmaskFormat {
    /// For people.
    #[default]
    Table,
    /// One object a line.
    Json,
    /// With a header (RFC 4180).
    Csv,
}

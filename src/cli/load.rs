//! The flags of `load`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Format;
use crate::login::{AppVersionEncoding, Envelopes};

/// `load`.
#[derive(Args)]
#[command(after_help = "\
Each event has its effect once, however often it is delivered. Messages that
are no login events go to the quarantine, sealed. Ctrl-C and SIGTERM stop in
order and lose nothing.

A file has one event a line, in UTF-8. A byte order mark, gzip and zstd are
known by the first bytes, of standard input too. The same content is loaded
once, packed or not, with the mark or without. A grown file is another file.
Standard input is known by what came so far, a file as a whole.

Any other form is refused by its name, with the command that converts it. So is
a file of which none of the first 100 lines is an event. A file that is
truncated or damaged, or has a line over 1 MiB, is refused before anything is
written. Of standard input, whole chunks of 5,000 lines before that place stay,
and are recognised when it is loaded again.

An event may come in the envelope of SNS (without raw message delivery) or of
EventBridge. The day of its row is that of the event's own create_date or
timestamp. Without these it is that of the envelope (Timestamp of SNS, time of
EventBridge), which is the same in every delivery. Without an envelope it is
that of the queue's SentTimestamp; for a file, that of the run.

A queue that begins with 200 messages in a row that are rejected for one reason
is perhaps another queue: the run stops with exit 1. It quarantines and deletes
none of them, and gives all back. Each restart costs each of them a receive.

Examples:
  loginetl load                              run on, as a service
  loginetl load --drain --format json        empty the queue, print a summary
  loginetl load --dry-run --max-messages 5   show masked rows, write nothing
  loginetl load --envelope none              an event in an envelope is rejected
  loginetl load --file events.jsonl.gz       a second run loads nothing twice
  jq -c '.[]' events.json | loginetl load --file -
  loginetl load --file archive.jsonl.gz --with-ids   after a restore: only what is missing")]
pub(crate) struct LoadArgs {
    /// The queue [env: LOGINETL_QUEUE_URL]
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    pub queue_url: Option<String>,
    /// Load a file of JSON Lines instead of a queue, plain or packed by gzip or zstd; -
    /// reads standard input
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The file is an archive of queue messages, one object a line: message_id, sent_at
    /// (milliseconds, as SentTimestamp, or RFC 3339) and body. What the queue's loader
    /// has written is recognised; a message older than the ledger keeps is refused
    #[arg(long, requires = "file")]
    pub with_ids: bool,
    /// End when the queue stays empty (a file ends by itself)
    #[arg(long, conflicts_with = "follow")]
    pub drain: bool,
    /// Run on until stopped (default)
    #[arg(long, conflicts_with = "file")]
    pub follow: bool,
    /// End after this many messages; of a file, only with --dry-run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_messages: Option<u64>,
    /// Show masked rows, write nothing, give the messages back (their receive count grows
    /// by one)
    #[arg(long)]
    pub dry_run: bool,
    /// How long a received message stays invisible to others; it is prolonged while it is
    /// in hand
    #[arg(
        long,
        value_name = "SECS",
        default_value_t = 120,
        conflicts_with = "file",
        value_parser = clap::value_parser!(u64).range(10..=43_200)
    )]
    pub visibility_timeout: u64,
    /// Most receivers at once; one starts, more join while answers are full
    #[arg(
        long,
        value_name = "N",
        default_value_t = 64,
        conflicts_with = "file",
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub receivers: u32,
    /// Most rows in one transaction
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1000,
        conflicts_with = "file",
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub batch_rows: u32,
    /// How app_version becomes an integer
    #[arg(long, value_enum, default_value_t)]
    pub app_version: AppVersion,
    /// Which envelopes of other services are opened, where a body is no event itself
    #[arg(long, value_enum, default_value_t)]
    pub envelope: Envelope,
    /// Go on though the first 200 messages of a queue or archive are rejected for one
    /// reason: into the quarantine with them
    #[arg(long)]
    pub quarantine_from_start: bool,
    /// Stop with exit 1 once more messages than this have been quarantined in this run
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub poison_budget: u64,
    /// Answer /metrics (Prometheus), /healthz and /readyz at this address,
    /// such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDR", conflicts_with = "file")]
    pub listen: Option<std::net::SocketAddr>,
    /// How the result looks; with json, the last line of stdout is one object
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Which envelopes are opened.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Envelope {
    /// SNS notifications and EventBridge events, also one in the other
    #[default]
    Auto,
    /// None: such messages go to the quarantine
    None,
    /// SNS notifications: the event is the text in Message
    Sns,
    /// EventBridge events: the event is the object in detail
    #[value(name = "eventbridge")]
    EventBridge,
}

impl From<Envelope> for Envelopes {
    fn from(flag: Envelope) -> Self {
        match flag {
            Envelope::Auto => Self::Auto,
            Envelope::None => Self::None,
            Envelope::Sns => Self::Sns,
            Envelope::EventBridge => Self::EventBridge,
        }
    }
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

//! The flags of `audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Format;
use crate::audit::Head;

/// `audit …`.
#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Show records, the newest last
    #[command(after_help = "Examples:\n  \
                            loginetl audit list --kind unmask --since 2026-01-01\n  \
                            loginetl audit list --user alice --ticket SEC-17 --format json")]
    List(RecordsArgs),
    /// Write all records with their signatures to a file, to be verified elsewhere
    #[command(after_help = "Examples:\n  \
                            loginetl audit export --out audit.jsonl\n  \
                            loginetl audit export --out - | gzip > audit.jsonl.gz")]
    Export(ExportArgs),
    /// Check chain, signatures and head, in the database or in an export
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
}

const VERIFY_HELP: &str = "\
Exit code 0: intact; 1: a request that has no outcome and was not withdrawn is
older than five minutes; 5: a record was changed, added, moved or removed, or a
signature is missing or wrong.

The public key, for use without AWS:
  aws kms get-public-key --key-id alias/loginetl-audit --query PublicKey --output text |
    base64 -d | openssl pkey -pubin -inform DER -out audit.pem

Examples:
  loginetl audit verify
  loginetl audit verify --expect-head 17:8c0f…              a head that unmask printed
  loginetl audit verify --head-file /var/lib/loginetl/audit.head
  loginetl audit verify --file audit.jsonl --public-key audit.pem";

/// `audit list`.
#[derive(Args)]
pub(crate) struct RecordsArgs {
    /// Only those of this database login
    #[arg(long, value_name = "LOGIN")]
    pub user: Option<String>,
    /// Only those from this time on: 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only those before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Only this kind (unmask.request), or this family of kinds (unmask)
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Only those with this ticket
    #[arg(long, value_name = "TEXT")]
    pub ticket: Option<String>,
    /// Only those that name this hash; a record of over 100 hashes names
    /// none, only their digest
    #[arg(long, value_name = "HASH")]
    pub hash: Option<String>,
    /// Show at most this many, the newest
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

/// `audit export`.
#[derive(Args)]
pub(crate) struct ExportArgs {
    /// The file; - is stdout. A file that is there already is not touched
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `audit verify`.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// Verify an export and not the database; - reads standard input
    #[arg(long, value_name = "FILE", requires = "public_key")]
    pub file: Option<PathBuf>,
    /// Public keys to trust (PEM); the default is to ask KMS for that of the audit key
    #[arg(long, value_name = "PEM")]
    pub public_key: Option<PathBuf>,
    /// A head that somebody kept: the log must still hold it
    #[arg(long, value_name = "SEQ:HASH")]
    pub expect_head: Option<Head>,
    /// A file that keeps such a head, for a timer: the log must still hold it, and if
    /// nothing is found, the file keeps the head of now. One that is not there is made
    #[arg(long, value_name = "PATH", conflicts_with = "expect_head")]
    pub head_file: Option<PathBuf>,
    /// KMS key that signs the audit log
    /// [env: LOGINETL_AUDIT_KEY] [default: alias/loginetl-audit]
    #[arg(long, value_name = "KEY", conflicts_with = "public_key")]
    pub audit_key: Option<String>,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let day = || {
        text.parse::<Date>()
            .ok()
            .filter(|_| text.len() == 10)?
            .to_zoned(TimeZone::UTC)
            .ok()
            .map(|day| day.timestamp())
    };
    text.parse()
        .ok()
        .or_else(day)
        .ok_or_else(|| "a day (2026-01-31, UTC) or a time (2026-01-31T12:00:00Z)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_or_a_time() {
        assert_eq!(
            moment("2026-01-31").map(|t| t.to_string()),
            Ok("2026-01-31T00:00:00Z".to_owned())
        );
        assert_eq!(
            moment("2026-01-31T12:00:00+02:00").map(|t| t.to_string()),
            Ok("2026-01-31T10:00:00Z".to_owned())
        );
        for text in ["", "yesterday", "2026-02-30", "2026-01-31T12:00:00"] {
            assert!(moment(text).is_err(), "{text:?}");
        }
    }
}

//! The flags of `rotate-keys`, `keys` and `backfill`.

use super::ColumnFlags;
use clap::{Args, Subcommand, ValueEnum};

use super::Format;

/// `rotate-keys`.
#[derive(Args)]
#[command(after_help = "\
New data keys; every row is re-encrypted in place while loading and analysing go
on. At every instant all rows of one value carry one token, so GROUP BY and JOIN
on tokens and hashes stay exact. Old tokens that somebody copied can still be
unmasked until the old key is destroyed.

Never asks. Stop it or kill it at any point: run again, it goes on where it was.
An unfinished rotation is finished, and no new one is started.

Examples:
  loginetl rotate-keys
  loginetl rotate-keys --duty 20%            leave more to the loaders
  loginetl rotate-keys --dry-run             how many rows, how much WAL
  loginetl rotate-keys --resume              each night: only what was interrupted
  loginetl rotate-keys --purpose seal        new key for quarantined bodies
  loginetl rotate-keys --compromised         a key has leaked: hashes change too")]
pub(crate) struct RotateArgs {
    /// Share of the time that it works; the rest is left to others: 50%, or 100% where
    /// nobody else works
    #[arg(long, value_name = "PERCENT", default_value = "50%", value_parser = percent)]
    pub duty: u32,
    /// Rows that are moved at a time [default: two for each page of the table, 10000 to
    /// 60000]. While a step runs, loaders wait for it: some 4 µs a row
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub step_rows: Option<u32>,
    /// Say how much there is to do, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Finish a rotation that was interrupted, and start none: where none is unfinished,
    /// say so and end with 0
    #[arg(
        long,
        conflicts_with_all =
            ["dry_run", "compromised", "purpose", "ingest_key", "recovery_key"]
    )]
    pub resume: bool,
    /// Replace mask, hash and seal keys together. Hashes change: old handles find
    /// nothing afterwards
    #[arg(long)]
    pub compromised: bool,
    /// Which key to replace
    #[arg(long, value_enum, default_value_t, conflicts_with = "compromised")]
    pub purpose: RotatePurpose,
    /// KMS key that wraps new keys for the loader
    /// [env: LOGINETL_INGEST_KEY] [default: alias/loginetl-ingest]
    #[arg(long, value_name = "KEY")]
    pub ingest_key: Option<String>,
    /// KMS key that wraps new keys for unmaskers
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

/// What `rotate-keys` replaces by itself; hash keys are replaced only by `--compromised`.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum RotatePurpose {
    /// The key of tokens.
    #[default]
    Mask,
    /// The key of quarantined bodies.
    Seal,
}

/// `keys …`.
#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Show all data keys: state, age, rows, and the KMS keys around them
    List(KeysListArgs),
    /// Put new KMS keys around the same data keys. Does not cure a leaked data key: that
    /// takes rotate-keys --compromised
    #[command(after_help = "Examples:\n  \
                            loginetl keys rewrap --ingest-key alias/new-ingest --recovery-key \
                            alias/new-recovery")]
    Rewrap(RewrapArgs),
    /// Destroy a retired data key for good: copied tokens under it do not open any more
    #[command(after_help = "Examples:\n  \
                            loginetl keys destroy 1\n  \
                            loginetl keys destroy 1 --after 90d --yes")]
    Destroy(DestroyArgs),
}

/// `keys list`.
#[derive(Args)]
pub(crate) struct KeysListArgs {
    /// Count everything, which reads the whole table and the whole quarantine. Otherwise
    /// the rows of a large one are estimated from a sample
    #[arg(long)]
    pub exact: bool,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `keys rewrap`.
#[derive(Args)]
#[command(
    group = clap::ArgGroup::new("targets")
        .required(true)
        .multiple(true)
        .args(["ingest_key", "recovery_key"])
)]
pub(crate) struct RewrapArgs {
    /// The KMS key that the loader's wraps shall be under
    #[arg(long, value_name = "KEY")]
    pub ingest_key: Option<String>,
    /// The KMS key that the unmaskers' wraps shall be under
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

/// `keys destroy`.
#[derive(Args)]
pub(crate) struct DestroyArgs {
    /// The key's number
    #[arg(value_name = "ID", value_parser = clap::value_parser!(i64).range(1..=4_294_967_295))]
    pub id: i64,
    /// Refuse unless it was retired at least this long ago
    #[arg(long, value_name = "AGE", default_value = "30d", value_parser = super::quarantine::age)]
    pub after: jiff::SignedDuration,
    /// How long loaders may wait, in seconds, while all rows are looked at once more
    #[arg(
        long,
        value_name = "SECS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=600)
    )]
    pub longest_look: u32,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// KMS key that signs the audit log
    /// [env: LOGINETL_AUDIT_KEY] [default: alias/loginetl-audit]
    #[arg(long, value_name = "KEY")]
    pub audit_key: Option<String>,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `backfill`.
#[derive(Args)]
#[command(after_help = "\
For rows of user_logins without a hash, which came from an earlier loader. Each is
masked, and its plain values are cleared, in one statement, in chunks; stop it and
run it again as you like. Run it as the owner of the table. Afterwards the old row
versions are still on disk: VACUUM FULL removes them; backups keep theirs.

Examples:
  loginetl backfill --ip-column ip --device-id-column device_id
  loginetl backfill --ip-column masked_ip        plain values in the column of tokens
  loginetl backfill --user-id-column user_id     after init --mask-user-id")]
pub(crate) struct BackfillArgs {
    /// Where plain values stand.
    #[command(flatten)]
    pub columns: ColumnFlags,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

fn percent(text: &str) -> Result<u32, String> {
    let number = text.trim_end_matches('%').parse().ok().filter(|n| (1..=100).contains(n));
    number.ok_or_else(|| "a share from 1% to 100%".to_owned())
}

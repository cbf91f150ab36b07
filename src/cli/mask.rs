//! The flags of `mask`, `remask` and `archive`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::SignedDuration;
use jiff::civil::Date;
use uuid::Uuid;

use super::{AppVersion, Envelope, Format};

/// What the database takes as a count.
const MOST_LINES: i64 = 1_000_000_000_000_000;

/// `mask`.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
The driver of a job calls `mask plan` once, and hands the plan to all of its
processes. Each of them runs `mask --plan`: events in on standard input, masked
lines out, one for one and in order. It asks KMS and nobody else. At the end the
driver calls `mask commit`, before it publishes what was made.

All processes of a plan make one token a value, as load does, although a rotation
begins meanwhile. A line that is no event becomes one that says why, without any
value; it ends with 0 all the same. Packed input (gzip, zstd) is unpacked.

Examples:
  loginetl mask plan --job logins --location s3://lake/logins > plan.json
  loginetl mask --plan plan.json < events.jsonl > masked.jsonl
  loginetl mask --plan plan.json --columns user_id,app_version,ip,device_id < a.tsv
  loginetl mask commit --plan plan.json --rows 99 --rejected 1"
)]
pub(crate) struct MaskArgs {
    /// What the driver of a job does.
    #[command(subcommand)]
    pub command: Option<MaskCommand>,
    /// The plan that `mask plan` printed
    #[arg(long, value_name = "FILE", required = true)]
    pub plan: Option<PathBuf>,
    /// Lines have cells of these columns, tabs between them; \N alone is null. Else each
    /// line is a JSON object
    #[arg(long, value_name = "NAME,…")]
    pub columns: Option<String>,
    /// How masked lines look
    #[arg(long, value_enum, default_value_t)]
    pub output: LineFormat,
}

/// How lines look.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LineFormat {
    /// A JSON object, with the names of the table's columns
    #[default]
    Jsonl,
    /// Cells in the order of these columns, then rejected, field, length
    Tsv,
    /// A stream of Arrow IPC with the same columns
    Arrow,
}

/// `mask …`.
#[derive(Subcommand)]
pub(crate) enum MaskCommand {
    /// Print the plan of a job: the keys in force, wrapped, and an expiry
    Plan(PlanArgs),
    /// Register what a job has made, if the keys of its plan are still there
    Commit(CommitArgs),
}

/// `mask plan`.
#[derive(Args)]
#[command(after_help = "\
Needs a login in loginetl_loader or loginetl_rotator, and KMS. The plan is written
down (mask.run in the audit log). From then on its keys are not destroyed, until the run is
committed and its archive dropped, or the run is given up (archive drop).

A plan is worth nothing without the right to Decrypt with the ingest key. With it,
it opens tokens: keep it as you keep the archive.

Examples:
  loginetl mask plan --job logins --location s3://lake/logins > plan.json
  loginetl mask plan --job logins --location s3://lake/logins-2 --rewrites > plan.json")]
pub(crate) struct PlanArgs {
    /// The name of the archive: 1 to 100 letters, digits and . _ - /
    #[arg(long, value_name = "NAME")]
    pub job: String,
    /// Where what is made will lie: a URI, or anything that people find it by. It stays
    /// in the log for ever: no password, no signed URL
    #[arg(long, value_name = "URI")]
    pub location: String,
    /// The plan is for remask: it brings the archive of that name under the keys in force
    /// (a login in loginetl_rotator, where these are not the keys in force already)
    #[arg(long)]
    pub rewrites: bool,
    /// How long processes may work by it: 90m, 12h or 30d. They ask for its keys at their
    /// start and each half hour
    #[arg(long, value_name = "AGE", default_value = "24h", value_parser = super::quarantine::age)]
    pub valid_for: SignedDuration,
    /// The day of events that have none [default: today, UTC]
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "rewrites")]
    pub day: Option<Date>,
    /// How app_version becomes an integer
    #[arg(long, value_enum, default_value_t)]
    pub app_version: AppVersion,
    /// Which envelopes of other services are opened, where a line is no event itself
    #[arg(long, value_enum, default_value_t)]
    pub envelope: Envelope,
}

/// `mask commit`.
#[derive(Args)]
#[command(after_help = "\
Call it when all lines are counted and before the files are published. A second call
with the same counts changes nothing. A plan whose run was given up, or of which a key
is destroyed, is refused: throw the files away.

What a rewrite takes the place of keeps its keys, until it is published and the old
files are deleted: loginetl archive drop NAME --replaced.

Examples:
  loginetl mask commit --plan plan.json --rows 1999980 --rejected 20
  loginetl mask commit --plan plan.json --rows 1999980 --rejected 0 --unopened 0")]
pub(crate) struct CommitArgs {
    /// The plan
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,
    /// Masked lines; of a rewrite, all lines
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=MOST_LINES))]
    pub rows: i64,
    /// Lines that were rejected
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=MOST_LINES))]
    pub rejected: i64,
    /// Of a rewrite: lines that could not be opened
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=MOST_LINES))]
    pub unopened: Option<i64>,
    /// Where it lies, if not where the plan says. It stays in the log for ever: no
    /// password, no signed URL
    #[arg(long, value_name = "URI")]
    pub location: Option<String>,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `remask`.
#[derive(Args)]
#[command(after_help = "\
Masked lines in on standard input, the same lines under the keys of the plan out, one
for one and in order. Each token is opened and its hash compared; it gets the new
token, and the new hash where hash keys have changed. All other members and columns
pass as they are.

What does not open, or has another hash than stands beside it, passes unchanged, and
the line names it: {\"unopened\":[\"ip\"]}, or a last cell. Count these lines: mask
commit asks for them.

Examples:
  loginetl mask plan --job logins --location s3://lake/logins-2 --rewrites > plan.json
  loginetl remask --plan plan.json < masked.jsonl > again.jsonl
  loginetl mask commit --plan plan.json --rows 100 --rejected 0 --unopened 0")]
pub(crate) struct RemaskArgs {
    /// The plan that `mask plan --rewrites` printed
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,
    /// Lines have cells of these columns, tabs between them. Else each line is a JSON
    /// object
    #[arg(long, value_name = "NAME,…")]
    pub columns: Option<String>,
}

/// `archive …`.
#[derive(Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Show the archives: which keys they are under, and runs that nobody has committed
    List(ArchiveListArgs),
    /// Forget an archive that is not there any more, so that it keeps no key
    Drop(ArchiveDropArgs),
}

/// `archive list`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  loginetl archive list
  loginetl archive list --format json")]
pub(crate) struct ArchiveListArgs {
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `archive drop`.
#[derive(Args)]
#[command(after_help = "\
Deletes nothing at its location: do that before. The reason stays in the audit log
for ever.

Examples:
  loginetl archive drop logins-2019 --reason 'deleted after seven years, DPO-12'
  loginetl archive drop logins --replaced --reason 'rewritten under key 4'
  loginetl archive drop logins --open-runs --reason 'the cluster died, the job ran again'")]
pub(crate) struct ArchiveDropArgs {
    /// The archive
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Why; 1 to 500 characters, kept for ever
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Give up only its runs that nobody has committed; the archive stays
    #[arg(long, conflicts_with = "replaced")]
    pub open_runs: bool,
    /// Only what a committed rewrite has taken the place of: it is published, and the old
    /// files are deleted
    #[arg(long)]
    pub replaced: bool,
    /// Only the run of this id (archive list --format json): nothing of it is there
    #[arg(long, value_name = "ID", conflicts_with_all = ["open_runs", "replaced"])]
    pub run: Option<Uuid>,
    /// Those too whose plan has not expired: you know that their jobs are dead
    #[arg(long, conflicts_with = "replaced")]
    pub running_too: bool,
    /// With --replaced: although the rewrite has other counts than what it replaces, or
    /// lines that were not opened
    #[arg(long, requires = "replaced")]
    pub although_incomplete: bool,
    /// KMS key that signs the audit log
    /// [env: LOGINETL_AUDIT_KEY] [default: alias/loginetl-audit]
    #[arg(long, value_name = "KEY")]
    pub audit_key: Option<String>,
    /// How the result looks
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

//! The runs that mask or rewrite events outside of this database, and the archives that
//! they make. The functions of sql/functions/archives.sql decide.

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::session::Parameter;
use super::words::{head, words};
use super::{DbError, Session};
use crate::audit::Head;
use crate::token::KeyId;

/// A run as its plan has it.
pub(crate) struct NewRun<'a> {
    /// Its id.
    pub run: Uuid,
    /// The archive that it adds to, or rewrites.
    pub archive: &'a str,
    /// Where that lies.
    pub location: &'a str,
    /// The data keys that its tokens and hashes are under.
    pub keys: &'a [KeyId],
    /// Whether it takes the place of what the archive has.
    pub is_rewrite: bool,
    /// SHA-256 of the plan.
    pub plan_digest: [u8; 32],
    /// After this the plan is refused.
    pub expires_at: Timestamp,
}

/// What a run has made, as its job says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunCounts {
    /// Masked lines.
    pub rows: i64,
    /// Lines that were rejected.
    pub rejected: i64,
    /// Lines that a rewrite could not open.
    pub unopened: i64,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitAnswer {
    /// It is registered now.
    Committed,
    /// It was registered before, with the same counts.
    Already,
    /// It was registered before, with other counts.
    Other,
    /// There is no run of this plan here.
    Unknown,
    /// One of its keys is destroyed.
    Destroyed,
    /// Its run was given up.
    Waived,
    /// It was committed, and dropped since.
    Dropped,
    /// A field is masked since that it has in clear.
    Clear,
}

/// What became of dropping an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropAnswer {
    /// It keeps no key any more.
    Dropped,
    /// There is nothing to drop.
    Nothing,
    /// A plan of it may still be at work.
    Running,
    /// A rewrite has other counts, or could not open something.
    Incomplete,
}

/// Which runs of an archive are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DroppedRuns {
    /// All.
    All,
    /// Those that nobody has committed.
    Open,
    /// Those in whose place a committed rewrite has come.
    Replaced,
    /// One, open or committed.
    One(Uuid),
}

impl DroppedRuns {
    fn word(self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Open => "open".to_owned(),
            Self::Replaced => "replaced".to_owned(),
            Self::One(run) => run.to_string(),
        }
    }
}

/// Why a run cannot be planned or committed, or an archive not dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArchiveProblem {
    /// There is none of that name.
    #[error("is not registered here")]
    NotRegistered,
    /// Some of its keys are not offered to this login.
    #[error("is under keys that are not in force any more, whose wraps this login cannot read")]
    OutOfReach,
    /// The database has no such run.
    #[error("is not known in this database")]
    UnknownRun,
    /// It was committed with other counts, or elsewhere.
    #[error("is committed already, with other counts or another location")]
    OtherCounts,
    /// A key of it is gone.
    #[error("cannot be committed: a data key of its plan is destroyed")]
    KeyDestroyed,
    /// It was planned before a field was masked.
    #[error("cannot be committed: a field that it has in clear is masked since it was planned")]
    FieldInClear,
    /// Somebody gave it up.
    #[error("was given up (archive drop)")]
    GivenUp,
    /// It was committed, and its archive dropped or replaced since.
    #[error("was committed, and has been dropped since")]
    Dropped,
    /// No committed rewrite is there.
    #[error("has nothing in whose place a committed rewrite has come")]
    NothingReplaced,
    /// A rewrite may have left something out.
    #[error(
        "has a rewrite with other counts than what it replaces, or with lines that were not \
         opened"
    )]
    Incomplete,
    /// It has not the one that is named.
    #[error("has no such run that is open or committed")]
    NoSuchRun,
    /// There is no run to give up.
    #[error("has no run that nobody has committed")]
    NoOpenRun,
    /// A plan of it has not expired.
    #[error("has a run that may be at work: its plan has not expired")]
    Running,
}

/// The record that an act left, if it did something.
pub(crate) struct Answered<A> {
    /// What became of it.
    pub answer: A,
    /// Its record.
    pub head: Option<Head>,
}

/// A run that is open or committed.
#[derive(Clone, Debug)]
pub(crate) struct ArchiveRun {
    /// Its id.
    pub run: Uuid,
    /// The archive.
    pub archive: String,
    /// Where it lies.
    pub location: String,
    /// The data keys that its tokens and hashes are under.
    pub keys: Vec<KeyId>,
    /// Who planned it.
    pub db_user: String,
    /// When.
    pub planned_at: Timestamp,
    /// After this the plan is refused.
    pub expires_at: Timestamp,
    /// When it was committed; nothing while it is open.
    pub committed_at: Option<Timestamp>,
    /// Masked lines, once it is committed.
    pub rows: Option<i64>,
    /// Rejected lines.
    pub rejected: Option<i64>,
    /// Lines that a rewrite could not open.
    pub unopened: Option<i64>,
    /// The runs in whose place a rewrite comes.
    pub replaces: Vec<Uuid>,
}

/// The names of the archives that are under a key, each once.
#[must_use]
pub(crate) fn archives_under(runs: &[ArchiveRun], key: KeyId) -> Vec<String> {
    let under = runs.iter().filter(|run| run.keys.contains(&key));
    let mut names: Vec<String> = under.map(|run| run.archive.clone()).collect();
    names.dedup();
    names
}

impl Session {
    /// Writes down that a run begins.
    ///
    /// # Errors
    /// [`DbError::is_overtaken`]: its keys are not in force any more, or a field more is
    /// masked.
    pub(crate) async fn plan_mask_run(
        &self,
        run: &NewRun<'_>,
        details: &str,
    ) -> Result<Head, DbError> {
        let digest = run.plan_digest.as_slice();
        let parameters: [Parameter<'_>; 8] = [
            (&run.run, Type::UUID),
            (&run.archive, Type::TEXT),
            (&run.location, Type::TEXT),
            (&run.keys, Type::INT8_ARRAY),
            (&run.is_rewrite, Type::BOOL),
            (&digest, Type::BYTEA),
            (&run.expires_at, Type::TIMESTAMPTZ),
            (&details, Type::TEXT),
        ];
        let statement = "\
            select seq, hash from vault.plan_mask_run($1, $2, $3, $4, $5, $6, $7, $8)";
        let row = self.write_one("writing down a run", statement, &parameters).await?;
        Ok(head(&row, 0))
    }

    /// Registers what a run has made; without a location, where its plan says.
    pub(crate) async fn commit_mask_run(
        &self,
        run: Uuid,
        plan_digest: [u8; 32],
        location: Option<&str>,
        counts: RunCounts,
        details: &str,
    ) -> Result<Answered<CommitAnswer>, DbError> {
        let digest = plan_digest.as_slice();
        let parameters: [Parameter<'_>; 7] = [
            (&run, Type::UUID),
            (&digest, Type::BYTEA),
            (&location, Type::TEXT),
            (&counts.rows, Type::INT8),
            (&counts.rejected, Type::INT8),
            (&counts.unopened, Type::INT8),
            (&details, Type::TEXT),
        ];
        let statement = "\
            select answer, seq, hash from vault.commit_mask_run($1, $2, $3, $4, $5, $6, $7)";
        let row = self.write_one("committing a run", statement, &parameters).await?;
        let answer = match row.get(0) {
            "committed" => CommitAnswer::Committed,
            "already" => CommitAnswer::Already,
            "other" => CommitAnswer::Other,
            "unknown" => CommitAnswer::Unknown,
            "destroyed" => CommitAnswer::Destroyed,
            "waived" => CommitAnswer::Waived,
            "dropped" => CommitAnswer::Dropped,
            "clear" => CommitAnswer::Clear,
            _ => return Err(DbError::Invalid("answer to the commit of a run")),
        };
        Ok(Answered { answer, head: record_of(&row, 1) })
    }

    /// Lets some runs of an archive keep no key any more; `although`: those too that may
    /// be at work, and what an incomplete rewrite replaces.
    pub(crate) async fn drop_archive(
        &self,
        archive: &str,
        which: DroppedRuns,
        although: (bool, bool),
        details: &str,
    ) -> Result<(Answered<DropAnswer>, i64), DbError> {
        let which = which.word();
        let parameters: [Parameter<'_>; 5] = [
            (&archive, Type::TEXT),
            (&which, Type::TEXT),
            (&although.0, Type::BOOL),
            (&although.1, Type::BOOL),
            (&details, Type::TEXT),
        ];
        let statement = "\
            select answer, run_count, seq, hash from vault.drop_archive($1, $2, $3, $4, $5)";
        let row = self.write_one("dropping an archive", statement, &parameters).await?;
        let answer = match row.get(0) {
            "dropped" => DropAnswer::Dropped,
            "none" => DropAnswer::Nothing,
            "running" => DropAnswer::Running,
            "incomplete" => DropAnswer::Incomplete,
            _ => return Err(DbError::Invalid("answer to dropping an archive")),
        };
        Ok((Answered { answer, head: record_of(&row, 2) }, row.get(1)))
    }

    /// Whether this login may read the wraps of all keys.
    pub(crate) async fn reads_all_wraps(&self) -> Result<bool, DbError> {
        let statement = "select has_table_privilege('vault.wraps', 'select')";
        Ok(self.read_one("asking for the wraps", statement, &[]).await?.get(0))
    }

    /// All runs that are open or committed, by archive.
    pub(crate) async fn archive_runs(&self) -> Result<Vec<ArchiveRun>, DbError> {
        let statement = "\
            select run, archive, location, keys, db_user, planned_at, expires_at, ended_at, \
              row_count, rejected_count, unopened_count, coalesce(replaces, '{}') \
            from vault.archive_runs order by archive, planned_at, run";
        let rows = self.read("listing the archives", statement, &[]).await?;
        rows.iter().map(archive_run).collect()
    }
}

fn archive_run(row: &Row) -> Result<ArchiveRun, DbError> {
    Ok(ArchiveRun {
        run: row.get(0),
        archive: row.get(1),
        location: row.get(2),
        keys: words(row, 3)?,
        db_user: row.get(4),
        planned_at: row.get(5),
        expires_at: row.get(6),
        committed_at: row.get(7),
        rows: row.get(8),
        rejected: row.get(9),
        unopened: row.get(10),
        replaces: row.get(11),
    })
}

fn record_of(row: &Row, at: usize) -> Option<Head> {
    row.get::<_, Option<i64>>(at).is_some().then(|| head(row, at))
}

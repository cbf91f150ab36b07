//! Failures of jobs that mask outside of the database.

use std::io;

use super::Exit;
use crate::db::ArchiveProblem;
use crate::vault::PlanProblem;

/// Why a part of a job failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// The plan.
    #[error("{path} {problem}")]
    Plan {
        /// The file, as it was named.
        path: String,
        /// What is wrong with it.
        problem: PlanProblem,
    },
    /// A plan that is on record and was not printed.
    #[error("the plan of run {run} of archive {archive} could not be written to its end")]
    PlanLost {
        /// The run.
        run: String,
        /// Its archive.
        archive: String,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
    /// A run that cannot be planned or committed, or an archive that cannot be dropped.
    #[error("{what} {problem}")]
    Archive {
        /// Which run or archive.
        what: String,
        /// What is wrong.
        problem: ArchiveProblem,
    },
    /// Lines that cannot be read.
    #[error("standard input: {problem}")]
    Input {
        /// What is wrong.
        problem: String,
        /// What makes them readable.
        remedy: String,
    },
    /// A line that was not masked here.
    #[error("line {line} of standard input is no masked line")]
    ForeignLine {
        /// Its number, from 1.
        line: u64,
    },
    /// Nobody reads the lines any more.
    #[error("the reader of standard output went away after {lines} lines")]
    ReaderGone {
        /// How many had been written before.
        lines: u64,
    },
    /// A filter was stopped by a signal.
    #[error("stopped before all lines were written")]
    Stopped,
    /// A filter stopped by a defect of ours.
    #[error("the filter panicked before all lines were written")]
    Panicked,
}

const FROM_THE_START: &str = "throw away what it has written, and run it again over all lines";
const FOREIGN_LINE: &str = "give it the lines that mask has printed: JSON objects, or cells and \
                            --columns; none is longer than 1 MiB";

impl JobError {
    /// The exit code, and what the user can do.
    #[must_use]
    pub(super) fn advice(&self) -> (Exit, String) {
        let (exit, hint) = match self {
            Self::Plan { problem, .. } => plan_advice(*problem),
            Self::Archive { problem, .. } => archive_advice(*problem),
            Self::PlanLost { run, archive, .. } => {
                let give_up = format!(
                    "see where the output goes; give the run up (loginetl archive drop {archive} \
                     --run {run} --running-too), and make another plan"
                );
                return (Exit::Temporary, give_up);
            }
            Self::Input { remedy, .. } => return (Exit::Usage, remedy.clone()),
            Self::ForeignLine { .. } => (Exit::Usage, FOREIGN_LINE),
            Self::ReaderGone { .. } => (
                Exit::Temporary,
                "see why it ended; what was written is not all, so that nothing of it counts",
            ),
            Self::Stopped => (Exit::Temporary, FROM_THE_START),
            Self::Panicked => {
                (Exit::Temporary, "report the line above; nothing that was written counts")
            }
        };
        (exit, hint.to_owned())
    }
}

fn plan_advice(problem: PlanProblem) -> (Exit, &'static str) {
    match problem {
        PlanProblem::Unreadable(_) => {
            (Exit::Usage, "check the name, and that this process may read it")
        }
        PlanProblem::NotAPlan => (Exit::Usage, "loginetl mask plan prints one"),
        PlanProblem::Version(_) => (Exit::Usage, "let one build of loginetl plan, mask and commit"),
        PlanProblem::Changed | PlanProblem::Forged => (
            Exit::Integrity,
            "do not mask by it; make another plan, and see who could write to this file",
        ),
        PlanProblem::Expired { .. } => (
            Exit::Refused,
            "make another plan; give up the run of this one (archive drop --open-runs), unless \
             all was masked: then commit it",
        ),
        PlanProblem::Rewrites => (Exit::Usage, "give it to loginetl remask"),
        PlanProblem::Masks => {
            (Exit::Usage, "give it to loginetl mask; mask plan --rewrites makes one for remask")
        }
    }
}

fn archive_advice(problem: ArchiveProblem) -> (Exit, &'static str) {
    match problem {
        ArchiveProblem::NotRegistered
        | ArchiveProblem::NoOpenRun
        | ArchiveProblem::NoSuchRun
        | ArchiveProblem::NothingReplaced => (Exit::Usage, "see: loginetl archive list"),
        ArchiveProblem::OutOfReach => {
            (Exit::Refused, "plan the rewrite with a login in loginetl_rotator")
        }
        ArchiveProblem::UnknownRun => {
            (Exit::Usage, "name the database that this plan was made with")
        }
        ArchiveProblem::OtherCounts => (
            Exit::Refused,
            "see what was committed: loginetl archive list --format json; publish nothing that \
             has other counts",
        ),
        ArchiveProblem::KeyDestroyed | ArchiveProblem::FieldInClear => (
            Exit::Refused,
            "throw away what this job has made; give its run up (loginetl archive drop), make \
             another plan and mask again",
        ),
        ArchiveProblem::GivenUp | ArchiveProblem::Dropped => {
            (Exit::Refused, "throw away what this job has made; make another plan and mask again")
        }
        ArchiveProblem::Incomplete => (
            Exit::Refused,
            "see which counts: loginetl archive list --format json; rewrite all of the archive \
             once more, or say --although-incomplete if you know that nothing is left under the \
             old keys",
        ),
        ArchiveProblem::Running => (
            Exit::Refused,
            "wait until it has expired (archive list --format json), or say --running-too if you \
             know that its job is dead",
        ),
    }
}

//! Postgres: every statement that loginetl runs, and the one connection
//! type that runs them.
//!
//! Invariants: no session setting, prepared statement or session lock outlives a
//! transaction (so a pooler in transaction mode may stand between); of a Postgres error,
//! only such words leave this module as can hold no value.
//!
//! Every function that returns a `DbError` fails when the database is gone, mute,
//! refuses, or does not let this login. What else can go wrong stands under its
//! `# Errors`.

mod alter;
mod archives;
mod audit;
mod backfill;
mod batch;
mod census;
mod chunk;
mod column;
mod comments;
mod connect;
mod deviation;
mod error;
mod expected;
mod facts;
mod fence;
mod fields;
mod figure;
mod functions;
mod gate;
mod grants;
mod keys;
mod ledger;
mod nulls;
mod place;
mod privileges;
mod quarantine;
mod recover;
mod remedies;
mod repair;
mod rotate;
mod rows;
mod schema;
mod session;
mod sight;
mod sqlstate;
mod status;
mod step;
mod structure;
mod sweep;
mod table;
mod words;

pub(crate) use archives::{
    ArchiveProblem, ArchiveRun, CommitAnswer, DropAnswer, DroppedRuns, NewRun, RunCounts,
    archives_under,
};
pub(crate) use audit::{AuditFilter, AuditReader};
pub(crate) use backfill::{MaskedRow, PlainColumns, PlainRow};
pub(crate) use batch::{BatchAnswer, BatchRow};
pub(crate) use census::{Bodies, Census, QuarantineLine};
pub(crate) use chunk::Entrance;
pub use connect::Conninfo;
pub(crate) use connect::{Target, UrlProblem, UrlSource};
pub(crate) use deviation::{Deviation, Remedy};
pub(crate) use error::DbError;
pub(crate) use fence::Fenced;
pub(crate) use figure::{Counting, Figure, Sample};
pub(crate) use gate::OwnRequest;
pub(crate) use keys::{KeyFacts, KeyRow, NewWrap};
pub(crate) use ledger::oldest_day;
pub(crate) use place::{Coverage, Snapshot};
pub(crate) use privileges::Login;
pub(crate) use quarantine::{QuarantineEntry, QuarantineFilter, RetryCandidate, SealedBody};
pub(crate) use recover::FoundRows;
pub(crate) use rotate::{Finished, WrapHolder};
pub(crate) use schema::{Initialised, VERSION as SCHEMA_VERSION};
pub(crate) use session::Session;
pub(crate) use sight::{Readiness, RowChange, Work};
pub(crate) use sqlstate::{Denial, SqlKind};
pub(crate) use status::KeyOverview;
pub(crate) use step::{Growth, LastSteps, Look, Step};
pub(crate) use sweep::{Move, Rotation, TokenGroup};

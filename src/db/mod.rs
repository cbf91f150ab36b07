//! Postgres: every statement that loginetl runs, and the one connection type that runs them.
//!
//! Invariants: no session setting, prepared statement or session lock outlives a transaction (so a pooler in
//! transaction mode may stand between); of a Postgres error, only such words leave this module as can hold no value.

mod alter;
mod audit;
mod backfill;
mod batch;
mod chunk;
mod comments;
mod connect;
mod error;
mod expected;
mod facts;
mod fence;
mod fields;
mod functions;
mod gate;
mod keys;
mod ledger;
mod place;
mod privileges;
mod quarantine;
mod recover;
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

pub use audit::{AuditFilter, AuditReader};
pub use backfill::{MaskedRow, PlainColumns, PlainRow};
pub use batch::{BatchAnswer, BatchRow};
pub use chunk::Entrance;
pub use connect::{Conninfo, Target, UrlProblem, UrlSource};
pub use error::{DbError, Denial, SqlKind};
pub use fence::Fenced;
pub use gate::Requested;
pub use keys::{KeyFacts, KeyRow, NewWrap};
pub use place::{Coverage, Place, Snapshot};
pub use privileges::Login;
pub use quarantine::{QuarantineEntry, QuarantineFilter, RetryCandidate, SealedBody};
pub use recover::FoundRows;
pub use rotate::{Finished, WrapHolder};
pub use schema::{Initialised, KeyTurn};
pub use session::Session;
pub use sight::{Readiness, RowChange, Work};
pub use status::{CensusLine, KeyOverview, QuarantineLine};
pub use step::{Growth, LastSteps, Look, Step};
pub use structure::{Deviation, Remedy};
pub use sweep::{Move, Rotation, TokenGroup};
pub use table::TableFinding;

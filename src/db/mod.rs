//! Postgres: every statement that loginetl runs, and the one connection type that runs them.
//!
//! Invariants: no session setting, prepared statement or session lock outlives a transaction (so a pooler in
//! transaction mode may stand between; `init` alone holds a session lock, and connects directly); no text of a
//! Postgres error leaves this module, for they quote values.

mod audit;
mod backfill;
mod batch;
mod chunk;
mod connect;
mod error;
mod fence;
mod gate;
mod keys;
mod ledger;
mod place;
mod privileges;
mod quarantine;
mod recover;
mod rotate;
mod schema;
mod status;
mod sweep;
mod table;

pub use audit::{AuditFilter, AuditReader};
pub use backfill::{MaskedRow, PlainColumns, PlainRow};
pub use batch::{BatchAnswer, BatchRow};
pub use connect::{Session, Target};
pub use error::{DbError, SqlKind};
pub use fence::Fenced;
pub use gate::Requested;
pub use keys::{KeyFacts, KeyRow, NewWrap};
pub use place::{Place, Snapshot};
pub use privileges::Login;
pub use quarantine::{QuarantineEntry, QuarantineFilter, SealedBody};
pub use recover::{FoundRows, Sealed};
pub use rotate::{Finished, OldSeal, WrapHolder};
pub use schema::InitLock;
pub use status::{CensusLine, KeyState, QuarantineLine};
pub use sweep::{LastSteps, Move, Rotation, Step, Value};
pub use table::TableFinding;

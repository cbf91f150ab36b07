//! Postgres: every statement that loginetl runs, and the one connection type that runs them.
//!
//! Invariants: no session setting, prepared statement or session lock outlives a transaction (so a pooler in
//! transaction mode may stand between; `init` alone holds a session lock, and connects directly); no text of a
//! Postgres error leaves this module, for they quote values.

mod batch;
mod chunk;
mod connect;
mod error;
mod fence;
mod keys;
mod ledger;
mod quarantine;
mod schema;
mod table;

pub use batch::{BatchAnswer, BatchRow};
pub use connect::{Session, Target};
pub use error::{DbError, SqlKind};
pub use fence::Fenced;
pub use keys::{KeyRow, NewWrap};
pub use quarantine::{QuarantineEntry, QuarantineFilter, SealedBody};
pub use schema::InitLock;
pub use table::TableFinding;

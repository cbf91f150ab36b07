//! A job masks events outside of the database, on as many machines as it likes.
//!
//! ```text
//! driver     mask plan ──── the plan: keys in force, wrapped; settings; an expiry ──┐
//! executors  lines ── mask --plan ──▶ masked lines    (KMS alone is asked)   ◀──────┤
//! driver     mask commit ── are its keys still there? what was made is kept  ◀──────┘
//! ```
//!
//! The plan itself is of the vault: `vault/job_plan.rs`. Read on in this order: `open`
//! (its keys, by KMS), `filter` (lines in, lines out), `events` (what masks), `rewrite`
//! (what brings masked lines under other keys). `lines`, `columns`, `row` and `arrow` are
//! the forms of lines.

mod arrow;
mod columns;
mod events;
mod filter;
mod lines;
mod open;
mod rewrite;
mod row;

pub(crate) use columns::Columns;
pub(crate) use events::{EventFilter, Output};
pub(crate) use open::Job;
pub(crate) use rewrite::RewriteFilter;

//! A recovery, from what is asked to what may be shown. The way of one request, and each
//! step leads to the next alone:
//!
//! ```text
//! parse     flags, lines ──────────▶ Query                      selector.rs
//! request   Query ─ask─────────────▶ committed, with its keys   request.rs, search.rs
//!           Query ─resume──────────▶ the same, if another process has left it
//! decision  RecoveryStage            Denied, Committed or Signed; the database decides
//!           CommittedRecovery ─sign▶ SignedRecovery             steps.rs
//! keys      ─release───────────────▶ ReleasedRecovery
//! answers   ─open──────────────────▶ OpenedRecovery             answer.rs
//! outcome   ─conclude──────────────▶ ConcludedRecovery          outcome.rs
//! receipt   in it, and what it discloses: the answers of this request
//! ```
//!
//! Each step takes the one before and is gone, so that none is left out or made twice.
//! Each holds the request by its number: keys are released, answers opened, the outcome
//! recorded and values disclosed for that one. What each of them asks of the database,
//! and the proofs that cannot be made up, stand in `vault/gate.rs`.
//!
//! Between two steps the process may end. The request is in the log, and another process
//! of the same login takes it up ([`resume`]) with the same query, as the same types.
//!
//! This layer knows no flags, no signals and no stdout: `commands/unmask` does.

mod answer;
mod outcome;
mod refusal;
mod request;
mod search;
mod selector;
mod steps;

pub(crate) use answer::{Answer, RecoveredValue};
pub(crate) use refusal::{QueryError, RecoveryError, ResumeProblem};
pub(crate) use request::{Cause, RecoveryStage, ask, resume};
pub(crate) use selector::{Query, Selector, parse_lines};
pub(crate) use steps::{ConcludedRecovery, OpenedRecovery};

//! The pipeline: from any source to masked rows, each event exactly once in effect.
//!
//! ```text
//! Source ─poll→ receive ─parse, mask→ InHand ─batch→ write ─commit→ acknowledge ─→ Source
//!                  │                                   │
//!                  └────────────── give back ──────────┘  (a stop, a fault)
//!
//! Beside them: the leases kept alive, metrics, progress.
//! ```
//!
//! Read it in this order: `source` (what a queue, a file or another source is asked to
//! do), `parcel` (what is handed out as one, and its verdicts: `message`, `archived`, and
//! the chunks of `file`), `pipeline` (the stages
//! and how they end), `receive`, `intake` (does it begin with login events?), `write`,
//! `acknowledge`, `give_back`. Beside them: `held` and `budget` (leases, memory),
//! `ending` (why it ends), `watch` (`tally`, `metrics`, `health`, `listen`), `record`
//! (the run in the audit log), `patience`.
//!
//! Stopping runs the same way: no more is received, what is in hand is written and
//! acknowledged, the rest is given back.

#![allow(
    private_interfaces,
    private_bounds,
    reason = "a source of one's own hands out messages; nobody outside needs to know how they \
              are written"
)]

mod acknowledge;
mod archived;
mod budget;
mod ending;
mod exposition;
mod faults;
mod file;
mod give_back;
mod health;
mod held;
mod intake;
mod known;
mod listen;
mod lookup;
mod message;
mod metrics;
mod parcel;
mod patience;
mod pipeline;
mod queue;
mod receive;
mod record;
mod run;
mod source;
mod survey;
mod tally;
mod watch;
mod write;

pub(crate) use file::{ArchiveSource, FileSource, LedgerClock};
pub(crate) use give_back::give_back;
pub(crate) use listen::Listener;
pub use message::Message;
pub(crate) use parcel::{Judging, Parcel};
pub(crate) use pipeline::load;
pub(crate) use queue::QueueSource;
pub(crate) use record::End;
pub(crate) use run::{Options, Run};
pub use source::{Depth, Facts, Origin, Polled, Source, SourceError};
pub(crate) use tally::Summary;

/// Calls to a source at once, where there are many to make.
const CALLS_AT_ONCE: usize = 16;

//! The path of one login event: `Body ─parse→ LoginEvent ─mask→ MaskedLogin`. Pure; knows
//! no queue and no database.
//!
//! Values stand in [`Body`] and [`LoginEvent`] alone, which cannot be printed;
//! [`MaskedLogin`] and [`Rejection`] are harmless and may be.

mod app_version;
mod archive;
mod body;
mod dates;
mod envelope;
mod event;
pub mod form;
mod json;
mod mask;
mod message;
mod near;
mod parse;
mod reading;
mod rejection;
mod shape;
mod unescape;
mod verdict;

pub use app_version::AppVersionEncoding;
pub use archive::{ArchivedMessage, LineProblem, read_archived};
pub use body::Body;
pub use dates::{FIXED_DAY, SentAt, utc_day};
pub use envelope::Envelopes;
pub use event::{LoginEvent, MaskedField, MaskedLogin};
pub use mask::{EventMasker, FieldPlan, KeySource, Masker, Plan, ValueKeys};
pub use message::{Delivery, SealedRejection, SourceKind, Verdict, chunk_id, line_id, message_id};
pub use near::{NearNameCount, NearNames};
pub use parse::parse;
pub use reading::Reading;
pub use rejection::{RejectReason, Rejection};

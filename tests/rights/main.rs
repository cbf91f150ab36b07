//! Rights, proved: what the policies of `keys/` allow is what the commands need, and what
//! the page says that they deny is denied.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise"
)]

mod allowed;
mod calls;
mod cases;
mod denied;
mod page;
#[path = "../policy/mod.rs"]
mod policy;
mod recording;
mod rules;
mod rules_of_conditions;
mod shipped;
#[path = "../it/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the integration tests, which use all of it"
)]
mod support;
mod trust;

//! The documents, held against the program: links, help, commands, names, and how long
//! they are.
//!
//! Needs no servers. `LOGINETL_BLESS=1 cargo test --test documents` writes the help into
//! the pages.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod commands;
mod errors;
mod help;
mod length;
mod links;
mod names;
mod page;
mod paths;

//! The real binary against real PostgreSQL and real LocalStack: one module a promise.
//!
//! `make test` starts the servers and says where they are; each test has a database and a
//! queue of its own.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise"
)]

mod archive;
mod audit;
mod bad_input;
mod canary;
mod check;
mod comments;
mod connections;
mod envelopes;
mod errors;
mod estimate;
mod faults;
mod fifo;
mod file;
mod file_forms;
mod foreign_settings;
mod gate;
mod guard;
mod head_file;
mod init;
mod installing;
#[path = "../instrument/mod.rs"]
mod instrument;
mod instrumented;
mod jobs;
mod keys;
mod kms_region;
mod log_lines;
mod metrics;
mod mistaken_errors;
mod model_traces;
mod outages;
mod pages;
mod pgbouncer;
mod quarantine;
mod queue;
mod queue_faults;
mod release;
mod resume;
mod roles;
mod rotate;
mod rotate_faults;
mod rotate_resume;
mod rotation;
mod second_implementation;
mod sight;
mod sight_random;
mod small_rules;
mod structure;
mod support;
mod table;
mod third_field;
mod tls;
mod unmask;
mod unmask_faults;
mod unmask_input;
mod upgrade;
mod upgrade_mask;
mod words;

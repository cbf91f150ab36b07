//! loginetl: login events from SQS into Postgres, with the personal fields masked so that
//! duplicates still match.
//!
//! The path of the data is the path of the reader:
//!
//! ```text
//! Source ─poll→ Message ─judge (parse, mask)→ Verdict ─insert→ row ─acknowledge→ (message gone)
//! ```
//!
//! Start at [`load`]. Imports run one way: `main` → `start` → `commands` → [`load`],
//! `job`, `recovery` → [`vault`] → `queue`, `kms`, [`db`] (which never import each other;
//! `aws` is what the first two share) → [`login`], [`token`], [`audit`] → [`crypto`]. The
//! last four are pure: no tokio, no AWS, no Postgres. No two files import each other, in
//! a circle of any length. `tests/source_rules` keeps it so.
//!
//! # Glossary
//!
//! One word per idea and one idea per word, in code, SQL, command line and documents.
//! Types are nouns, functions are verbs; no two types have one name. `tests/source_rules`
//! keeps that, and the list of words that were retired.
//!
//! - **field**: `ip`, `device_id` or, where an installation chose so, `user_id`: its
//!   values are masked.
//! - **plaintext**: the canonical bytes of a value; equal values have equal plaintexts.
//! - **token**: the plaintext under AES-SIV; deterministic per data key, reversible with
//!   it.
//! - **hash**: a keyed hash of the plaintext as a UUID; the stable handle for joins.
//! - **order hash**: the hash by which a sweep goes through the values.
//! - **data key**: the secret of one purpose (*mask*, *hash*, *seal*), named by its **key
//!   id**.
//! - **key state**: *pending* → *active* → *retiring* → *retired* → *destroyed*.
//! - **wrap**: a data key under a KMS key, for one **holder** (*ingest* or *recovery*).
//! - **value keys**: the mask key and the hash key that one value is under.
//! - **key cache**: the unwrapped keys that a loader holds, bounded in age.
//! - **plan**: which data keys are in force for which values.
//! - **masking**: a worker's masker, keyed anew when the plan has changed, and fitted to
//!   the plan that the fence keeps.
//! - **rotation**, **sweep**, **watermark**: new data keys; the pass that rewrites tokens
//!   in hash order; how far it has come.
//! - **token group**: rows with one hash and one token, which a sweep moves together; a
//!   **step** moves one range of them.
//! - **fence**: the lock between writers of rows and the steps of a sweep.
//! - **guard**: the check that rows are masked in just the fields of this installation,
//!   under the keys that the plan asks for; a **span** is what it is told of all rows
//!   with one key of one field.
//! - **source**: where events come from: a queue, a file, or one of one's own
//!   ([`load::Source`]).
//! - **parcel**: what a source hands out as one, and what is written whole: a **message**
//!   or a **chunk**.
//! - **message**, **delivery**, **body**: one event of a queue; what the queue says of
//!   it; what is in it.
//! - **receive**, **receipt handle**: one handing out of a message; what deletes it or
//!   gives it back.
//! - **job**, **run**: a program on many machines that masks events outside of the
//!   database; one time that it does so. Its **job plan** is what it masks by: keys in
//!   force, wrapped, and an expiry.
//! - **archive**: what runs have made, somewhere else; its keys are kept.
//! - **filter**: lines in, lines out; a line is **set aside** where it was rejected or
//!   could not be opened.
//! - **envelope** (`--envelope`): what SNS or EventBridge put around an event; it is part
//!   of the body.
//! - **verdict**: what becomes of a message: a row, or a **rejection** for one **reject
//!   reason**.
//! - **near name**: the name of a field that is a known one in another case or one letter
//!   off.
//! - **batch**, **chunk**: messages, or up to 5,000 lines of a file (all chunks but the
//!   last have exactly that many), written in one transaction.
//! - **stop**: asked for once; what is in hand is finished until its **deadline**, given
//!   back until its **end**.
//! - **ledger**: the ids of all messages and chunks whose effect is committed.
//! - **quarantine**: messages that were rejected, with the code of the reject reason and
//!   the **sealed body**.
//! - **selector**: what names a value that is to be recovered: a hash, a token, a
//!   quarantined message.
//! - **justification**: why somebody asks for a value, in her own words (`--reason`,
//!   `--ticket`).
//! - **gate**: the way to a recovered value: **request** (committed, signed), **release**
//!   of a key, **outcome** (committed, signed), and the **receipt** that proves it.
//! - **recovery**: a query on its way through the gate, step by step; **resumed** by
//!   another process of the same login.
//! - **record**: one line of the audit log, with its **details**; each holds the hash of
//!   the one before it, which makes the **chain**.
//! - **record kind**: what a record is about, `rotate.start` for one; some kinds are
//!   signed.
//! - **group**: a role of PostgreSQL that gives logins their rights, `loginetl_loader`
//!   for one.
//! - **head**: number and hash of the chain's last record.

// What no test and no program uses from outside is no part of the library: the compiler
// then finds dead code.
#![warn(unreachable_pub)]

pub mod audit;
mod aws;
mod cli;
mod commands;
mod content;
pub mod crypto;
pub mod db;
mod error;
mod job;
mod kms;
pub mod load;
mod logging;
pub mod login;
mod output;
mod queue;
mod recovery;
mod retry;
mod settings;
mod start;
mod stop;
pub mod token;
pub mod vault;
mod version;

pub use start::{load_from, run};

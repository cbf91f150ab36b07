//! A third source goes through the whole pipeline: killed, stopped, delivered again, and
//! each event has its effect once.
//!
//! This program is both: the loader of that source, when it is told where the log is, and
//! the test that runs it.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise"
)]

mod log;
#[path = "../it/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the integration tests, which use all of it"
)]
mod support;

use std::path::Path;
use std::process::{Command, ExitCode, Output};

use log::{Log, offset_in};
use nix::sys::signal::Signal;
use support::{Running, World, event, text};

const LOG: &str = "LOGINETL_TEST_LOG";
/// Logins of so many users, and bodies that are no login.
const USERS: u32 = 8_000;
const BROKEN: u32 = 40;
const ALL: usize = (USERS + BROKEN) as usize;

fn main() -> ExitCode {
    if let Some(path) = std::env::var_os(LOG) {
        return loginetl::load_from(Log::open(Path::new(&path)).expect("the log"));
    }
    // `cargo test FILTER` is about other tests, unless it names this one.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if filter.is_some_and(|filter| !"own_source".contains(&filter)) {
        return ExitCode::SUCCESS;
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(a_log_is_loaded_once_whatever_happens_to_its_loader());
    println!("test a_log_is_loaded_once_whatever_happens_to_its_loader ... ok");
    ExitCode::SUCCESS
}

async fn a_log_is_loaded_once_whatever_happens_to_its_loader() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.log");
    write_log(&path);
    let start = || Running::start(&mut loader(&world, &path));
    for _ in 0..5 {
        end_in_the_midst(&world, start(), Signal::SIGKILL).await;
    }
    let before = offset(&path);
    assert!(before < ALL, "killed before the end, at {before}");
    let output = end_in_the_midst(&world, start(), Signal::SIGTERM).await;
    assert_eq!(output.status.code(), Some(4), "a part is unread: {}", text(&output));
    let after = offset(&path);
    assert!(
        before < after && after < ALL,
        "what was in hand is acknowledged: {before}, {after} of {ALL}"
    );
    let written = count(&world).await + quarantined(&world).await;
    assert_eq!(written, i64::try_from(after).expect("few"), "and all of it is written");

    let output = start().finish();
    assert_eq!((output.status.code(), offset(&path)), (Some(0), ALL), "{}", text(&output));
    assert_all(&world).await;
    // All of it is delivered again.
    std::fs::remove_file(path.with_extension("offset")).expect("it is there");
    let output = start().finish();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a summary");
    assert_eq!(summary["duplicates"], ALL, "{summary}");
    assert_eq!(
        (summary["loaded"].as_u64(), summary["deleted"].as_u64()),
        (Some(0), Some(ALL as u64))
    );
    assert_all(&world).await;
}

/// Ends a loader once it has begun to write.
async fn end_in_the_midst(world: &World, running: Running, signal: Signal) -> Output {
    let before = count(world).await;
    support::eventually("it writes", async || count(world).await > before).await;
    running.signal(signal)
}

fn loader(world: &World, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env(LOG, path).env("LOGINETL_DATABASE_URL", &world.database.url);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

fn write_log(path: &Path) {
    let mut lines: Vec<String> = (0..USERS).map(event).collect();
    for broken in 0..BROKEN {
        lines.insert((broken * 170) as usize, "{\"user_id\": 7".to_owned());
    }
    std::fs::write(path, lines.join("\n")).expect("written");
}

fn offset(path: &Path) -> usize {
    offset_in(&path.with_extension("offset"))
}

async fn count(world: &World) -> i64 {
    world.database.count("select from public.user_logins").await
}

async fn quarantined(world: &World) -> i64 {
    world.database.count("select from ingest.quarantine").await
}

async fn assert_all(world: &World) {
    let distinct = world.database.count("select distinct user_id from public.user_logins").await;
    let (users, broken) = (i64::from(USERS), i64::from(BROKEN));
    assert_eq!((count(world).await, distinct, quarantined(world).await), (users, users, broken));
}

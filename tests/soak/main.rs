//! What takes longer than a test may: many kills, hangs to the last second, bytes of
//! strangers. Run by `make soak`.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise"
)]

#[path = "../body_fuzz.rs"]
mod body_fuzz;
mod database_url;
mod forms;
mod fuzz;
#[path = "../instrument/mod.rs"]
mod instrument;
#[path = "../it/instrumented.rs"]
#[allow(dead_code, reason = "shared with the integration tests, which use all of it")]
mod instrumented;
mod outages;
#[path = "../it/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the integration tests, which use all of it"
)]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use support::{Action, Proxy, World, event, eventually, sample, text};

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_loaders_is_killed_again_and_again_and_each_event_is_loaded_once() {
    const EVENTS: u32 = 6_000;
    let world = World::new().await;
    world.queue.send(&sample()).await;
    let loader = || world.spawn(&["load", "--visibility-timeout", "10", "--batch-rows", "50"]);
    let steady = loader();
    let mut kills = 0;
    for batch in 0..30 {
        let victim = loader();
        let events: Vec<_> = (batch * EVENTS / 30..(batch + 1) * EVENTS / 30).map(event).collect();
        world.queue.send(&events).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        victim.signal(Signal::SIGKILL);
        kills += 1;
    }
    assert_eq!(kills, 30);
    eventually("the queue is empty", async || world.queue.depth().await == (0, 0)).await;
    assert!(steady.signal(Signal::SIGTERM).status.success());
    world.drain(0);
    let expected = i64::from(EVENTS) + sample().len() as i64 - 1;
    assert_eq!(world.database.count("select from user_logins").await, expected);
    assert_eq!(
        world
            .database
            .count(
                "select distinct user_id, masked_ip, create_date from user_logins \
                   where user_id like 'u-%'"
            )
            .await,
        i64::from(EVENTS)
    );
    assert_eq!(world.database.count("select from ingest.quarantine").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_within_25_seconds_whatever_hangs() {
    for hanging_call in [
        "AmazonSQS.ReceiveMessage",
        "AmazonSQS.DeleteMessageBatch",
        "AmazonSQS.ChangeMessageVisibilityBatch",
    ] {
        let hangs = Arc::new(AtomicBool::new(false));
        let proxy = Proxy::start({
            let hangs = Arc::clone(&hangs);
            move |target| {
                if target == hanging_call && hangs.load(Ordering::SeqCst) {
                    Action::Hang
                } else {
                    Action::Forward
                }
            }
        });
        let world = World::new().await.through(&proxy);
        let mut blocker = world.database.client().await;
        let transaction = blocker.transaction().await.expect("a transaction");
        world.queue.send(&(0..600).map(event).collect::<Vec<_>>()).await;
        if hanging_call.contains("Visibility") {
            transaction
                .batch_execute("lock table vault.fence in exclusive mode")
                .await
                .expect("a lock");
        }
        hangs.store(true, Ordering::SeqCst);
        let loader = world.spawn(&["load", "--batch-rows", "20"]);
        tokio::time::sleep(Duration::from_secs(3)).await;
        let stopped_at = Instant::now();
        let output = loader.signal(Signal::SIGTERM);
        let took = stopped_at.elapsed();
        assert!(took < Duration::from_secs(25), "{hanging_call}: {took:?}: {}", text(&output));
    }
}

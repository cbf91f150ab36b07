//! A queue that refuses, forgets, repeats itself, hangs and goes away: every message is
//! loaded once all the same.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::instrument::Operation::{
    ChangeMessageVisibilityBatch, DeleteMessageBatch, ReceiveMessage,
};
use crate::instrumented::{Instrumented, stop, stop_and_release};
use crate::support::{eventually, summary, text};

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_refusals_lost_answers_and_stale_receipts_at_once_change_nothing() {
    let it = Instrumented::new().await;
    it.sqs.faults(|f| {
        (f.rtt, f.duplicates) = (Duration::from_millis(1), 0.1);
        (f.refused, f.lost, f.partial, f.stale_receipts) = (0.02, 0.01, 0.02, 0.002);
    });
    it.fill(6_000);
    let loaders = [(); 2].map(|()| it.load(&["--batch-rows", "100"]));
    // What an answer took along is loaded when its time is over.
    it.wait_for_rows(5_500).await;
    it.wait_until_deleted().await;
    it.stop_idle(loaders).await;
    it.assert_exactly_once(0).await;
    let (all, queue) = (it.sqs.stats(), it.queue.stats());
    assert!(all.refused > 10 && all.lost > 5, "{all:?}");
    assert!(
        queue.duplicated > 500 && queue.expired > 20 && queue.redundant_deletes > 0,
        "{queue:?}"
    );
    assert_eq!(it.deadlocks().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_at_full_speed_leaves_nothing_in_flight() {
    let it = Instrumented::new().await;
    it.sqs.faults(|f| f.rtt = Duration::from_millis(5));
    it.fill(60_000);
    let loader = it.load(&[]);
    it.wait_for_rows(1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stopped = Instant::now();
    let output = stop(loader);
    assert!(stopped.elapsed() < Duration::from_secs(8), "{:?}", stopped.elapsed());
    it.assert_loaded_or_here().await;
    let summary = summary(&output);
    let here = it.queue.still_here().len() as u64;
    assert!(here > 0, "it was stopped in the middle: {summary}");
    assert_eq!(summary["deleted"], 60_000 - here, "{summary}");
    assert!(it.sqs.stats().receives_at_once > 10, "many receivers at work: {:?}", it.sqs.stats());
}

const EVENTS: u32 = 8_000;

/// A loader in the middle of its work.
async fn at_work(it: &Instrumented) -> crate::support::Running {
    it.sqs.faults(|f| f.rtt = Duration::from_millis(5));
    it.fill(EVENTS);
    let loader = it.load(&["--receivers", "8"]);
    it.wait_for_rows(500).await;
    loader
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_before_a_receive_takes_effect_loses_nothing() {
    let it = Instrumented::new().await;
    let loader = at_work(&it).await;
    it.sqs.hold_calls(ReceiveMessage);
    eventually("all receives are held", async || it.sqs.waiting(ReceiveMessage) == 8).await;
    let output = stop_and_release(loader, async || it.sqs.release(ReceiveMessage)).await;
    assert_eq!(summary(&output)["given_back"], 80, "what came after the signal: {}", text(&output));
    assert_eq!(it.queue.stats().given_back, 80);
    it.assert_loaded_or_here().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_before_the_answer_of_a_receive_loses_nothing() {
    let it = Instrumented::new().await;
    let loader = at_work(&it).await;
    it.sqs.hold(ReceiveMessage);
    eventually("all receives are held", async || it.sqs.waiting(ReceiveMessage) == 8).await;
    let output = stop_and_release(loader, async || it.sqs.release(ReceiveMessage)).await;
    assert_eq!(summary(&output)["given_back"], 80, "what came after the signal: {}", text(&output));
    it.assert_loaded_or_here().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_a_write_waits_for_a_lock_writes_it_in_the_end() {
    let it = Instrumented::new().await;
    let loader = at_work(&it).await;
    let blocker = it.world.database.client().await;
    blocker
        .batch_execute("begin; lock table user_logins in access exclusive mode")
        .await
        .expect("a lock");
    let before: i64 =
        blocker.query_one("select count(*) from user_logins", &[]).await.expect("a count").get(0);
    let waiting = "select from pg_locks where relation = 'user_logins'::regclass and not granted";
    eventually("both writers wait", async || it.world.database.count(waiting).await == 2).await;
    stop_and_release(loader, async || {
        blocker.batch_execute("commit").await.expect("the lock is given up")
    })
    .await;
    it.assert_loaded_or_here().await;
    assert!(it.rows().await > before, "what was in hand is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_deletes_are_held_deletes_what_is_committed() {
    for held in ["before they take effect", "before their answers"] {
        let it = Instrumented::new().await;
        let loader = at_work(&it).await;
        if held == "before their answers" {
            it.sqs.hold(DeleteMessageBatch);
        } else {
            it.sqs.hold_calls(DeleteMessageBatch);
        }
        eventually(held, async || it.sqs.waiting(DeleteMessageBatch) == 10).await;
        let output = stop_and_release(loader, async || it.sqs.release(DeleteMessageBatch)).await;
        let summary = summary(&output);
        assert_eq!(
            (&summary["loaded"], &summary["duplicates"]),
            (&summary["deleted"], &0.into()),
            "{held}: {summary}"
        );
        it.assert_loaded_or_here().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_leaves_nothing_in_flight_where_some_of_what_is_given_back_is_refused_at_first() {
    let it = Instrumented::new().await;
    let loader = at_work(&it).await;
    it.sqs.hold(ReceiveMessage);
    eventually("all receives are held", async || it.sqs.waiting(ReceiveMessage) == 8).await;
    it.sqs.faults(|f| (f.operations, f.partial) = (vec![ChangeMessageVisibilityBatch], 0.08));
    stop_and_release(loader, async || it.sqs.release(ReceiveMessage)).await;
    it.assert_loaded_or_here().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_at_a_stop_does_not_come_to_the_same_loader_again() {
    let it = Instrumented::with("logins", 5).await;
    it.sqs.faults(|f| f.rtt = Duration::from_millis(5));
    it.fill(EVENTS);
    let loader = it.load(&[]);
    it.wait_for_rows(i64::from(EVENTS)).await;
    eventually("many receivers wait for more", async || it.sqs.stats().receives_waiting > 10).await;
    let stopped = tokio::task::spawn_blocking(|| stop(loader));
    tokio::time::sleep(Duration::from_millis(300)).await;
    it.fill_more(10);
    stopped.await.expect("it ends");
    it.assert_loaded_or_here().await;
    assert_eq!(it.queue.still_here().len(), 10);
    assert!(it.queue.stats().max_receive_count <= 2, "{:?}", it.queue.stats());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_throttles_and_then_is_down_is_waited_for() {
    let it = Instrumented::new().await;
    let loader = at_work(&it).await;
    it.sqs.faults(|f| f.throttled = true);
    tokio::time::sleep(Duration::from_secs(2)).await;
    it.sqs.faults(|f| (f.throttled, f.down) = (false, true));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let refused = it.sqs.stats().refused;
    assert!((20..2_000).contains(&refused), "tried now and then: {refused} calls");
    assert!(it.rows().await < i64::from(EVENTS), "in the middle of a load");
    it.sqs.faults(|f| f.down = false);
    it.wait_for_rows(i64::from(EVENTS)).await;
    it.wait_until_deleted().await;
    it.stop_idle([loader]).await;
    it.assert_exactly_once(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receives_that_hang_do_not_stop_the_others() {
    let it = Instrumented::new().await;
    let loader = at_work(&it).await;
    it.sqs.faults(|f| (f.operations, f.hang_next) = (vec![ReceiveMessage], 3));
    eventually("three receives hang", async || it.sqs.stats().hung == 3).await;
    assert!(it.rows().await < i64::from(EVENTS), "in the middle of a load");
    it.wait_for_rows(i64::from(EVENTS)).await;
    eventually("all are deleted", async || it.queue.still_here().is_empty()).await;
    it.assert_exactly_once(0).await;
    // The calls that hang end when their connections do: the soak waits for the time
    // limit instead.
    let Instrumented { world, sqs, queue } = it;
    let output = stop_and_release(loader, async || drop(sqs)).await;
    assert_eq!(summary(&output)["loaded"], EVENTS, "{}", text(&output));
    drop((world, queue));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_changes_its_messages_fills_no_quarantine() {
    let it = Instrumented::new().await;
    it.sqs.faults(|f| f.rtt = Duration::from_millis(1));
    it.queue.send(
        &(0..20_000)
            .map(|n| format!(r#"{{"renamed_user": "u-{n}", "address": "10.0.0.1"}}"#))
            .collect::<Vec<_>>(),
    );
    let output = it.load(&["--poison-budget", "100", "--quarantine-from-start"]).finish();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let summary = summary(&output);
    assert_eq!(summary["poison_budget_exceeded"], true, "{summary}");
    let quarantined = it.quarantined().await;
    assert!((101..8_000).contains(&quarantined), "what was in hand: {summary}");
    let stats = it.queue.stats();
    assert_eq!((stats.in_flight, stats.dead_lettered), (0, 0), "{stats:?}");
    assert_eq!(
        stats.visible as usize,
        20_000 - quarantined,
        "the rest is there for others: {stats:?}"
    );
    let (ledger, here) = (it.ledger().await, it.queue.still_here());
    assert!(
        ledger.len() == quarantined && here.iter().all(|id| !ledger.contains(id)),
        "each is in one place"
    );
    assert_eq!(it.rows().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_is_killed_leaves_its_messages_to_the_next() {
    let it = Instrumented::new().await;
    let loader = at_work(&it).await;
    loader.signal(Signal::SIGKILL);
    let in_flight = it.queue.stats().in_flight;
    assert!(in_flight > 0, "it had some in hand");
    it.queue.skip(Duration::from_secs(121));
    let loader = it.load(&[]);
    it.wait_for_rows(i64::from(EVENTS)).await;
    it.wait_until_deleted().await;
    it.stop_idle([loader]).await;
    it.assert_exactly_once(0).await;
}

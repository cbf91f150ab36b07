//! Loading from the queue: right rows, each event once, whatever happens between commit
//! and delete.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Action, Proxy, World, event, eventually, sample, summary, text};

async fn users(world: &World) -> Vec<String> {
    world
        .database
        .query("select user_id from user_logins order by user_id")
        .await
        .iter()
        .map(|row| row.get(0))
        .collect()
}

fn once_each(users: &[String], expected: usize) {
    assert_eq!(users.len(), expected, "rows");
    assert_eq!(users.iter().collect::<HashSet<_>>().len(), expected, "different users");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_becomes_rows_and_one_quarantined_message() {
    let world = World::new().await;
    let lines = sample();
    world.queue.send(&lines).await;
    let summary = world.drain(0);
    let expected = [
        ("received", lines.len()),
        ("loaded", lines.len() - 1),
        ("duplicates", 0),
        ("quarantined", 1),
        ("deleted", lines.len()),
    ];
    for (name, count) in expected {
        assert_eq!(summary[name], count, "{name} in {summary}");
    }
    let null_locales = lines
        .iter()
        .filter(|l| l.contains(r#""locale": null"#) || !l.contains(r#""locale""#))
        .count()
        - 1;
    assert_eq!(
        world.database.count("select from user_logins where locale is null").await,
        null_locales as i64
    );
    let spellings = "select ip_hash, count(distinct masked_ip) from user_logins group by 1 \
                       having count(distinct masked_ip) <> 1";
    assert_eq!(
        world.database.count(spellings).await,
        0,
        "equal addresses in any spelling have one token"
    );
    assert!(
        world
            .database
            .count("select from user_logins group by masked_ip having count(*) > 1")
            .await
            > 0,
        "duplicates match"
    );
    assert_eq!(world.queue.depth().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_dates_and_nulls_are_stored_as_documented() {
    let world = World::new().await;
    let body = |user: &str, rest: &str| {
        format!(r#"{{"user_id": "{user}", "ip": "192.0.2.1", "device_id": "d", {rest}}}"#)
    };
    let dated = "\"app_version\": \"2.3\", \"locale\": null, \"device_type\": \"iOS\", \
                 \"create_date\": \"2024-02-29\"";
    let timed = "\"app_version\": \"2147.483.647\", \"locale\": \"\", \
                 \"timestamp\": \"2023-11-14T23:59:59-02:00\"";
    world
        .queue
        .send(&[
            body("a", dated),
            body("b", r#""app_version": "0.96", "timestamp": 1700000000, "locale": "DE""#),
            body("c", timed),
            body("d", r#""app_version": "6.02", "timestamp": "1700000000000""#),
        ])
        .await;
    world.drain(0);
    let rows = world
        .database
        .query(
            "select user_id, device_type, locale, app_version, create_date::text \
               from user_logins order by 1",
        )
        .await;
    type Row = (String, Option<String>, Option<String>, i32, String);
    let rows: Vec<Row> =
        rows.iter().map(|r| (r.get(0), r.get(1), r.get(2), r.get(3), r.get(4))).collect();
    let row = |u: &str, t: Option<&str>, l: Option<&str>, v, d: &str| {
        (u.to_owned(), t.map(str::to_owned), l.map(str::to_owned), v, d.to_owned())
    };
    let expected = [
        row("a", Some("iOS"), None, 2_003_000, "2024-02-29"),
        row("b", None, Some("DE"), 96_000, "2023-11-14"),
        row("c", None, Some(""), i32::MAX, "2023-11-15"),
        row("d", None, None, 6_002_000, "2023-11-14"),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_encodings_of_versions_are_a_flag() {
    let world = World::new().await;
    for (encoding, expected) in [("major", 2), ("digits", 230)] {
        world.queue.send(&[event(1)]).await;
        let output = world.run(&["load", "--drain", "--app-version", encoding]);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(
            world
                .database
                .count(&format!("select from user_logins where app_version = {expected}"))
                .await,
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_loaders_at_once_load_each_event_once() {
    let world = World::new().await;
    world.queue.send(&(0..600).map(event).collect::<Vec<_>>()).await;
    let loaders: Vec<_> = (0..2)
        .map(|_| world.spawn(&["load", "--drain", "--format", "json", "--batch-rows", "50"]))
        .collect();
    let mut loaded = 0;
    for loader in loaders {
        let output = loader.finish();
        assert!(output.status.success(), "{}", text(&output));
        loaded += summary(&output)["loaded"].as_u64().expect("a count");
    }
    assert_eq!(loaded, 600);
    once_each(&users(&world).await, 600);
    assert_eq!(world.queue.depth().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_delivered_twice_is_loaded_once_and_counted_as_duplicate() {
    let proxy = Proxy::start(|target| match target {
        // Every message of an answer stands in it twice.
        "AmazonSQS.ReceiveMessage" => Action::Rewrite(Box::new(|body| {
            let Ok(mut answer) = serde_json::from_str::<serde_json::Value>(&body) else {
                return body;
            };
            if let Some(messages) = answer["Messages"].as_array_mut() {
                messages.extend(messages.clone());
            }
            answer.to_string()
        })),
        _ => Action::Forward,
    });
    let world = World::new().await.through(&proxy);
    world.queue.send(&[event(1)]).await;
    let summary = world.drain(0);
    assert_eq!(
        (&summary["received"], &summary["loaded"], &summary["duplicates"]),
        (&2.into(), &1.into(), &1.into()),
        "{summary}"
    );
    once_each(&users(&world).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_between_commit_and_delete_loads_each_event_once() {
    let hanging = Arc::new(AtomicBool::new(true));
    let proxy = Proxy::start({
        let hanging = Arc::clone(&hanging);
        move |target| match target {
            "AmazonSQS.DeleteMessageBatch" if hanging.load(Ordering::SeqCst) => Action::Hang,
            _ => Action::Forward,
        }
    });
    let world = World::new().await.through(&proxy);
    world.queue.send(&(0..40).map(event).collect::<Vec<_>>()).await;
    let loader = world.spawn(&["load", "--visibility-timeout", "10"]);
    eventually("all rows are committed", async || {
        world.database.count("select from user_logins").await == 40
    })
    .await;
    loader.signal(Signal::SIGKILL);
    assert_eq!(world.queue.depth().await, (0, 40), "committed, and not one deleted");
    hanging.store(false, Ordering::SeqCst);
    eventually("the messages come back", async || world.queue.depth().await.0 == 40).await;
    let summary = world.drain(0);
    assert_eq!(
        (&summary["duplicates"], &summary["loaded"], &summary["deleted"]),
        (&40.into(), &0.into(), &40.into()),
        "{summary}"
    );
    once_each(&users(&world).await, 40);
    assert_eq!(world.queue.depth().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_deleted_only_after_its_row_is_committed() {
    let deletes = Arc::new(AtomicU32::new(0));
    let proxy = Proxy::start({
        let deletes = Arc::clone(&deletes);
        move |target| {
            deletes
                .fetch_add(u32::from(target == "AmazonSQS.DeleteMessageBatch"), Ordering::SeqCst);
            Action::Forward
        }
    });
    let world = World::new().await.through(&proxy);
    let mut blocker = world.database.client().await;
    let transaction = blocker.transaction().await.expect("a transaction");
    transaction.batch_execute("lock table user_logins in exclusive mode").await.expect("a lock");
    world.queue.send(&[event(1)]).await;
    let loader = world.spawn(&["load"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(deletes.load(Ordering::SeqCst), 0, "the row is not committed");
    transaction.rollback().await.expect("the lock is given up");
    eventually("the message is deleted", async || world.queue.depth().await == (0, 0)).await;
    assert_eq!(world.database.count("select from user_logins").await, 1);
    let output = loader.signal(Signal::SIGTERM);
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_ctrl_c_lose_nothing_and_end_with_0() {
    for stop in [Signal::SIGTERM, Signal::SIGINT] {
        let world = World::new().await;
        world.queue.send(&(0..800).map(event).collect::<Vec<_>>()).await;
        let loader = world.spawn(&["load", "--batch-rows", "20", "--format", "json"]);
        eventually("loading has begun", async || {
            world.database.count("select from user_logins").await > 0
        })
        .await;
        let stopped_at = Instant::now();
        let output = loader.signal(stop);
        assert!(output.status.success(), "{}", text(&output));
        assert!(stopped_at.elapsed() < Duration::from_secs(25));
        let summary = summary(&output);
        assert_eq!(
            summary["loaded"], summary["deleted"],
            "what was committed was deleted: {summary}"
        );
        let (visible, held) = world.queue.depth().await;
        assert_eq!(held, 0, "nothing stays in flight");
        assert_eq!(visible + summary["loaded"].as_u64().expect("a count"), 800);
        world.drain(0);
        once_each(&users(&world).await, 800);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn max_messages_takes_exactly_that_many() {
    let world = World::new().await;
    world.queue.send(&(0..60).map(event).collect::<Vec<_>>()).await;
    let output = world.run(&["load", "--max-messages", "23", "--format", "json"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(summary(&output)["received"], 23);
    assert_eq!(world.queue.depth().await, (37, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_masked_rows_and_leaves_queue_and_database_alone() {
    let world = World::new().await;
    world.queue.send(&[event(1), r#"{"foo": "oops"}"#.to_owned()]).await;
    let output = world.run(&["load", "--dry-run", "--format", "json"]);
    assert!(output.status.success(), "{}", text(&output));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        stdout.contains(r#""masked_ip":"ip1.1."#)
            && stdout.contains(r#""rejected":"missing_field""#),
        "{stdout}"
    );
    assert!(!stdout.contains("10.0.0.1") && !stdout.contains("device-1"), "{stdout}");
    for table in ["user_logins", "ingest.ledger", "ingest.quarantine"] {
        assert_eq!(world.database.count(&format!("select from {table}")).await, 0, "{table}");
    }
    assert_eq!(world.queue.depth().await, (2, 0), "both messages were given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_hand_are_prolonged_while_the_database_is_busy() {
    let prolonged = Arc::new(AtomicU32::new(0));
    let proxy = Proxy::start({
        let prolonged = Arc::clone(&prolonged);
        move |target| {
            prolonged.fetch_add(
                u32::from(target == "AmazonSQS.ChangeMessageVisibilityBatch"),
                Ordering::SeqCst,
            );
            Action::Forward
        }
    });
    let world = World::new().await.through(&proxy);
    let mut blocker = world.database.client().await;
    let transaction = blocker.transaction().await.expect("a transaction");
    transaction.batch_execute("lock table vault.fence in exclusive mode").await.expect("a lock");
    world.queue.send(&[event(1)]).await;
    let loader = world.spawn(&["load", "--visibility-timeout", "10"]);
    tokio::time::sleep(Duration::from_secs(13)).await;
    assert!(prolonged.load(Ordering::SeqCst) > 0, "a heartbeat was sent");
    assert_eq!(
        world.queue.depth().await,
        (0, 1),
        "the message is still in hand, after more than its visibility timeout"
    );
    transaction.rollback().await.expect("the lock is given up");
    eventually("the message is deleted", async || world.queue.depth().await == (0, 0)).await;
    assert_eq!(loader.signal(Signal::SIGTERM).status.code(), Some(0));
}

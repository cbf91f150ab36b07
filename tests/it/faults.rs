//! Faults in the middle of a load: connections cut, rows refused, days missing, budgets
//! used up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Action, Proxy, World, event, eventually, summary, text};

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_in_the_middle_lose_and_double_nothing() {
    let world = World::new().await;
    world.queue.send(&(0..1_000).map(event).collect::<Vec<_>>()).await;
    let loader = world.spawn(&["load", "--drain", "--format", "json", "--batch-rows", "20"]);
    let killer = world.database.client().await;
    eventually("it is in the midst of its work", async || {
        world.database.count("select from user_logins").await > 0
    })
    .await;
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity \
                 where application_name = 'loginetl load' and datname = current_database()";
    let mut cuts = 0;
    for _ in 0..20 {
        cuts += killer.query(cut, &[]).await.expect("cut").len();
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    assert!(cuts > 0, "connections were cut");
    let output = loader.finish();
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(world.database.count("select distinct user_id from user_logins").await, 1_000);
    assert_eq!(world.database.count("select from user_logins").await, 1_000);
    assert_eq!(world.queue.depth().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_database_refuses_is_found_and_the_others_load() {
    let world = World::new().await;
    world
        .database
        .execute(
            "alter table user_logins add constraint no_17 check (user_id not in ('u-17', 'u-60'))",
        )
        .await;
    world.queue.send(&(0..100).map(event).collect::<Vec<_>>()).await;
    let summary = world.drain(0);
    assert_eq!(
        (&summary["loaded"], &summary["quarantined"], &summary["deleted"]),
        (&98.into(), &2.into(), &100.into()),
        "{summary}"
    );
    assert_eq!(
        world
            .database
            .count("select from ingest.quarantine where reason = 'database_rejected'")
            .await,
        2
    );
    // With the constraint gone, a retry loads them.
    world.database.execute("alter table user_logins drop constraint no_17").await;
    let output = world.run(&["quarantine", "retry"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(world.database.count("select distinct user_id from user_logins").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_day_is_made_and_never_taken_for_bad_data() {
    let world = World::new().await;
    world.queue.send(&[event(1)]).await;
    let loader = world.spawn(&["load"]);
    eventually("the first row", async || {
        world.database.count("select from user_logins").await == 1
    })
    .await;
    // The day disappears under a loader that believes it is there.
    let day = world
        .database
        .query("select to_char(day, 'YYYYMMDD') from ingest.days where day > '2000-01-01'")
        .await[0]
        .get::<_, String>(0);
    world
        .database
        .execute(&format!(
            "begin; drop table ingest.ledger_{day}; delete from ingest.days \
               where day > '2000-01-01'; commit"
        ))
        .await;
    world.queue.send(&[event(2)]).await;
    eventually("the second row", async || {
        world.database.count("select from user_logins").await == 2
    })
    .await;
    // Worse: the partition alone disappears, and the book of days still has it.
    world.database.execute(&format!("drop table ingest.ledger_{day}")).await;
    world.queue.send(&[event(3)]).await;
    eventually("the third row", async || {
        world.database.count("select from user_logins").await == 3
    })
    .await;
    assert_eq!(world.database.count("select from ingest.quarantine").await, 0);
    assert!(loader.signal(Signal::SIGTERM).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_sqs_cannot_deliver_any_more_are_dropped_and_others_stay() {
    let world = World::new().await;
    for day in ["2020-01-01", "2020-01-02"] {
        world.database.execute(&format!("select ingest.ensure_day('{day}')")).await;
    }
    world
        .database
        .execute(
            "update ingest.days set made_at = now() - interval '17 days' \
               where day in ('2020-01-01', '1970-01-01')",
        )
        .await;
    world.queue.send(&[event(1)]).await;
    world.drain(0);
    let days = world
        .database
        .query("select day::text from ingest.days where day < current_date - 2 order by 1")
        .await;
    let days: Vec<String> = days.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        days,
        ["1970-01-01", "2020-01-02"],
        "old and made long ago goes; made lately, or fixed, stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn six_sessions_that_need_new_days_at_once_all_get_them() {
    let world = World::new().await;
    let mut sessions = Vec::new();
    for _ in 0..6 {
        let client = world.database.client().await;
        sessions.push(tokio::spawn(async move {
            for day in 1..=20 {
                client
                    .batch_execute(&format!("select ingest.ensure_day('2031-01-{day:02}')"))
                    .await
                    .expect("a day");
            }
        }));
    }
    for session in sessions {
        session.await.expect("no failure");
    }
    assert_eq!(world.database.count("select from ingest.days where day > '2031-01-01'").await, 19);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_poison_budget_stops_a_run_with_1() {
    let world = World::new().await;
    world.queue.send(&(0..400).map(|n| format!(r#"{{"other": {n}}}"#)).collect::<Vec<_>>()).await;
    let flags = [
        "--poison-budget",
        "5",
        "--batch-rows",
        "10",
        "--receivers",
        "1",
        "--quarantine-from-start",
    ];
    let output = world.run(&[&["load", "--drain", "--format", "json"], &flags[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let summary = summary(&output);
    assert!(summary["quarantined"].as_u64() > Some(5), "{summary}");
    let (visible, held) = world.queue.depth().await;
    assert_eq!(
        (visible + summary["deleted"].as_u64().expect("a count"), held),
        (400, 0),
        "the rest was given back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kms_that_throttles_at_the_start_is_called_again_and_then_named() {
    const THROTTLED: Action = Action::Answer(400, r#"{"__type": "ThrottlingException"}"#);
    for (throttled, exit, loaded) in [(2, 0, 1), (usize::MAX, 4, 0)] {
        let calls = AtomicUsize::new(0);
        let proxy = Proxy::start(move |called| {
            let is_throttled = called == "TrentService.Decrypt"
                && calls.fetch_add(1, Ordering::SeqCst) < throttled;
            if is_throttled { THROTTLED } else { Action::Forward }
        });
        let world = World::new().await;
        world.queue.send(&[event(1)]).await;
        let world = world.through(&proxy);
        let output = world.run(&["load", "--drain", "--format", "json"]);
        assert_eq!(output.status.code(), Some(exit), "{}", text(&output));
        assert_eq!(world.database.count("select from user_logins").await, loaded);
        assert!(exit == 0 || text(&output).contains("KMS Decrypt"), "{}", text(&output));
        assert_eq!(
            world.queue.depth().await,
            (u64::from(exit != 0), 0),
            "what was not loaded is untouched"
        );
    }
}

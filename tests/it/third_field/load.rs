//! Loading with user ids masked: every token opens elsewhere, and the same is
//! refused as without.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;

use super::{CLEAR, UNMASKED, event_of, world};
use crate::metrics::{free_address, samples};
use crate::second_implementation::{bodies, opened, sent};
use crate::support::{Running, World, event, eventually, json_lines, summary, text};

const COLUMNS: &str = "user_id, masked_ip, masked_device_id, masked_user_id,
                       ip_hash::text, device_id_hash::text, user_id_hash::text";

#[tokio::test(flavor = "multi_thread")]
async fn another_implementation_opens_every_user_id_of_a_queue_and_of_a_file() {
    let bodies = bodies();
    let (by_queue, by_file) = (world().await, world().await);
    by_queue.queue.send(&bodies).await;
    assert_eq!(by_queue.drain(0)["loaded"], sent(&bodies).len());
    by_file.load(&bodies);
    for world in [&by_queue, &by_file] {
        assert_eq!(world.database.count(CLEAR).await + world.database.count(UNMASKED).await, 0);
        let others = "select from user_logins where masked_user_id not like 'usr1.1.%'";
        assert_eq!(world.database.count(others).await, 0);
        assert_eq!(opened(world, COLUMNS).await, sent(&bodies));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_user_ids_are_equal_and_other_fields_with_the_text_are_not() {
    let world = world().await;
    let same = |n: u32| event_of(n, "same").replace(&format!("\"device-{n}\""), "\"same\"");
    world.load(&[same(1), same(2), event_of(3, "Same"), event_of(4, "same ")]);
    let count =
        "select count(distinct masked_user_id), count(distinct user_id_hash) from user_logins";
    let row = &world.database.query(count).await[0];
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (3, 3));
    let shared = "select from user_logins where user_id_hash = device_id_hash
                  or split_part(masked_user_id, '.', 3) = split_part(masked_device_id, '.', 3)";
    assert_eq!(world.database.count(shared).await, 0, "a field has keys of its own");
}

/// The reasons for which bodies are in quarantine, in the order of their fields.
async fn reasons(world: &World) -> Vec<String> {
    let reasons = "select reason || ' ' || coalesce(field, '') || ' ' || coalesce(length::text, '')
                   from ingest.quarantine order by 1";
    world.database.query(reasons).await.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_reasons_are_those_without_masking() {
    let longest = ["x".repeat(128), "\u{1F600}".repeat(128), "ünïcödé".to_owned(), " ".to_owned()];
    let wrong = [String::new(), "x".repeat(129), "\u{1F600}".repeat(129), "a\0b".to_owned()];
    let users = longest.iter().chain(&wrong);
    let mut bodies: Vec<String> = (1..).zip(users).map(|(n, user)| event_of(n, user)).collect();
    bodies.push(event(20).replace("\"u-20\"", "null"));
    bodies.push(event(21).replace("\"u-21\"", "21"));
    bodies.push(event(22).replace("\"user_id\": \"u-22\", ", ""));
    let mut found = Vec::new();
    for world in [World::new().await, world().await] {
        world.queue.send(&bodies).await;
        let summary = world.drain(0);
        assert_eq!(
            (&summary["loaded"], &summary["quarantined"]),
            (&4.into(), &7.into()),
            "{summary}"
        );
        found.push(reasons(&world).await);
    }
    assert_eq!(found[0], found[1], "with and without");
    let codes: BTreeSet<&str> = found[1].iter().filter_map(|line| line.split(' ').next()).collect();
    let expected =
        ["empty", "missing_field", "nul_character", "null_field", "too_long", "wrong_type"];
    assert_eq!(codes, BTreeSet::from(expected));
}

/// It was sealed when user ids were clear, and is opened when they are masked.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_retried_from_the_quarantine_is_masked_too() {
    let world = World::new().await;
    world.queue.send(&[event_of(1, "canary-user").replace("2.3.0", "1.1000")]).await;
    assert_eq!(world.drain(0)["quarantined"], 1);
    super::mask(&world);
    let output = world.run(&["quarantine", "retry", "--app-version", "digits"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(world.database.count("select from user_logins").await, 1);
    assert_eq!(world.database.count(CLEAR).await + world.database.count(UNMASKED).await, 0);
    let opened = opened(&world, COLUMNS).await;
    assert_eq!(opened[0].0, "canary-user");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_token_and_no_user_id() {
    let world = world().await;
    world.queue.send(&[event_of(1, "canary-user")]).await;
    for format in ["json", "table"] {
        let output = world.run(&["load", "--dry-run", "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let shown = text(&output);
        assert!(shown.contains("masked_user_id") && shown.contains("usr1.1."), "{shown}");
        assert!(!shown.contains("canary-user"), "{shown}");
    }
    let output = world.run(&["load", "--dry-run", "--format", "json"]);
    let row = &json_lines(&output)[0];
    assert!(row["user_id"].is_null() && row["user_id_hash"].is_string(), "{row}");
    assert_eq!(world.database.count("select from user_logins").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_counts_three_fields() {
    let world = World::new().await;
    world.load(&[event(1)]);
    super::mask(&world);
    world.load(&[event(2), event(3)]);
    let auditor = world.database.login("loginetl_auditor").await;
    let status = summary(&world.run_as(&auditor, &["status", "--format", "json"]));
    let rows = serde_json::json!({"ip": 3, "device_id": 3, "user_id": 2});
    assert_eq!(status["keys"][0]["rows"], rows, "{status}");
    let without = serde_json::json!({"ip": 0, "device_id": 0, "user_id": 1});
    assert_eq!(status["rows_without_hash"], without, "{status}");
    let shown = text(&world.run_as(&auditor, &["status"]));
    assert!(shown.contains("rows: user_id") && shown.contains("user_id 1"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_names_that_they_have_without() {
    let mut names = Vec::new();
    for world in [World::new().await, world().await] {
        let address = free_address();
        let loader =
            Running::start(&mut world.command(&["load", "--listen", &address.to_string()]));
        let is_there = async || world.database.count("select from user_logins").await == 1;
        world.queue.send(&[event_of(1, "canary-user"), "nonsense".to_owned()]).await;
        eventually("a row", is_there).await;
        let told: BTreeSet<String> = samples(address).into_keys().collect();
        assert!(told.iter().all(|name| !name.contains("canary")), "{told:?}");
        names.push(told);
        assert_eq!(loader.signal(Signal::SIGTERM).status.code(), Some(0));
    }
    assert_eq!(names[0], names[1]);
}

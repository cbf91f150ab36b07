//! `unmask` of user ids: every selector, and a clear word where they are not masked.

use serde_json::Value;

use super::{event_of, world};
use crate::support::{World, event, json_lines, text};

const WHY: [&str; 4] = ["--reason", "a test", "--format", "json"];

fn answers(world: &World, selectors: &[&str], exit: i32) -> Vec<Value> {
    let output = world.run(&[&["unmask"], selectors, &WHY].concat());
    assert_eq!(output.status.code(), Some(exit), "{selectors:?}: {}", text(&output));
    json_lines(&output)
}

fn with_input(world: &World, selectors: &[&str], input: &str) -> Vec<Value> {
    let output = world.run_with_input(&[&["unmask"], selectors, &WHY].concat(), input.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{selectors:?}: {}", text(&output));
    json_lines(&output)
}

/// Three rows of one user; her hash and her token.
async fn three_rows() -> (World, String, String) {
    let world = world().await;
    world.load(&[event_of(1, "jane@example"), event_of(2, "jane@example"), event(3)]);
    world.load(&[event_of(4, "jane@example")]);
    let row = "select user_id_hash::text, masked_user_id from user_logins
               where masked_user_id in (select masked_user_id from user_logins
                                        group by 1 having count(*) = 3)";
    let row = &world.database.query(row).await[0];
    let (hash, token) = (row.get(0), row.get(1));
    (world, hash, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_selector_finds_the_user() {
    let (world, hash, token) = three_rows().await;
    let line = format!("user-id-hash {hash}\n");
    for found in [
        answers(&world, &["--user-id-hash", &hash], 0),
        answers(&world, &["--token", &token], 0),
        with_input(&world, &["--from", "-"], &line),
        with_input(&world, &["--from", "-"], &hash),
        with_input(&world, &["--from", "-"], &token),
        with_input(&world, &["--find-user-id", "-"], "jane@example\n"),
    ] {
        assert_eq!(found.len(), 1, "{found:?}");
        let answer = &found[0];
        assert_eq!((&answer["field"], &answer["rows"]), (&"user_id".into(), &3.into()), "{answer}");
        assert_eq!(answer["hash"], hash.as_str(), "{answer}");
    }
    let answer = &answers(&world, &["--user-id-hash", &hash], 0)[0];
    assert_eq!(
        (&answer["value"], &answer["token"]),
        (&"jane@example".into(), &token.as_str().into())
    );
    assert_eq!(answer["selector"], format!("user-id-hash {hash}"));
    let other = answers(&world, &["--device-id-hash", &hash], 1);
    assert_eq!(other[0]["problem"], "not_found", "a hash of another field is not looked for");
    assert_eq!(answers(&world, &["--find-user-id", "nobody"], 1)[0]["rows"], 0);
    let csv =
        world.run(&["unmask", "--user-id-hash", &hash, "--reason", "a test", "--format", "csv"]);
    let shown = String::from_utf8_lossy(&csv.stdout).into_owned();
    assert!(shown.contains(",user_id,jane@example,"), "{}", text(&csv));
    let log = "select string_agg(record, ' ') from audit.log";
    let log: String = world.database.query(log).await[0].get(0);
    assert!(log.contains(&hash) && !log.contains("jane@"), "the log names the hash alone");
    super::verify(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_prefix_does_not_open_and_what_is_none_is_named() {
    let (world, _, token) = three_rows().await;
    let moved = token.replacen("usr1.", "dev1.", 1);
    assert_eq!(answers(&world, &["--token", &moved], 5)[0]["problem"], "does_not_open");
    let output = world.run(&[&["unmask", "--token", "usr2.1.abc"], &WHY[..]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    for prefix in ["ip1.", "dev1.", "usr1."] {
        assert!(text(&output).contains(prefix), "{prefix}: {}", text(&output));
    }
    for wrong in [&["--find-user-id", ""][..], &["--user-id-hash", "jane@example"]] {
        let output = world.run(&[&["unmask"], wrong, &WHY].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", text(&output));
        assert!(!text(&output).contains("jane@example"), "not quoted: {}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_user_ids_are_not_masked_their_flags_say_how_they_would_be() {
    let world = World::new().await;
    world.load(&[event(1)]);
    let before = world.database.count("select from audit.log").await;
    let hash = "00000000-0000-8000-8000-000000000000";
    for selector in [["--user-id-hash", hash], ["--find-user-id", "u-1"]] {
        let output = world.run(&[&["unmask"], &selector[..], &WHY].concat());
        assert_eq!(output.status.code(), Some(2), "{selector:?}: {}", text(&output));
        assert!(text(&output).contains("init --mask-user-id"), "{}", text(&output));
        assert!(output.stdout.is_empty() && !text(&output).contains("u-1"), "{}", text(&output));
    }
    assert_eq!(world.database.count("select from audit.log").await, before, "nothing was asked");
    let file = format!("{hash}\n");
    let bare =
        world.run_with_input(&[&["unmask", "--from", "-"], &WHY[..]].concat(), file.as_bytes());
    assert_eq!(json_lines(&bare)[0]["problem"], "not_found", "a bare hash is looked up as before");
}

//! The quarantine: shown without content, retried into rows, purged only after a yes.

use crate::support::{World, text};

const BAD_VERSION: &str = concat!(
    r#"{"user_id": "u", "app_version": "1.1000", "#,
    r#""ip": "192.0.2.77", "device_id": "canary-device"}"#
);
const HOPELESS: &str = r#"{"foo": "canary-foo"}"#;

async fn with_two_messages() -> World {
    let world = World::new().await;
    world.queue.send(&[BAD_VERSION.to_owned(), HOPELESS.to_owned()]).await;
    assert_eq!(world.drain(0)["quarantined"], 2);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn list_shows_reason_field_and_age_and_never_content() {
    let world = with_two_messages().await;
    for format in ["table", "json"] {
        let output = world.run(&["quarantine", "list", "--format", format]);
        assert!(output.status.success(), "{}", text(&output));
        let stdout = String::from_utf8_lossy(&output.stdout);
        for shown in ["app_version_out_of_range", "missing_field", "app_version", "user_id"] {
            assert!(stdout.contains(shown), "{shown} in {stdout}");
        }
        for hidden in ["1.1000", "192.0.2.77", "canary"] {
            assert!(!stdout.contains(hidden), "{hidden} in {stdout}");
        }
    }
    let output =
        world.run(&["quarantine", "list", "--reason", "missing_field", "--format", "json"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    assert_eq!(world.run(&["quarantine", "list", "--reason", "nonsense"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_moves_what_now_parses_and_keeps_the_rest() {
    let world = with_two_messages().await;
    let output = world.run(&["quarantine", "retry"]);
    assert_eq!(output.status.code(), Some(1), "neither parses yet: {}", text(&output));
    assert_eq!(world.database.count("select from user_logins").await, 0);
    let output = world.run(&["quarantine", "retry", "--app-version", "digits", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report = crate::support::summary(&output);
    assert_eq!(
        (&report["tried"], &report["loaded"], &report["still_rejected"]),
        (&2.into(), &1.into(), &1.into()),
        "{report}"
    );
    assert_eq!(
        world
            .database
            .count("select from user_logins where app_version = 11000 and ip_hash is not null")
            .await,
        1
    );
    assert_eq!(
        world.database.count("select from ingest.quarantine").await,
        1,
        "each message is once in rows or quarantine"
    );
    let again = world.run(&["quarantine", "retry", "--app-version", "digits", "--format", "json"]);
    assert_eq!(crate::support::summary(&again)["loaded"], 0);
    assert_eq!(world.database.count("select from user_logins").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_retries_at_once_move_each_message_once() {
    let world = World::new().await;
    let bodies: Vec<_> =
        (0..300).map(|n| BAD_VERSION.replace("\"u\"", &format!("\"u-{n}\""))).collect();
    world.queue.send(&bodies).await;
    let output = world.run(&["load", "--drain", "--quarantine-from-start"]);
    assert!(output.status.success(), "{}", text(&output));
    let retries: Vec<_> =
        (0..3).map(|_| world.spawn(&["quarantine", "retry", "--app-version", "major"])).collect();
    for retry in retries {
        let output = retry.finish();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output));
    }
    assert_eq!(world.database.count("select from user_logins").await, 300);
    assert_eq!(world.database.count("select distinct user_id from user_logins").await, 300);
    assert_eq!(world.database.count("select from ingest.quarantine").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_or_moved_body_does_not_open_and_stays() {
    let world = with_two_messages().await;
    let swap = "update ingest.quarantine a set sealed = b.sealed from ingest.quarantine b \
                  where a.id <> b.id";
    world.database.execute(swap).await;
    let output = world.run(&["quarantine", "retry", "--app-version", "digits"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert_eq!(world.database.count("select from ingest.quarantine").await, 2);
    assert_eq!(world.database.count("select from user_logins").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn purge_deletes_only_what_it_names_and_only_after_a_yes() {
    let world = with_two_messages().await;
    for refused in [
        &["quarantine", "purge"][..],
        &["quarantine", "purge", "--all"],
        &["quarantine", "purge", "--reason", "missing_field"],
    ] {
        let output = world.run(refused);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    }
    assert_eq!(world.database.count("select from ingest.quarantine").await, 2);
    let output = world.run(&["quarantine", "purge", "--older-than", "30d", "--yes"]);
    assert_eq!(output.status.code(), Some(1), "none is that old: {}", text(&output));
    let output = world.run(&["quarantine", "purge", "--reason", "missing_field", "--yes"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(
        world
            .database
            .count("select from ingest.quarantine where reason = 'app_version_out_of_range'")
            .await,
        1
    );
    assert_eq!(world.database.count("select from ingest.quarantine").await, 1);
}

/// A terminal: what the binary reads and writes, and our end of it.
fn terminal() -> (std::process::Stdio, std::process::Stdio, std::fs::File) {
    let pty = nix::pty::openpty(None, None).expect("a terminal");
    let (input, output) = (pty.slave.try_clone().expect("its end"), pty.slave);
    (input.into(), output.into(), pty.master.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn purge_asks_on_a_terminal_and_deletes_what_it_counted() {
    use std::io::{Read as _, Write as _};
    for (answer, left) in [("n\n", 2), ("y\n", 1)] {
        let world = with_two_messages().await;
        let (stdin, stderr, mut screen) = terminal();
        let asked = crate::support::Running::start(
            world.command(&["quarantine", "purge", "--all"]).stdin(stdin).stderr(stderr),
        );
        let mut question = vec![0; 200];
        let read = screen.read(&mut question).expect("a question");
        assert!(
            String::from_utf8_lossy(&question[..read]).contains("delete 2 messages"),
            "{question:?}"
        );
        // Another message comes while the person thinks it over: it stays.
        world
            .database
            .execute(
                "insert into ingest.quarantine (message_id, source, received_at, row_day, reason,
                   seal_key_id, sealed)
            select gen_random_uuid(), source, received_at, row_day, reason, seal_key_id, sealed
              from ingest.quarantine limit 1",
            )
            .await;
        screen.write_all(answer.as_bytes()).expect("typed");
        assert!(asked.finish().status.success());
        let expected = if left == 2 { 3 } else { 1 };
        assert_eq!(
            world.database.count("select from ingest.quarantine").await,
            expected,
            "after {answer:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_shows_counts_rate_and_backlog_on_a_terminal() {
    use std::io::Read as _;
    let world = World::new().await;
    world.queue.send(&(0..300).map(crate::support::event).collect::<Vec<_>>()).await;
    let (_, stderr, mut screen) = terminal();
    let loader = crate::support::Running::start(world.command(&["load", "--drain"]).stderr(stderr));
    let mut seen = String::new();
    let mut bytes = vec![0; 4096];
    while !(seen.contains("received 300") && seen.contains("/s, backlog ")) {
        let read = screen.read(&mut bytes).expect("a progress line");
        seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    std::thread::spawn(move || while screen.read(&mut bytes).is_ok_and(|read| read > 0) {});
    assert!(loader.finish().status.success());
}

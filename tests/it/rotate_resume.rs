//! `rotate-keys --resume`: finishes what was interrupted, and begins nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::rotate::{events, every_token_opens, is_whole, rotate, states, world};
use crate::support::{Action, Login, Proxy, Running, World, eventually, summary, text};

const UNFINISHED: &str = "select from vault.rotation where finished_at is null";
const STARTS: &str = "select from audit.log where kind = 'rotate.start'";

fn resume(world: &World, rotator: &Login, exit: i32) -> serde_json::Value {
    let output = rotate(world, rotator, &["--resume"]);
    assert_eq!(output.status.code(), Some(exit), "{}", text(&output));
    summary(&output)
}

/// Keys, numbers, records and signatures: whatever a rotation would change.
async fn everything(world: &World) -> String {
    let all = "select (select last_value || ' ' || is_called from vault.key_ids) || ' ' ||
        (select string_agg(k::text, ' ' order by key_id) from vault.data_keys k) || ' ' ||
        (select count(*) from audit.log) || ' ' || (select count(*) from audit.signatures) || ' ' ||
        (select string_agg(u::text, ' ' order by u::text) from user_logins u)";
    world.database.query(all).await[0].get(0)
}

/// Starts `rotate-keys` and kills it while its KMS call of this number is on its way.
async fn kill_in_call(world: &World, rotator: &Login, call: usize, flags: &[&str]) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let proxy = Proxy::start(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        number if number == call => Action::Hang,
        _ => Action::Forward,
    });
    let mut command = world.command(&[&["rotate-keys", "--duty", "100%"], flags].concat());
    command.env("LOGINETL_DATABASE_URL", &rotator.url);
    let mut running =
        Running::start(command.env("AWS_ENDPOINT_URL", proxy.url()).env("NO_PROXY", "127.0.0.1"));
    eventually("it hangs or ends", async || {
        calls.load(Ordering::SeqCst) > call
            || running.child().try_wait().expect("a state").is_some()
    })
    .await;
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_unfinished_it_changes_nothing() {
    let (world, rotator) = world(60, 5).await;
    for _ in 0..2 {
        let before = everything(&world).await;
        let report = resume(&world, &rotator, 0);
        let expected = serde_json::json!({"result": "none_unfinished", "rows_moved": 0,
            "bodies_sealed": 0, "not_opened": [], "keys_retired": [], "keys_left_retiring": []});
        assert_eq!(report, expected);
        let said = world.run_as(&rotator, &["rotate-keys", "--resume"]);
        assert_eq!(said.status.code(), Some(0), "{}", text(&said));
        assert_eq!(said.stdout, b"no rotation is unfinished, and none was started\n");
        assert_eq!(everything(&world).await, before);
        // And once more after a rotation that came to its end.
        assert_eq!(rotate(&world, &rotator, &[]).status.code(), Some(0));
    }
    for flags in [
        &["--compromised"][..],
        &["--purpose", "seal"],
        &["--dry-run"],
        &["--ingest-key", "alias/x"],
        &["--recovery-key", "alias/x"],
    ] {
        let output = rotate(&world, &rotator, &[&["--resume"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", text(&output));
    }
    let loader = world.database.login("loginetl_loader").await;
    resume_is_refused(&world, &loader);
}

fn resume_is_refused(world: &World, login: &Login) {
    let output = rotate(world, login, &["--resume"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_killed_in_its_sweep_is_finished_once() {
    let (world, rotator) = world(6_000, 600).await;
    let flags = ["rotate-keys", "--duty", "1%", "--step-rows", "100"];
    let mut command = world.command(&flags);
    let running = Running::start(command.env("LOGINETL_DATABASE_URL", &rotator.url));
    let moving = "select from vault.rotation where finished_at is null and watermark > \
                    '00000000-0000-0000-0000-000000000000'";
    eventually("a step is through", async || world.database.count(moving).await > 0).await;
    drop(running);
    assert!(world.database.count(UNFINISHED).await > 0, "it was killed before its end");
    let report = resume(&world, &rotator, 0);
    assert_eq!((&report["result"], &report["keys_retired"]), (&"finished".into(), &[1].into()));
    assert!(report["rows_moved"].as_i64().expect("a number") < 12_000, "{report}");
    assert_eq!(resume(&world, &rotator, 0)["result"], "none_unfinished");
    assert_eq!(
        states(&world).await,
        ["1 mask retired", "2 hash active", "3 seal active", "4 mask active"]
    );
    assert_eq!(world.database.count(STARTS).await, 1);
    every_token_opens(&world, 600).await;
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0));
}

/// Whatever `rotate-keys` left when it was killed, `--resume` leaves nothing of it but a
/// pending key, and has begun nothing.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_durable_step_it_is_finished_or_was_never_begun() {
    let (world, rotator) = world(600, 60).await;
    world.queue.send(&["nonsense".to_owned(), "more".to_owned()]).await;
    world.drain(0);
    let (mut finished, mut never_begun) = (0, 0);
    for flags in [&[][..], &["--purpose", "seal"], &["--compromised"]] {
        for call in 2..14 {
            kill_in_call(&world, &rotator, call, flags).await;
            let begun = world.database.count(STARTS).await;
            let numbers = "select last_value from vault.key_ids";
            let number: i64 = world.database.query(numbers).await[0].get(0);
            match resume(&world, &rotator, 0)["result"].as_str() {
                Some("finished") => finished += 1,
                _ => never_begun += 1,
            }
            let what = format!("{flags:?} killed in call {call}");
            assert_eq!(world.database.count(STARTS).await, begun, "{what}");
            let after: i64 = world.database.query(numbers).await[0].get(0);
            assert_eq!(after, number, "{what}: no new key");
            assert_eq!(world.database.count(UNFINISHED).await, 0, "{what}");
            let left = "select from vault.data_keys where state = 'retiring'";
            assert_eq!(world.database.count(left).await, 0, "{what}: {:?}", states(&world).await);
            assert!(is_whole(&world).await, "{what}");
            let verified = world.run(&["audit", "verify"]);
            assert_eq!(verified.status.code(), Some(0), "{what}: {}", text(&verified));
        }
    }
    assert!(finished > 5 && never_begun > 5, "{finished} finished, {never_begun} never begun");
    every_token_opens(&world, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_key_is_named_and_waits() {
    let (world, rotator) = world(60, 5).await;
    // GetPublicKey, Sign, Encrypt twice; then the new key is unwrapped.
    kill_in_call(&world, &rotator, 4, &[]).await;
    assert_eq!(states(&world).await.last().map(String::as_str), Some("4 mask pending"));
    let output = rotate(&world, &rotator, &["--resume"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("mask key 4 is pending"), "{}", text(&output));
    assert_eq!(states(&world).await.last().map(String::as_str), Some("4 mask pending"));
    assert_eq!(world.database.count(STARTS).await, 0);
    assert_eq!(rotate(&world, &rotator, &[]).status.code(), Some(0));
    assert_eq!(states(&world).await.last().map(String::as_str), Some("4 mask active"));
}

/// Between its look and its first step another process ends the rotation.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_another_ends_meanwhile_is_not_followed_by_a_new_one() {
    let (world, rotator) = world(600, 60).await;
    // The record of the start is signed in call 7; the rotation has begun by then.
    kill_in_call(&world, &rotator, 8, &[]).await;
    assert!(world.database.count(UNFINISHED).await > 0, "{:?}", states(&world).await);
    let (asked, go) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (noted, wait) = (Arc::clone(&asked), Arc::clone(&go));
    let proxy = Proxy::start(move |target| {
        if target == "TrentService.Decrypt" {
            noted.store(true, Ordering::SeqCst);
            while !wait.load(Ordering::SeqCst) {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
        Action::Forward
    });
    let mut command = world.command(&["rotate-keys", "--resume", "--format", "json"]);
    command.env("LOGINETL_DATABASE_URL", &rotator.url);
    let late =
        Running::start(command.env("AWS_ENDPOINT_URL", proxy.url()).env("NO_PROXY", "127.0.0.1"));
    eventually("it looked", async || asked.load(Ordering::SeqCst)).await;
    assert_eq!(resume(&world, &rotator, 0)["result"], "finished");
    let before = everything(&world).await;
    go.store(true, Ordering::SeqCst);
    let output = late.finish();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(summary(&output)["rows_moved"], 0, "{}", text(&output));
    assert_eq!(everything(&world).await, before, "it changed nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_open_is_reported_and_nothing_begins() {
    let (world, rotator) = world(10, 5).await;
    world.queue.send(&["nonsense".to_owned(), "more".to_owned()]).await;
    world.drain(0);
    let spoil = "update ingest.quarantine set sealed = substr(sealed, 1, 40) where id = 1";
    world.database.execute(spoil).await;
    assert_eq!(rotate(&world, &rotator, &["--purpose", "seal"]).status.code(), Some(1));
    let before = everything(&world).await;
    assert_eq!(resume(&world, &rotator, 1)["keys_left_retiring"], serde_json::json!([3]));
    assert_eq!(everything(&world).await, before);
    assert_eq!(world.run(&["quarantine", "purge", "1", "--yes"]).status.code(), Some(0));
    assert_eq!(resume(&world, &rotator, 0)["keys_retired"], serde_json::json!([3]));
    assert_eq!(resume(&world, &rotator, 0)["result"], "none_unfinished");
    // Rows that were loaded meanwhile are under the key that was in force.
    world.load(&events(5, 5, 100));
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0));
}

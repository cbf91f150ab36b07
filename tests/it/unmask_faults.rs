//! `unmask` when something fails in between: nothing is shown that is not on record, and
//! what was begun shows in the log.

use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal;

use crate::support::{
    Action, Login, Proxy, Running, World, event, json_lines, setting, summary, text,
};

const DENIED: &str = r#"{"__type": "AccessDeniedException", "message": "s3cret"}"#;

async fn world() -> (World, Login, String) {
    let world = World::new().await;
    world.load(&[event(1), event(2)]);
    let login = world.database.login("loginetl_unmasker").await;
    let hash =
        world.database.query("select ip_hash::text from user_logins where user_id = 'u-1'").await
            [0]
        .get(0);
    (world, login, hash)
}

async fn kinds(world: &World) -> Vec<String> {
    let rows = world
        .database
        .query("select kind from audit.log where kind like 'unmask.%' order by seq")
        .await;
    rows.iter().map(|row| row.get::<_, String>(0)["unmask.".len()..].to_owned()).collect()
}

fn unmask(world: &World, login: &Login, hash: &str) -> Output {
    world.run_as(login, &["unmask", "--ip-hash", hash, "--reason", "a test"])
}

/// What `audit verify` says, asked without the proxy.
fn verdict(world: &World) -> (Option<i32>, serde_json::Value) {
    let mut command = world.command(&["audit", "verify", "--format", "json"]);
    let output =
        command.env("AWS_ENDPOINT_URL", setting("AWS_ENDPOINT_URL")).output().expect("it runs");
    (output.status.code(), summary(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn if_kms_does_not_sign_the_request_nothing_is_released() {
    for (answer, exit) in [
        (DENIED, 3),
        (r#"{"__type": "KMSInvalidStateException"}"#, 3),
        (r#"{"__type": "ThrottlingException"}"#, 4),
    ] {
        let (world, login, hash) = world().await;
        let world = world.through(&Proxy::start(move |target| match target {
            "TrentService.Sign" => Action::Answer(400, answer),
            _ => Action::Forward,
        }));
        let output = unmask(&world, &login, &hash);
        assert_eq!(output.status.code(), Some(exit), "{}", text(&output));
        assert!(
            output.stdout.is_empty()
                && text(&output).contains("KMS Sign")
                && !text(&output).contains("s3cret"),
            "{}",
            text(&output)
        );
        assert_eq!(kinds(&world).await, ["request"]);
        let (exit, report) = verdict(&world);
        assert_eq!((exit, report["open_requests"].as_i64()), (Some(0), Some(1)), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn if_kms_fails_after_the_request_nothing_is_shown_and_the_request_stays_open() {
    for (answer, exit) in [
        (DENIED, 3),
        (r#"{"__type": "KMSInternalException"}"#, 4),
        (r#"{"__type": "InvalidCiphertextException"}"#, 5),
    ] {
        let (world, login, hash) = world().await;
        let world = world.through(&Proxy::start(move |target| match target {
            "TrentService.Decrypt" => Action::Answer(400, answer),
            _ => Action::Forward,
        }));
        let output = unmask(&world, &login, &hash);
        assert_eq!(output.status.code(), Some(exit), "{}", text(&output));
        assert!(
            output.stdout.is_empty() && text(&output).contains("KMS Decrypt"),
            "{}",
            text(&output)
        );
        assert_eq!(kinds(&world).await, ["request", "release", "release"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_request_is_a_finding_once_five_minutes_have_passed() {
    let (world, login, hash) = world().await;
    // The signature is the last thing that works; by then the request is six minutes old,
    // so no key is released.
    world.database.log_behind(360).await;
    let output = unmask(&world, &login, &hash);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("LG001") && output.stdout.is_empty(), "{}", text(&output));
    world.database.log_behind(0).await;
    assert_eq!(unmask(&world, &login, &hash).status.code(), Some(0));
    let (exit, report) = verdict(&world);
    assert_eq!((exit, report["result"].as_str()), (Some(1), Some("attention")), "{report}");
    assert_eq!(
        (report["problems"][0]["seq"].as_i64(), report["problem_count"].as_i64()),
        (Some(5), Some(1)),
        "{report}"
    );
    assert!(
        report["problems"][0]["problem"]
            .as_str()
            .expect("text")
            .contains("open request: no release is recorded")
    );
}

/// From the first Decrypt on, this login's sessions are ended, and nobody gets in again
/// if `shut`.
fn ends_sessions_at_decrypt(world: World, login: &Login, shut: bool) -> World {
    let (url, user) = (world.database.url.clone(), login.user.clone());
    world.through(&Proxy::start(move |target| {
        if target == "TrentService.Decrypt" {
            let (url, user) = (url.clone(), user.clone());
            // On a thread of its own: the proxy's may not have a runtime.
            std::thread::spawn(move || end_sessions(&url, &user, shut)).join().expect("ended");
        }
        Action::Forward
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_lost_before_the_outcome_shows_nothing() {
    let (world, login, hash) = world().await;
    let world = ends_sessions_at_decrypt(world, &login, true);
    let output = unmask(&world, &login, &hash);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(output.stdout.is_empty(), "{}", text(&output));
    world.database.open().await;
    assert_eq!(kinds(&world).await, ["request", "release", "release"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_between_two_steps_is_made_anew() {
    let (world, login, hash) = world().await;
    let world = ends_sessions_at_decrypt(world, &login, false);
    let output = unmask(&world, &login, &hash);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(kinds(&world).await, ["request", "release", "release", "outcome"]);
    assert_eq!(verdict(&world).0, Some(0), "the outcome is on record, and signed");
}

fn end_sessions(url: &str, user: &str, shut: bool) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let admin = setting("LOGINETL_TEST_DATABASE_URL");
        let (client, connection) =
            tokio_postgres::connect(&admin, tokio_postgres::NoTls).await.expect("a connection");
        tokio::spawn(connection);
        if shut {
            let database: tokio_postgres::Config = url.parse().expect("a URL");
            let name = database.get_dbname().expect("a name");
            client
                .batch_execute(&format!("alter database {name} allow_connections false"))
                .await
                .expect("shut");
        }
        let ended =
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = $1";
        client.query(ended, &[&user]).await.expect("ended");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_signed_patiently_and_shown_only_then() {
    let (world, login, hash) = world().await;
    let signs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&signs);
    let world = world.through(&Proxy::start(move |target| {
        // The request is signed; then KMS fails more often than the SDK tries by itself.
        let is_faulty = target == "TrentService.Sign"
            && (1..5).contains(&counted.fetch_add(1, Ordering::SeqCst));
        if is_faulty {
            Action::Answer(500, r#"{"__type": "KMSInternalException"}"#)
        } else {
            Action::Forward
        }
    }));
    let output = unmask(&world, &login, &hash);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("10.0.0.1") && signs.load(Ordering::SeqCst) > 5);
    assert_eq!(verdict(&world).0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_cannot_be_signed_is_not_shown() {
    let (world, login, hash) = world().await;
    let signs = AtomicUsize::new(0);
    let world = world.through(&Proxy::start(move |target| {
        let is_denied = target == "TrentService.Sign" && signs.fetch_add(1, Ordering::SeqCst) > 0;
        if is_denied { Action::Answer(400, DENIED) } else { Action::Forward }
    }));
    let output = unmask(&world, &login, &hash);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(output.stdout.is_empty(), "{}", text(&output));
    let (exit, report) = verdict(&world);
    assert_eq!(exit, Some(5), "an unsigned outcome cannot be told from a stripped one: {report}");
    assert_eq!(report["problems"][0]["kind"], "unmask.outcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_between_request_and_outcome_shows_nothing() {
    let (world, login, hash) = world().await;
    let world = world.through(&Proxy::start(|target| {
        if target == "TrentService.Decrypt" { Action::Hang } else { Action::Forward }
    }));
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut command = world.command(&["unmask", "--ip-hash", &hash, "--reason", "a test"]);
        let running = Running::start(command.env("LOGINETL_DATABASE_URL", &login.url));
        let before =
            world.database.count("select from audit.log where kind = 'unmask.release'").await;
        crate::support::eventually("both keys are released", async || {
            world.database.count("select from audit.log where kind = 'unmask.release'").await
                >= before + 2
        })
        .await;
        let output = running.signal(signal);
        assert_eq!(output.status.code(), Some(4), "{}", text(&output));
        assert!(
            output.stdout.is_empty() && text(&output).contains("interrupted: nothing was shown"),
            "{}",
            text(&output)
        );
    }
    let (exit, report) = verdict(&world);
    assert_eq!(
        (exit, report["open_requests"].as_i64()),
        (Some(0), Some(2)),
        "young ones are no finding yet: {report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_failure() {
    let (world, login, hash) = world().await;
    let mut command = world.command(&["unmask", "--ip-hash", &hash, "--reason", "a test"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command
        .env("LOGINETL_DATABASE_URL", &login.url)
        .stdout(Stdio::from(writer))
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(kinds(&world).await, ["request", "release", "release", "outcome"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device");
    let mut command =
        world.command(&["unmask", "--ip-hash", &hash, "--reason", "a test", "--format", "csv"]);
    let output = command
        .env("LOGINETL_DATABASE_URL", &login.url)
        .stdout(Stdio::from(full))
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(text(&output).contains("cannot write the output"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_unmaskers_at_once_make_one_chain() {
    let (world, login, hash) = world().await;
    let mut running = Vec::new();
    for _ in 0..16 {
        let mut command = world.command(&[
            "unmask",
            "--ip-hash",
            &hash,
            "--reason",
            "a test",
            "--format",
            "json",
        ]);
        running.push(Running::start(command.env("LOGINETL_DATABASE_URL", &login.url)));
    }
    for output in running.into_iter().map(Running::finish) {
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert_eq!(json_lines(&output)[0]["value"], "10.0.0.1");
    }
    let (exit, report) = verdict(&world);
    assert_eq!(
        (exit, report["records"].as_i64(), report["open_requests"].as_i64()),
        (Some(0), Some(4 + 16 * 4), Some(0)),
        "{report}"
    );
}

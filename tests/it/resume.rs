//! `unmask --resume`: a request whose process was killed is brought to its one outcome by
//! another process of the same login, for what it was made for, and for nothing else.

use std::process::{Command, Output};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;

use crate::gate::{refusal, request};
use crate::support::{Action, Logged, Login, Proxy, Running, World, eventually, json_lines, text};

/// Where the first process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Committed,
    Signed,
    Released,
}

/// An installation with a log, another unmasker, and the hash of an address.
async fn logged() -> (Logged, Login, String) {
    let logged = Logged::new().await;
    let login = logged.world.database.login_named("loginetl_unmasker", "second").await;
    let hash = logged
        .world
        .database
        .query("select ip_hash::text from user_logins where user_id = 'u-1'")
        .await[0]
        .get(0);
    (logged, login, hash)
}

fn as_login(world: &World, login: &Login, args: &[&str]) -> Command {
    let mut command = world.command(&[&["unmask", "--format", "json"], args].concat());
    command.env("LOGINETL_DATABASE_URL", &login.url);
    command
}

fn resume(world: &World, login: &Login, request: i64, selectors: &[&str]) -> Output {
    let number = request.to_string();
    as_login(world, login, &[selectors, &["--resume", &number]].concat()).output().expect("it runs")
}

async fn newest_request(world: &World) -> i64 {
    world.database.query("select max(seq) from audit.log where kind ~ 'request$'").await[0].get(0)
}

/// How often the log has this kind for the request.
async fn count(world: &World, kind: &str, request: i64) -> i64 {
    let of = format!(
        "select from audit.log where kind = '{kind}' and (record::jsonb ->> 'request')::bigint = \
           {request}"
    );
    world.database.count(&of).await
}

async fn is_signed(world: &World, record: i64) -> bool {
    world.database.count(&format!("select from audit.signatures where seq = {record}")).await == 1
}

async fn end_sessions(world: &World, login: &Login) {
    let end = format!(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = '{}'",
        login.user
    );
    world.database.query(&end).await;
}

/// A proxy in which the first Sign waits for a word, and Decrypt never answers.
fn slow() -> (Proxy, Sender<()>) {
    let (go, wait) = channel();
    let wait = Arc::new(Mutex::new(wait));
    let proxy = Proxy::start(move |target| match target {
        "TrentService.Sign" => {
            let _ = wait.lock().expect("one at a time").recv();
            Action::Forward
        }
        "TrentService.Decrypt" => Action::Hang,
        _ => Action::Forward,
    });
    (proxy, go)
}

/// Runs `unmask` until it is killed; its request.
async fn kill(world: &World, login: &Login, flags: &[&str], at: Killed) -> i64 {
    let (proxy, go) = slow();
    let before = newest_request(world).await;
    let mut command = as_login(world, login, &[flags, &["--reason", "a test"]].concat());
    let mut running =
        Running::start(command.env("AWS_ENDPOINT_URL", proxy.url()).env("NO_PROXY", "127.0.0.1"));
    eventually("the request is committed", async || newest_request(world).await > before).await;
    let request = newest_request(world).await;
    // Whoever holds the head of the log lets nobody release.
    let holder = world.database.client().await;
    if at == Killed::Signed {
        holder.batch_execute("begin; select from audit.head for update").await.expect("the head");
    }
    if at != Killed::Committed {
        go.send(()).expect("it waits");
        eventually("the request is signed", async || is_signed(world, request).await).await;
    }
    let named = format!(
        "select from audit.log, jsonb_array_elements(record::jsonb -> 'key_ids') \
           where seq = {request}"
    );
    let keys = world.database.count(&named).await;
    if at == Killed::Released {
        eventually("all keys are released", async || {
            count(world, "unmask.release", request).await == keys
        })
        .await;
    }
    assert!(running.child().try_wait().expect("a state").is_none(), "it is still at work");
    let output = running.signal(Signal::SIGKILL);
    assert!(output.status.code().is_none() && output.stdout.is_empty(), "{}", text(&output));
    end_sessions(world, login).await;
    let state = (is_signed(world, request).await, count(world, "unmask.release", request).await);
    assert_eq!(
        state,
        (at != Killed::Committed, if at == Killed::Released { keys } else { 0 }),
        "{at:?}"
    );
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_process_was_killed_is_brought_to_its_one_outcome() {
    let (logged, login, hash) = logged().await;
    for at in [Killed::Committed, Killed::Signed, Killed::Released] {
        let request = kill(&logged.world, &login, &["--ip-hash", &hash], at).await;
        assert_eq!(logged.verify(&[]).1["open_requests"], 1, "{at:?}");
        let output = resume(&logged.world, &login, request, &["--ip-hash", &hash]);
        assert_eq!(output.status.code(), Some(0), "{at:?}: {}", text(&output));
        assert_eq!(json_lines(&output)[0]["value"], "10.0.0.1", "{}", text(&output));
        assert_eq!(
            newest_request(&logged.world).await,
            request,
            "{at:?}: no request but the one that was there"
        );
        let releases = count(&logged.world, "unmask.release", request).await;
        assert_eq!(
            releases,
            if at == Killed::Released { 4 } else { 2 },
            "{at:?}: each is on record"
        );
        assert_eq!(count(&logged.world, "unmask.outcome", request).await, 1, "{at:?}");
        let said = text(&output);
        let head = said
            .split("audit head ")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .expect("a head");
        let (exit, report) = logged.verify(&["--expect-head", head]);
        assert_eq!(
            (exit, &report["result"], report["open_requests"].as_i64()),
            (0, &"intact".into(), Some(0)),
            "{report}"
        );
        let again = resume(&logged.world, &login, request, &["--ip-hash", &hash]);
        assert_eq!(again.status.code(), Some(3), "{}", text(&again));
        assert_eq!(count(&logged.world, "unmask.outcome", request).await, 1, "{at:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_the_rows_of_a_value_is_resumed_with_the_value() {
    let (logged, login, hash) = logged().await;
    let request = kill(&logged.world, &login, &["--find-ip", "10.0.0.1"], Killed::Released).await;
    for other in [&["--find-device-id", "10.0.0.1"][..], &["--ip-hash", &hash]] {
        let output = resume(&logged.world, &login, request, other);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    }
    let output = resume(&logged.world, &login, request, &["--find-ip", "10.0.0.1"]);
    assert_eq!(
        (output.status.code(), json_lines(&output)[0]["hash"].as_str()),
        (Some(0), Some(hash.as_str())),
        "{}",
        text(&output)
    );
    assert_eq!(count(&logged.world, "find.outcome", request).await, 1);
    assert_eq!(logged.verify(&[]).0, 0);
}

/// Tries to resume; it is refused, and the log stays as it is.
async fn refuse(world: &World, login: &Login, request: i64, selectors: &[&str], why: &str) {
    let state = "select from audit.log union all select from audit.signatures";
    let before = world.database.count(state).await;
    let output = resume(world, login, request, selectors);
    assert_eq!(output.status.code(), Some(3), "{why}: {}", text(&output));
    assert!(
        output.stdout.is_empty() && text(&output).contains(" hint: "),
        "{why}: {}",
        text(&output)
    );
    assert!(text(&output).contains(why), "{why}: {}", text(&output));
    assert_eq!(
        world.database.count(state).await,
        before,
        "{why}: nothing is recorded, signed or released"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_asked_for_or_by_another_is_not_resumed() {
    let (logged, login, hash) = logged().await;
    let world = &logged.world;
    let other: String =
        world.database.query("select ip_hash::text from user_logins where user_id = 'u-2'").await
            [0]
        .get(0);
    let third = world.database.login_named("loginetl_unmasker", "third").await;
    let analyst = world.database.login_named("loginetl_analyst", "fourth").await;
    for at in [Killed::Committed, Killed::Released] {
        let request = kill(world, &login, &["--ip-hash", &hash], at).await;
        refuse(world, &third, request, &["--ip-hash", &hash], "made no such request").await;
        refuse(world, &analyst, request, &["--ip-hash", &hash], "42501").await;
        refuse(world, &login, request, &["--ip-hash", &other], "other selectors").await;
        refuse(world, &login, request, &["--ip-hash", &hash, &other], "other selectors").await;
        refuse(world, &login, request, &["--device-id-hash", &hash], "other selectors").await;
        refuse(world, &login, request, &["--quarantine", "1"], "other selectors").await;
        refuse(world, &login, request, &["--find-ip", "10.0.0.1"], "other kind").await;
        let output = resume(world, &login, request, &["--ip-hash", &hash]);
        assert_eq!(output.status.code(), Some(0), "its own: {}", text(&output));
    }
    refuse(world, &login, 1, &["--ip-hash", &hash], "made no such request").await;
    refuse(world, &login, 1_000_000, &["--ip-hash", &hash], "made no such request").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_resumed_for_the_keys_that_it_names() {
    let (logged, login, hash) = logged().await;
    let client = login.client().await;
    let details = format!(
        r#"{{"reason": "a test", "selectors": ["ip-hash {hash}"], "unreadable_lines": 0}}"#
    );
    let ask = async |keys: &str| {
        let statement =
            format!("select seq from vault.request_unmask('unmask', '{details}', '{keys}')");
        client.query_one(&statement, &[]).await.expect("a request").get::<_, i64>(0)
    };
    for other in ["{1,2,3}", "{1}", "{}"] {
        refuse(
            &logged.world,
            &login,
            ask(other).await,
            &["--ip-hash", &hash],
            "keys that it names",
        )
        .await;
    }
    let silent = request(&client).await;
    refuse(&logged.world, &login, silent, &["--ip-hash", &hash], "other selectors").await;
    let fitting = ask("{1,2}").await;
    let output = resume(&logged.world, &login, fitting, &["--ip-hash", &hash]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_or_withdrawn_or_old_request_is_refused_by_name() {
    let (logged, login, hash) = logged().await;
    let world = &logged.world;
    let output = as_login(world, &login, &["--ip-hash", &hash, "--reason", "a test"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    refuse(world, &login, newest_request(world).await, &["--ip-hash", &hash], "it has its outcome")
        .await;
    let withdrawn = kill(world, &login, &["--ip-hash", &hash], Killed::Committed).await;
    let output =
        as_login(world, &login, &["--withdraw", &withdrawn.to_string()]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    refuse(world, &login, withdrawn, &["--ip-hash", &hash], "was withdrawn").await;
    for at in [Killed::Committed, Killed::Signed] {
        // By now the request is six minutes old.
        world.database.log_behind(360).await;
        let old = kill(world, &login, &["--ip-hash", &hash], at).await;
        world.database.log_behind(0).await;
        refuse(world, &login, old, &["--ip-hash", &hash], "older than five minutes").await;
        let output = resume(world, &login, old, &["--ip-hash", &hash]);
        assert!(
            text(&output).contains(&format!("loginetl unmask --withdraw {old}")),
            "the remedy: {}",
            text(&output)
        );
        let output =
            as_login(world, &login, &["--withdraw", &old.to_string()]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    assert_eq!(logged.verify(&[]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_that_resume_one_request_come_to_one_outcome() {
    let (logged, login, hash) = logged().await;
    let request = kill(&logged.world, &login, &["--ip-hash", &hash], Killed::Committed).await;
    let number = request.to_string();
    let start = || {
        Running::start(&mut as_login(
            &logged.world,
            &login,
            &["--ip-hash", &hash, "--resume", &number],
        ))
    };
    let running: Vec<Running> = (0..4).map(|_| start()).collect();
    let outputs: Vec<Output> = running.into_iter().map(Running::finish).collect();
    let (shown, others): (Vec<&Output>, Vec<&Output>) =
        outputs.iter().partition(|output| output.status.code() == Some(0));
    assert_eq!(shown.len(), 1, "{:?}", outputs.iter().map(text).collect::<Vec<_>>());
    for output in others {
        assert!(output.status.code() == Some(3) && output.stdout.is_empty(), "{}", text(output));
    }
    assert_eq!(count(&logged.world, "unmask.outcome", request).await, 1);
    assert_eq!(logged.verify(&[]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_changed_is_not_signed() {
    let (logged, login, hash) = logged().await;
    let request = kill(&logged.world, &login, &["--ip-hash", &hash], Killed::Committed).await;
    logged
        .tamper(&format!(
            "update audit.log set record = replace(record, 'a test', 'a jest') \
               where seq = {request}"
        ))
        .await;
    let output = resume(&logged.world, &login, request, &["--ip-hash", &hash]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(
        output.stdout.is_empty() && !is_signed(&logged.world, request).await,
        "{}",
        text(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_a_request_open_is_told_how_to_go_on() {
    let (logged, login, hash) = logged().await;
    let proxy = Proxy::start(|target| match target {
        "TrentService.Decrypt" => Action::Answer(400, r#"{"__type": "KMSInternalException"}"#),
        _ => Action::Forward,
    });
    let mut command = as_login(&logged.world, &login, &["--ip-hash", &hash, "--reason", "a test"]);
    let output = command
        .env("AWS_ENDPOINT_URL", proxy.url())
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    let request = newest_request(&logged.world).await;
    assert!(text(&output).contains(&format!("--resume {request}")), "{}", text(&output));
    assert_eq!(
        resume(&logged.world, &login, request, &["--ip-hash", &hash]).status.code(),
        Some(0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn resuming_takes_selectors_and_no_reason() {
    let (logged, login, hash) = logged().await;
    let before = logged.world.database.count("select from audit.log").await;
    for flags in [
        &["--resume", "5"][..],
        &["--resume", "5", "--ip-hash", &hash, "--reason", "a test"],
        &["--resume", "5", "--ip-hash", &hash, "--ticket", "SEC-1"],
        &["--resume", "5", "--withdraw", "5"],
        &["--resume", "nonsense", "--ip-hash", &hash],
    ] {
        let output = as_login(&logged.world, &login, flags).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", text(&output));
    }
    assert_eq!(logged.world.database.count("select from audit.log").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_tells_a_login_of_its_own_committed_requests_alone() {
    let (logged, login, _) = logged().await;
    let database = &logged.world.database;
    let client = login.client().await;
    let seq = request(&client).await;
    let own = format!("select (asked).seq, signed, closed, late from vault.own_request({seq})");
    let row = client.query_one(&own, &[]).await.expect("its own");
    let state: (i64, bool, bool, bool) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!(state, (seq, false, false, false));
    let third = database.login_named("loginetl_unmasker", "third").await.client().await;
    assert!(third.query(&own, &[]).await.expect("an answer").is_empty(), "another's");
    for other in ["1", "null", "1000000"] {
        let other = format!("select from vault.own_request({other})");
        assert!(client.query(&other, &[]).await.expect("an answer").is_empty(), "{other}");
    }
    for group in ["loginetl_analyst", "loginetl_loader", "loginetl_rotator", "loginetl_auditor"] {
        let other = database.login_named(group, &format!("no_{group}")).await.client().await;
        assert_eq!(refusal(&other, &own).await, "42501", "{group}");
    }
    client.batch_execute("begin").await.expect("a transaction");
    let uncommitted = format!("select from vault.own_request({})", request(&client).await);
    assert!(
        client.query(&uncommitted, &[]).await.expect("an answer").is_empty(),
        "it may be rolled back"
    );
    client.batch_execute("commit").await.expect("the end");
    assert_eq!(
        client.query(&uncommitted, &[]).await.expect("an answer").len(),
        1,
        "now it is on record"
    );
}

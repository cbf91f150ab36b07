//! `unmask --withdraw`: closes one's own request that failed before a key was released,
//! on record and signed, and no other.

use std::process::Output;

use crate::gate::{refusal, release, request, sign, unmasker, wrap};
use crate::support::{Action, Logged, Login, Proxy, World, setting, summary, text};

const DENIED: &str = r#"{"__type": "AccessDeniedException", "message": "s3cret"}"#;

/// Kept beside the log, so that what was tampered with can be put back.
const KEEP: &str = "create table public.kept_log as select * from audit.log;
    create table public.kept_signatures as select * from audit.signatures;
    create table public.kept_head as select * from audit.head";
const PUT_BACK: &str = "delete from audit.signatures; delete from audit.log;
    insert into audit.log select * from public.kept_log;
    insert into audit.signatures select * from public.kept_signatures;
    update audit.head h set seq = k.seq, hash = k.hash from public.kept_head k";

/// Runs `unmask` where KMS denies this call; exit 3, and nothing on stdout.
async fn fail(world: &World, login: &Login, denied: &'static str) -> i64 {
    let proxy =
        Proxy::start(
            move |called| {
                if called == denied { Action::Answer(400, DENIED) } else { Action::Forward }
            },
        );
    let hash: String =
        world.database.query("select ip_hash::text from user_logins where user_id = 'u-1'").await
            [0]
        .get(0);
    let mut command = world.command(&["unmask", "--ip-hash", &hash, "--reason", "a test"]);
    command
        .env("LOGINETL_DATABASE_URL", &login.url)
        .env("AWS_ENDPOINT_URL", proxy.url())
        .env("NO_PROXY", "127.0.0.1");
    let output = command.output().expect("it runs");
    assert!(output.status.code() == Some(3) && output.stdout.is_empty(), "{}", text(&output));
    newest(world, "unmask.request").await
}

async fn newest(world: &World, kind: &str) -> i64 {
    world.database.query(&format!("select max(seq) from audit.log where kind = '{kind}'")).await[0]
        .get(0)
}

fn withdraw(world: &World, login: &Login, request: i64, flags: &[&str]) -> Output {
    world.run_as(login, &[&["unmask", "--withdraw", &request.to_string()], flags].concat())
}

/// An installation with a log, and another unmasker, whose request failed: KMS did not
/// sign it.
async fn failed() -> (Logged, Login, i64) {
    let logged = Logged::new().await;
    let login = logged.world.database.login_named("loginetl_unmasker", "second").await;
    let request = fail(&logged.world, &login, "TrentService.Sign").await;
    (logged, login, request)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_kms_did_not_sign_is_withdrawn_on_record_and_signed() {
    let (logged, login, request) = failed().await;
    assert_eq!(logged.verify(&[]).1["open_requests"], 1);
    let output = withdraw(&logged.world, &login, request, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(summary(&output)["withdrawn"], request, "{}", text(&output));
    let record = format!(
        "select from audit.log join audit.signatures using (seq)
         where kind = 'unmask.withdrawal' and db_user = '{}'
           and (record::jsonb ->> 'request')::bigint = {request}",
        login.user
    );
    assert_eq!(logged.world.database.count(&record).await, 1, "recorded once, and signed");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let head = stderr
        .lines()
        .find_map(|line| line.strip_prefix("audit head "))
        .unwrap_or_else(|| panic!("{stderr}"))
        .to_owned();
    let path = logged.export("withdrawn.jsonl");
    let (online, offline) = (
        logged.verify(&["--expect-head", &head]),
        logged.verify_file(&path, &["--expect-head", &head]),
    );
    assert_eq!(
        (online.0, &online.1["result"], online.1["open_requests"].as_i64()),
        (0, &"intact".into(), Some(0)),
        "{online:?}"
    );
    assert_eq!(offline, online, "the same answer from an export");
    let shown =
        logged.world.run_as(&logged.auditor, &["audit", "list", "--kind", "unmask.withdrawal"]);
    assert!(text(&shown).contains(&login.user), "{}", text(&shown));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_which_request_was_withdrawn() {
    let (logged, login, request) = failed().await;
    let output = withdraw(&logged.world, &login, request, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        stdout.contains(&request.to_string()) && stdout.contains("withdrawn"),
        "{}",
        text(&output)
    );
    assert!(text(&output).contains("audit head "), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_open_request_is_no_finding_once_it_was_withdrawn() {
    let (logged, login, _) = failed().await;
    // By then the request is six minutes old, so no key is released.
    logged.world.database.log_behind(360).await;
    let request = fail(&logged.world, &login, "none").await;
    logged.world.database.log_behind(0).await;
    let (exit, report) = logged.verify(&[]);
    assert_eq!((exit, report["problems"][0]["seq"].as_i64()), (1, Some(request)), "{report}");
    let output = withdraw(&logged.world, &login, request, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let (exit, report) = logged.verify(&[]);
    assert_eq!((exit, report["open_requests"].as_i64()), (0, Some(1)), "the young one: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_withdrawn_twice_or_by_another_or_once_a_key_was_released() {
    let (logged, login, request) = failed().await;
    let world = &logged.world;
    let released = fail(world, &login, "TrentService.Decrypt").await;
    let hash: String =
        world.database.query("select ip_hash::text from user_logins where user_id = 'u-1'").await
            [0]
        .get(0);
    let answer = world.run_as(&login, &["unmask", "--ip-hash", &hash, "--reason", "a test"]);
    assert_eq!(answer.status.code(), Some(0), "{}", text(&answer));
    let answered = newest(world, "unmask.request").await;
    assert_eq!(withdraw(world, &login, request, &[]).status.code(), Some(0));
    let third = world.database.login_named("loginetl_unmasker", "third").await;
    let analyst = world.database.login_named("loginetl_analyst", "fourth").await;
    let open = fail(world, &login, "TrentService.Sign").await;
    let before = world.database.count("select from audit.log").await;
    for (who, seq, why) in [
        (&login, request, "a second time"),
        (&third, open, "another's request"),
        (&analyst, open, "no unmasker"),
        (&login, released, "a key was released, and nobody knows what was seen"),
        (&login, answered, "it has its outcome"),
        (&login, 1, "a record of another kind"),
        (&login, 1_000_000, "no record at all"),
    ] {
        let output = withdraw(world, who, seq, &[]);
        assert_eq!(output.status.code(), Some(3), "{why}: {}", text(&output));
        assert!(
            output.stdout.is_empty() && text(&output).contains(" hint: "),
            "{why}: {}",
            text(&output)
        );
    }
    assert_eq!(world.database.count("select from audit.log").await, before, "nothing is recorded");
    assert_eq!(withdraw(world, &login, open, &[]).status.code(), Some(0), "its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_names_no_selectors_and_one_number() {
    let (logged, login, request) = failed().await;
    let (world, number) = (&logged.world, request.to_string());
    let hash = "00000000-0000-8000-8000-000000000000";
    let before = world.database.count("select from audit.log").await;
    for flags in [
        &["--withdraw", &number, "--ip-hash", hash, "--reason", "a test"][..],
        &["--withdraw", &number, "--device-id-hash", hash],
        &["--withdraw", &number, "--quarantine", "1"],
        &["--withdraw", &number, "--from", "-", "--reason", "a test"],
        &["--withdraw", &number, "--find-ip", "-", "--reason", "a test"],
        &["--withdraw"],
        &["--withdraw", "nonsense"],
        &["--withdraw", "192.0.2.7"],
        &["--reason", "a test"],
        &["--ip-hash", hash],
    ] {
        let output = world.run_as(&login, &[&["unmask"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", text(&output));
        assert!(
            output.stdout.is_empty() && !text(&output).contains("192.0.2.7"),
            "{flags:?}: {}",
            text(&output)
        );
    }
    assert_eq!(world.database.count("select from audit.log").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_kms_would_not_sign_is_not_begun() {
    let (logged, login, request) = failed().await;
    let before = logged.world.database.count("select from audit.log").await;
    let denied = Proxy::start(|called| match called {
        "TrentService.Sign" => Action::Answer(400, DENIED),
        _ => Action::Forward,
    });
    let Logged { world, auditor, folder, public_key, heads } = logged;
    let mut world = world.through(&denied);
    let output = withdraw(&world, &login, request, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("KMS Sign") && output.stdout.is_empty(), "{}", text(&output));
    // A record that nobody signs any more would be taken for a tampered one, for ever.
    assert_eq!(world.database.count("select from audit.log").await, before);
    world.endpoint = None;
    assert_eq!(withdraw(&world, &login, request, &[]).status.code(), Some(0));
    let logged = Logged { world, auditor, folder, public_key, heads };
    assert_eq!(logged.verify(&[]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_was_tampered_with_shows() {
    let (logged, login, request) = failed().await;
    assert_eq!(withdraw(&logged.world, &login, request, &[]).status.code(), Some(0));
    let seq = newest(&logged.world, "unmask.withdrawal").await;
    logged.world.database.execute(KEEP).await;
    let other = format!("replace(record, '{request}', '5')");
    for (what, sql) in [
        ("of another request", format!("update audit.log set record = {other} where seq = {seq}")),
        (
            "of another login",
            format!("update audit.log set db_user = 'somebody' where seq = {seq}"),
        ),
        ("of another kind", format!("update audit.log set kind = 'load.run' where seq = {seq}")),
        ("unsigned", format!("delete from audit.signatures where seq = {seq}")),
        (
            "signed for something else",
            format!(
                "update audit.signatures set signature = (select signature from audit.signatures \
                   where seq = 1) where seq = {seq}"
            ),
        ),
        ("away", format!("delete from audit.log where seq = {seq}")),
    ] {
        logged.tamper(&sql).await;
        let path = logged.export(&format!("{}.jsonl", what.replace(' ', "-")));
        assert_eq!(logged.verify(&[]).0, 5, "{what}");
        if what != "away" {
            assert_eq!(logged.verify_file(&path, &[]).0, 5, "{what}, from an export");
        }
        logged.tamper(PUT_BACK).await;
    }
    assert_eq!(logged.verify(&[]).0, 0, "as it was");
}

/// Appends a record in somebody's name with a correct chain and a genuine signature, as
/// nobody but a thief of the KMS key can.
async fn forge(logged: &Logged, user: &str, kind: &str, record: &str) {
    let database = &logged.world.database;
    database
        .execute(&format!(
            "grant execute on function audit.append(text, text) to {user};
               set session authorization {user};
             select audit.append('{kind}', '{record}'); reset session authorization;
             revoke execute on function audit.append(text, text) from {user}"
        ))
        .await;
    let row = &database.query("select seq, hash from audit.head").await[0];
    let (seq, hash): (i64, Vec<u8>) = (row.get(0), row.get(1));
    let kms = aws_sdk_kms::Client::new(
        &aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await,
    );
    let signing = kms
        .sign()
        .key_id(setting("LOGINETL_AUDIT_KEY"))
        .message_type(aws_sdk_kms::types::MessageType::Digest)
        .message(aws_sdk_kms::primitives::Blob::new(hash))
        .signing_algorithm(aws_sdk_kms::types::SigningAlgorithmSpec::EcdsaSha256);
    let signature =
        signing.send().await.expect("a signature").signature.expect("a signature").into_inner();
    let hex: String = signature.iter().map(|b| format!("{b:02x}")).collect();
    database
        .execute(&format!(
            "insert into audit.signatures (seq, key_arn, signature) \
               values ({seq}, 'arn', '\\x{hex}')"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_takes_no_withdrawal_of_a_request_that_is_not_open_or_not_ones_own() {
    let (logged, login, open) = failed().await;
    let released = fail(&logged.world, &login, "TrentService.Decrypt").await;
    let withdrawn = fail(&logged.world, &login, "TrentService.Sign").await;
    assert_eq!(withdraw(&logged.world, &login, withdrawn, &[]).status.code(), Some(0));
    let other = logged.world.database.login_named("loginetl_unmasker", "third").await;
    logged.world.database.execute(KEEP).await;
    let of = |request: i64| format!(r#"{{"request": {request}}}"#);
    for (what, who, kind, record) in [
        ("of a request that released a key", &login, "unmask.withdrawal", of(released)),
        ("of another's request", &other, "unmask.withdrawal", of(open)),
        ("a second time", &login, "unmask.withdrawal", of(withdrawn)),
        ("of no request", &login, "unmask.withdrawal", of(1)),
        ("of nothing", &login, "unmask.withdrawal", "{}".to_owned()),
        (
            "a release after it",
            &login,
            "unmask.release",
            format!(r#"{{"request": {withdrawn}, "key_id": 1}}"#),
        ),
        ("an outcome after it", &login, "unmask.outcome", of(withdrawn)),
    ] {
        assert_eq!(logged.verify(&[]).0, 0, "as it was");
        forge(&logged, &who.user, kind, &record).await;
        let path = logged.export(&format!("{}.jsonl", what.replace([' ', '\''], "-")));
        for (exit, report) in [logged.verify(&[]), logged.verify_file(&path, &[])] {
            assert_eq!(exit, 5, "{what}: {report}");
        }
        logged.tamper(PUT_BACK).await;
    }
    forge(&logged, &login.user, "unmask.withdrawal", &of(open)).await;
    let (exit, report) = logged.verify(&[]);
    assert_eq!(exit, 0, "what the database itself would write: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_itself_decides_what_is_withdrawn() {
    let (world, login, client) = unmasker().await;
    let withdraw = |seq: i64, details: &str| {
        format!("select seq from vault.withdraw_request({seq}, {details})")
    };
    let (unsigned, signed) = (request(&client).await, request(&client).await);
    sign(&client, signed).await;
    for (details, why) in
        [("'[]'", "a list"), ("'7'", "a number"), ("null", "nothing"), ("'nonsense'", "no JSON")]
    {
        let code = refusal(&client, &withdraw(unsigned, details)).await;
        assert!(code.starts_with("22"), "{why}: {code}");
    }
    let large = "json_build_object('x', repeat('x', 200000))::text";
    assert!(refusal(&client, &withdraw(unsigned, large)).await.starts_with("22"));
    let mine = "begin; select vault.withdraw_request(seq, '{}') \
                  from vault.request_unmask('unmask', '{\"reason\": \"x\"}', '{1}')";
    assert_eq!(refusal(&client, mine).await, "LG001", "a request of the same transaction");
    client.batch_execute("rollback").await.expect("the end");
    for group in ["loginetl_analyst", "loginetl_loader", "loginetl_rotator", "loginetl_auditor"] {
        let other = world.database.login(group).await.client().await;
        assert_eq!(refusal(&other, &withdraw(unsigned, "'{}'")).await, "42501", "{group}");
    }
    // Signed or not; what it says of itself does not name another request.
    for seq in [unsigned, signed] {
        let details = format!("'{{\"request\": {}, \"version\": \"x\"}}'", seq + 1000);
        let record: i64 =
            client.query_one(&withdraw(seq, &details), &[]).await.expect("a withdrawal").get(0);
        let said = format!(
            "select from audit.log where seq = {record} \
               and (record::jsonb ->> 'request')::bigint = {seq}"
        );
        assert_eq!(world.database.count(&said).await, 1);
        let outcome = format!("select vault.record_outcome({seq}, '{{}}')");
        for late in [release(seq, 1), wrap(seq, 1), outcome, withdraw(seq, "'{}'")] {
            assert_eq!(refusal(&client, &late).await, "LG001", "{late}");
        }
        sign(&client, record).await;
    }
    let second = login.client().await;
    let find = r#"select seq from vault.request_unmask('find', '{"reason": "a test"}', '{1}')"#;
    let find: i64 = second.query_one(find, &[]).await.expect("a request").get(0);
    second.query_one(&withdraw(find, "'{}'"), &[]).await.expect("a search is a request too");
}

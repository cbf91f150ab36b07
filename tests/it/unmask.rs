//! `unmask` as people use it: every selector, every format, and what it says of what it
//! cannot answer.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::support::{Action, Login, Proxy, World, event, json_lines, text};

const WHY: [&str; 2] = ["--reason", "fraud case 4711"];

fn unmask(world: &World, login: &Login, selectors: &[&str]) -> Output {
    world.run_as(login, &[&["unmask"], selectors, &WHY].concat())
}

fn answers(world: &World, login: &Login, selectors: &[&str], exit: i32) -> Vec<Value> {
    let output = unmask(world, login, &[selectors, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(exit), "{}", text(&output));
    json_lines(&output)
}

/// Three events of one address, two of one device; and who may look at them.
async fn world() -> (World, Login) {
    let world = World::new().await;
    let with = |n: u32, ip: &str, device: &str| {
        event(n)
            .replace(&format!("10.0.0.{n}"), ip)
            .replace(&format!("\"device-{n}\""), &format!("\"{device}\""))
    };
    world.load(&[
        with(1, "192.0.2.7", "593-47-5928"),
        with(2, "::ffff:192.0.2.7", "593-47-5928"),
        with(3, "192.0.2.7", "other"),
        with(4, "2001:db8::1", "böse \\u001b[31m\\u009b\\u202e"),
        r#"{"foo": "oops"}"#.to_owned(),
    ]);
    let login = world.database.login("loginetl_unmasker").await;
    (world, login)
}

async fn one(world: &World, column: &str, user: &str) -> String {
    world
        .database
        .query(&format!("select {column}::text from user_logins where user_id = '{user}'"))
        .await[0]
        .get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_becomes_its_value_with_rows_and_days() {
    let (world, login) = world().await;
    let hash = one(&world, "ip_hash", "u-1").await;
    let token = one(&world, "masked_ip", "u-1").await;
    let day = one(&world, "create_date", "u-1").await;
    let expected = serde_json::json!({
        "selector": format!("ip-hash {hash}"), "field": "ip", "value": "192.0.2.7",
        "hash": hash, "token": token, "key_id": 1, "rows": 3,
        "first_date": day, "last_date": day, "problem": null
    });
    for spelling in [hash.clone(), hash.replace('-', "").to_uppercase()] {
        assert_eq!(
            answers(&world, &login, &["--ip-hash", &spelling], 0),
            std::slice::from_ref(&expected)
        );
    }
    let device = one(&world, "device_id_hash", "u-1").await;
    let found = answers(&world, &login, &["--device-id-hash", &device, "--ip-hash", &hash], 0);
    assert_eq!(
        (found[0]["value"].as_str(), found[0]["rows"].as_i64()),
        (Some("192.0.2.7"), Some(3))
    );
    assert_eq!(
        (found[1]["value"].as_str(), found[1]["rows"].as_i64()),
        (Some("593-47-5928"), Some(2))
    );
    assert_eq!(found[1]["field"], "device_id");
    let other_field = answers(&world, &login, &["--ip-hash", &device], 1);
    assert_eq!(
        other_field[0]["problem"], "not_found",
        "a hash of the other field is not looked for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_also_under_a_retired_key_and_is_counted_by_hash() {
    let (world, login) = world().await;
    let token = one(&world, "masked_ip", "u-1").await;
    // As after a rotation: the rows carry another token, and the old key is retired.
    world.database.tamper("update vault.data_keys set state = 'retired' where key_id = 1").await;
    let output = world.run(&["init"]);
    assert!(output.status.success(), "{}", text(&output));
    world.database.execute("update user_logins set masked_ip = 'ip1.4.x'").await;
    let found = answers(&world, &login, &["--token", &token], 0);
    assert_eq!(
        (found[0]["value"].as_str(), found[0]["rows"].as_i64()),
        (Some("192.0.2.7"), Some(3))
    );
    assert_eq!(
        (found[0]["key_id"].as_i64(), found[0]["token"].as_str()),
        (Some(1), Some(token.as_str()))
    );
    assert_eq!(found[0]["hash"], one(&world, "ip_hash", "u-1").await);
    world.database.tamper("update vault.data_keys set state = 'destroyed' where key_id = 1").await;
    assert_eq!(answers(&world, &login, &["--token", &token], 1)[0]["problem"], "destroyed_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_body_is_shown_as_it_came() {
    let (world, login) = world().await;
    let id = world.database.query("select id from ingest.quarantine").await[0]
        .get::<_, i64>(0)
        .to_string();
    let found = answers(&world, &login, &["--quarantine", &id, "999999"], 1);
    assert_eq!(found[0]["value"].as_str().map(str::trim), Some(r#"{"foo": "oops"}"#));
    assert_eq!(found[1]["problem"], "not_found");
    // A body that was moved to another message does not open.
    world
        .database
        .execute("update ingest.quarantine set message_id = '00000000-0000-0000-0000-000000000001'")
        .await;
    assert_eq!(answers(&world, &login, &["--quarantine", &id], 5)[0]["problem"], "does_not_open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_finds_its_rows_in_any_spelling_and_is_not_recorded() {
    let (world, login) = world().await;
    let hash = one(&world, "ip_hash", "u-1").await;
    for spelling in ["192.0.2.7", "::ffff:c000:207"] {
        let found = answers(&world, &login, &["--find-ip", spelling], 0);
        assert_eq!(
            (found[0]["hash"].as_str(), found[0]["rows"].as_i64()),
            (Some(hash.as_str()), Some(3))
        );
    }
    let input = world
        .command(&[&["unmask", "--find-device-id", "-", "--format", "json"][..], &WHY].concat());
    let found = with_input(input, &login, b"593-47-5928\n");
    assert_eq!(json_lines(&found)[0]["rows"], 2);
    assert_eq!(
        answers(&world, &login, &["--find-ip", "192.0.2.8"], 1)[0]["rows"],
        0,
        "nobody has it"
    );
    let log = world.database.query("select string_agg(record, E'\\n') from audit.log").await[0]
        .get::<_, String>(0);
    assert!(!log.contains("192.0.2") && !log.contains("593-47") && log.contains(&hash), "{log}");
}

fn with_input(mut command: std::process::Command, login: &Login, input: &[u8]) -> Output {
    use std::io::Write as _;
    command.env("LOGINETL_DATABASE_URL", &login.url).stdin(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
    child.wait_with_output().expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_mixes_selectors_and_bad_lines_do_not_stop_the_rest() {
    let (world, login) = world().await;
    let (ip, device) =
        (one(&world, "ip_hash", "u-1").await, one(&world, "device_id_hash", "u-3").await);
    let token = one(&world, "masked_device_id", "u-1").await;
    let mut lines: Vec<String> = (0..9_994).map(|n| format!("{n:032x}")).collect();
    lines.extend([
        format!("ip-hash {ip}"),
        String::new(),
        device.clone(),
        "203.0.113.9".to_owned(),
        token,
        format!("device-id-hash {device}"),
    ]);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), lines.join("\n")).expect("written");
    let path = file.path().to_str().expect("a path");
    let refused = unmask(&world, &login, &["--from", path]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("--max-values"), "{}", text(&refused));
    let decrypts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&decrypts);
    let world = world.through(&Proxy::start(move |target| {
        counted.fetch_add(usize::from(target == "TrentService.Decrypt"), Ordering::SeqCst);
        Action::Forward
    }));
    let found = answers(&world, &login, &["--from", path, "--max-values", "10000"], 1);
    assert_eq!(found.len(), 9_999);
    let values: Vec<_> = found.iter().filter_map(|answer| answer["value"].as_str()).collect();
    assert_eq!(values, ["192.0.2.7", "other", "593-47-5928", "other"]);
    assert_eq!(found[9_996]["selector"], "line 9998");
    assert_eq!(found[9_996]["problem"], "unreadable");
    // Over a hundred selectors: their digest and count.
    let records = world.run(&["audit", "list", "--kind", "unmask.request", "--format", "json"]);
    let record: Value = serde_json::from_str(
        json_lines(&records).last().expect("a record")["record"].as_str().expect("text"),
    )
    .expect("JSON");
    assert_eq!(
        (record["selectors"]["count"].as_i64(), record["unreadable_lines"].as_i64()),
        (Some(9_998), Some(1))
    );
    assert_eq!(
        (record["max_values"].as_i64(), record["selectors"]["sha256"].as_str().map(str::len)),
        (Some(10_000), Some(64))
    );
    assert_eq!(decrypts.load(Ordering::SeqCst), 2, "one Decrypt a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_csv_show_values_and_no_terminal_obeys_them() {
    let (world, login) = world().await;
    let hash = one(&world, "device_id_hash", "u-4").await;
    let table = unmask(&world, &login, &["--device-id-hash", &hash]);
    let shown = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(shown.contains("b") && shown.contains("\\u{1b}[31m\\u{9b}\\u{202e}"), "{shown}");
    let json = unmask(&world, &login, &["--device-id-hash", &hash, "--format", "json"]);
    let raw = String::from_utf8_lossy(&json.stdout).into_owned();
    for output in [&shown, &raw] {
        assert!(!output.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{output:?}");
    }
    assert_eq!(
        json_lines(&json)[0]["value"],
        "böse \u{1b}[31m\u{9b}\u{202e}",
        "JSON spells it, and loses nothing"
    );
    let csv = unmask(&world, &login, &["--device-id-hash", &hash, "--format", "csv"]);
    let csv = String::from_utf8_lossy(&csv.stdout).into_owned();
    assert!(
        csv.starts_with(
            "selector,field,value,hash,token,key_id,rows,first_date,last_date,problem\n"
        ),
        "{csv}"
    );
    assert!(csv.contains("böse \u{1b}[31m\u{9b}\u{202e}"), "CSV in a pipe keeps every byte");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_tampered_with_exit_with_5() {
    let (world, login) = world().await;
    let hash = one(&world, "ip_hash", "u-1").await;
    // A token copied to a row of another value.
    world
        .database
        .execute(
            "update user_logins set masked_ip = (select masked_ip from user_logins \
               where user_id = 'u-4') where user_id = 'u-2'",
        )
        .await;
    let mixed = answers(&world, &login, &["--ip-hash", &hash], 5);
    assert_eq!(
        (mixed[0]["problem"].as_str(), mixed[0]["value"].as_str()),
        (Some("hash_mismatch"), None)
    );
    world
        .database
        .execute(
            "update user_logins set masked_ip = 'ip1.1.nonsense' \
               where user_id in ('u-1', 'u-2', 'u-3')",
        )
        .await;
    assert_eq!(answers(&world, &login, &["--ip-hash", &hash], 5)[0]["problem"], "does_not_open");
    let other = one(&world, "ip_hash", "u-4").await;
    let both = answers(&world, &login, &["--ip-hash", &hash, &other], 5);
    assert_eq!(both[1]["value"], "2001:db8::1", "the rest is still answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_refused_and_on_record() {
    let (world, _) = world().await;
    let hash = one(&world, "ip_hash", "u-1").await;
    for group in ["loginetl_analyst", "loginetl_loader", "loginetl_rotator", "loginetl_auditor"] {
        let login = world.database.login(group).await;
        let output = unmask(&world, &login, &["--ip-hash", &hash, "--ticket", "SEC-17"]);
        assert_eq!(output.status.code(), Some(3), "{group}: {}", text(&output));
        assert!(
            output.stdout.is_empty() && text(&output).contains("audit head "),
            "{}",
            text(&output)
        );
        let denied = format!(
            "select from audit.log where kind = 'unmask.denied' and db_user = '{}' \
             and record like '%{hash}%' and record::jsonb ->> 'ticket' = 'SEC-17'",
            login.user
        );
        assert_eq!(world.database.count(&denied).await, 1, "{group}");
    }
    let nobody = world.database.login("pg_monitor").await;
    let before = world.database.count("select from audit.log").await;
    assert_eq!(unmask(&world, &nobody, &["--ip-hash", &hash]).status.code(), Some(3));
    let unmasker = world.database.login_named("loginetl_unmasker", "other").await;
    let output = unmask(&world, &unmasker, &["--ip-hash", &hash, "--require-user", "alice"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert_eq!(world.database.count("select from audit.log").await, before, "nothing was asked");
    let output = unmask(&world, &unmasker, &["--ip-hash", &hash, "--require-user", &unmasker.user]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

//! The audit log, tampered with in every way that a superuser can: `audit verify` finds
//! it, online and from an export, and names the record.

use serde_json::Value;

use crate::support::{Logged, World, event, json_lines, setting, text};

fn first_problem(report: &Value) -> (i64, String) {
    let problem = &report["problems"][0];
    (
        problem["seq"].as_i64().unwrap_or(-1),
        problem["problem"].as_str().unwrap_or_default().to_owned(),
    )
}

/// 1-3 key.create, 4 load.run, 5 request, 6-7 releases, 8 outcome, 9 request, 10-11
/// releases, 12 outcome, 13 denied.
const LENGTH: i64 = 13;

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_log_verifies_online_and_offline_and_verifying_appends_nothing() {
    let logged = Logged::new().await;
    let (exit, online) = logged.verify(&[]);
    assert_eq!((exit, &online["result"]), (0, &Value::from("intact")), "{online}");
    assert_eq!(
        (online["records"].as_i64(), online["signed"].as_i64()),
        (Some(LENGTH), Some(7)),
        "{online}"
    );
    assert_eq!(
        (online["after_last_signature"].as_i64(), online["open_requests"].as_i64()),
        (Some(1), Some(0))
    );
    let path = logged.export("audit.jsonl");
    assert_eq!(
        logged.verify_file(&path, &[]),
        (0, online.clone()),
        "the same answer from an export"
    );
    let lines = std::fs::read_to_string(&path).expect("an export");
    let records: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(
        records
            .iter()
            .enumerate()
            .all(|(i, r)| r["seq"] == i as i64 + 1 && r["record"].is_string())
    );
    for head in &logged.heads {
        assert_eq!(logged.verify(&["--expect-head", head]).0, 0);
        assert_eq!(logged.verify_file(&path, &["--expect-head", head]).0, 0);
    }
    assert_eq!(logged.world.run_as(&logged.auditor, &["audit", "list"]).status.code(), Some(0));
    assert_eq!(logged.verify(&[]).1, online, "nothing was appended");
    let again = logged
        .world
        .run_as(&logged.auditor, &["audit", "export", "--out", path.to_str().expect("UTF-8")]);
    assert_eq!(
        again.status.code(),
        Some(2),
        "a file that is there is not touched: {}",
        text(&again)
    );
    let python = std::process::Command::new(setting("LOGINETL_TEST_PYTHON"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/verify_export.py"))
        .args([&path, &logged.public_key])
        .output()
        .expect("Python runs");
    assert_eq!(
        String::from_utf8_lossy(&python.stdout).trim(),
        "13 records, 7 signed",
        "{}",
        text(&python)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_every_part_are_found() {
    for (part, seq) in [
        ("at = at + interval '1 microsecond'", 4),
        ("at = 'infinity'", 4),
        ("xid = '77'", 5),
        ("db_user = 'somebody'", 8),
        ("client = null", 6),
        ("client = set_masklen(client, 24)", 6),
        ("application_name = ''", 1),
        ("kind = 'quarantine.purge'", 4),
        ("record = replace(record, 'a test', 'another')", 9),
        ("record = record || ' '", 13),
        ("record = 'nonsense'", 8),
    ] {
        let logged = Logged::new().await;
        logged.tamper(&format!("update audit.log set {part} where seq = {seq}")).await;
        found(&logged, part, seq, "was changed");
    }
}

/// Found online and offline, with exit 5, first of all at this record.
fn found(logged: &Logged, what: &str, seq: i64, problem: &str) {
    for (exit, report) in
        [logged.verify(&[]), logged.verify_file(&logged.export("found.jsonl"), &[])]
    {
        assert_eq!(exit, 5, "{what}: {report}");
        let (first, said) = first_problem(&report);
        assert!(first == seq && said.contains(problem), "{what}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_deleted_added_moved_or_rehashed_are_found() {
    let rehash = "update audit.log l set record = replace(record, 'a test', 'other') where seq = 5;
        update audit.log set hash = sha256('x') where seq = 5; update audit.log
          set prev_hash = sha256('x') where seq = 6;";
    let insert = "update audit.log set seq = seq + 100 where seq >= 8; update audit.log
                    set seq = seq - 99 where seq > 100;
        insert into audit.log select 8, at, xid, db_user, client, application_name, 'load.run',
          '{}', prev_hash, hash
        from audit.log where seq = 7;";
    for (what, sql, seq, problem) in [
        ("delete", "delete from audit.log where seq = 7;", 8, "follows record 6"),
        (
            "delete the first",
            "delete from audit.signatures where seq = 1; delete from audit.log where seq = 1;",
            2,
            "follows record 0",
        ),
        (
            "swap",
            "update audit.log set seq = 100 where seq = 6; update audit.log set seq = 6
               where seq = 7;
                  update audit.log set seq = 7 where seq = 100",
            6,
            "does not continue",
        ),
        ("rehash", rehash, 5, "was changed"),
        ("insert", insert, 8, "does not continue"),
        ("head", "update audit.head set seq = 12", 13, "head of the log is 12:"),
        (
            "a record after the head",
            "insert into audit.log select 14, at, xid, db_user, client, application_name, kind,
               record, hash, hash
                                     from audit.log where seq = 13;",
            14,
            "was changed",
        ),
    ] {
        let logged = Logged::new().await;
        logged.tamper(sql).await;
        if what == "head" {
            // An export has no head row.
            let (exit, report) = logged.verify(&[]);
            assert!(exit == 5 && first_problem(&report).1.contains(problem), "{report}");
        } else {
            found(&logged, what, seq, problem);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_chain_with_correct_hashes_lacks_its_signatures() {
    let logged = Logged::new().await;
    // The owner of the database knows how hashes are made, and makes the whole log anew
    // with other reasons.
    let rebuild = "
        create temp table old as select * from audit.log; delete from audit.signatures; delete
          from audit.log;
        update audit.head set seq = 0, hash = decode(repeat('00', 32), 'hex');
        do $$ declare o record; begin
            for o in select * from old order by seq loop
                perform audit.append(o.kind, replace(o.record, 'a test', 'routine'));
            end loop;
        end $$;";
    logged.tamper(rebuild).await;
    found(&logged, "unsigned", 1, "has no signature");
    // A log of kinds that need no signature, and no log at all: every log begins with
    // signed records of its keys.
    logged.tamper(&rebuild.replace("o.kind", "'load.run'")).await;
    found_at_end(&logged, 13);
    logged
        .tamper(
            "delete from audit.log; update audit.head set seq = 0, hash = decode(repeat('00', \
               32), 'hex')",
        )
        .await;
    found_at_end(&logged, 0);
    let logged = Logged::new().await;
    logged.tamper(rebuild).await;
    // With signatures of a key of one's own.
    logged
        .tamper(
            "insert into audit.signatures (seq, key_arn, signature) select seq, 'arn', \
               sha256('x') from audit.log where kind like 'key.%'",
        )
        .await;
    let logged = Logged { folder: tempfile::tempdir().expect("a folder"), ..logged };
    found(&logged, "signed by somebody", 1, "the audit key did not make");
}

/// Nothing that the audit key signed, or nothing at all: found at the end, whatever else
/// is wrong.
fn found_at_end(logged: &Logged, seq: i64) {
    let path = logged.export(&format!("{seq}.jsonl"));
    for (exit, report) in [logged.verify(&[]), logged.verify_file(&path, &[])] {
        let problems = report["problems"].as_array().expect("problems");
        let is_named = problems.iter().any(|p| {
            p["seq"] == seq
                && p["problem"].as_str().is_some_and(|said| said.contains("signed nothing"))
        });
        assert!(exit == 5 && is_named, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_being_written_is_not_called_tampered() {
    let world = World::new().await;
    world.load(&[event(1)]);
    let unmasker = world.database.login("loginetl_unmasker").await;
    let hash: String =
        world.database.query("select ip_hash::text from user_logins").await[0].get(0);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                    let output = world
                        .run_as(&unmasker, &["unmask", "--ip-hash", &hash, "--reason", "a test"]);
                    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
                }
            });
        }
        for _ in 0..15 {
            let output = world.run(&["audit", "verify"]);
            stop.store(output.status.code() != Some(0), std::sync::atomic::Ordering::SeqCst);
            assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn stripped_and_exchanged_signatures_are_found() {
    for (what, sql, seq, problem) in [
        ("of a key", "delete from audit.signatures where seq = 2", 2, "has no signature"),
        ("of a request", "delete from audit.signatures where seq = 5", 5, "has no signature"),
        ("of an outcome", "delete from audit.signatures where seq = 12", 12, "has no signature"),
        (
            "of all after the load",
            "delete from audit.signatures where seq > 4",
            5,
            "has no signature",
        ),
        (
            "exchanged",
            "update audit.signatures s set signature = (select signature from audit.signatures \
               where seq = 9) where seq = 5",
            5,
            "the audit key did not make",
        ),
        (
            "cut",
            "update audit.signatures set signature = substr(signature, 1, 20) where seq = 8",
            8,
            "the audit key did not make",
        ),
    ] {
        let logged = Logged::new().await;
        logged.tamper(sql).await;
        found(&logged, what, seq, problem);
    }
    // A request for which no key was released, as nothing was found.
    let logged = Logged::new().await;
    let nobody = "00000000-0000-8000-8000-000000000000";
    let output = logged.world.run(&["unmask", "--ip-hash", nobody, "--reason", "a test"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(logged.verify(&[]).0, 0);
    logged.tamper("delete from audit.signatures where seq = 14").await;
    found(&logged, "of a request in vain", 14, "has no signature");
    // A request that was signed anew: genuine, but not the signature under which keys
    // were released.
    let logged = Logged::new().await;
    let kms = aws_sdk_kms::Client::new(
        &aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await,
    );
    let hash: Vec<u8> =
        logged.world.database.query("select hash from audit.log where seq = 5").await[0].get(0);
    let signed = kms
        .sign()
        .key_id(setting("LOGINETL_AUDIT_KEY"))
        .message_type(aws_sdk_kms::types::MessageType::Digest)
        .message(aws_sdk_kms::primitives::Blob::new(hash))
        .signing_algorithm(aws_sdk_kms::types::SigningAlgorithmSpec::EcdsaSha256);
    let signature =
        signed.send().await.expect("a signature").signature.expect("a signature").into_inner();
    let hex: String = signature.iter().map(|b| format!("{b:02x}")).collect();
    logged
        .tamper(&format!("update audit.signatures set signature = '\\x{hex}' where seq = 5"))
        .await;
    found(&logged, "signed anew", 5, "carries another signature than the one that outcome 8 names");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_tail_is_found_by_a_head_that_was_kept() {
    let logged = Logged::new().await;
    let cut = "delete from audit.signatures where seq > 8; delete from audit.log where seq > 8;
        update audit.head set seq = 8, hash = (select hash from audit.log where seq = 8);";
    logged.tamper(cut).await;
    assert_eq!(logged.verify(&[]).0, 0, "by itself, a shorter log is a log");
    let path = logged.export("cut.jsonl");
    for (exit, report) in [
        logged.verify(&["--expect-head", &logged.heads[1]]),
        logged.verify_file(&path, &["--expect-head", &logged.heads[1]]),
    ] {
        assert_eq!(exit, 5, "{report}");
        assert_eq!(first_problem(&report).0, 8);
        assert!(first_problem(&report).1.contains("the tail was cut off"), "{report}");
    }
    assert_eq!(logged.verify(&["--expect-head", &logged.heads[0]]).0, 0);
    let other = format!("8:{}", "00".repeat(32));
    let (exit, report) = logged.verify(&["--expect-head", &other]);
    assert!(exit == 5 && first_problem(&report).1.contains("rewritten"), "{report}");
    let wrong = logged.world.run_as(&logged.auditor, &["audit", "verify", "--expect-head", "8"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong));
    // A tail that was cut without its signatures shows by itself.
    let logged = Logged::new().await;
    logged
        .tamper(
            "delete from audit.log where seq > 8; update audit.head \
               set seq = 8, hash = (select hash from audit.log where seq = 8)",
        )
        .await;
    let (exit, report) = logged.verify(&[]);
    assert!(
        exit == 5
            && first_problem(&report)
                == (9, "has a signature, but the record is missing".to_owned()),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_was_changed_by_hand_is_found() {
    let logged = Logged::new().await;
    let path = logged.export("audit.jsonl");
    let whole = std::fs::read_to_string(&path).expect("an export");
    let lines: Vec<&str> = whole.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let swapped = {
        let mut l = lines.clone();
        l.swap(5, 6);
        joined(&l)
    };
    let doubled = {
        let mut l = lines.clone();
        l.insert(5, lines[4]);
        joined(&l)
    };
    let without_signature = {
        let at = lines[7].find(",\"key_arn\"").expect("a signature");
        let cut = format!("{}}}", &lines[7][..at]);
        let mut l = lines.clone();
        l[7] = &cut;
        joined(&l)
    };
    let more = {
        let line = lines[3].replacen('{', "{\"note\":1,", 1);
        let mut l = lines.clone();
        l[3] = &line;
        joined(&l)
    };
    for (what, content, seq, problem) in [
        ("swapped", swapped, 6, "follows record 7"),
        ("doubled", doubled, 5, "follows record 5"),
        ("without a signature", without_signature, 8, "has no signature"),
        ("another field", more, 4, "no record"),
        ("a cut line", whole[..whole.len() - 30].to_owned(), 13, "line 13 of the export"),
        ("another reason", whole.replacen("a test", "b test", 1), 5, "was changed"),
        ("twice", whole.repeat(2), 1, "follows record 13"),
        ("not ours", "hello\n".to_owned(), 1, "line 1 of the export"),
        ("empty", String::new(), 0, "signed nothing"),
        ("one long line", "x".repeat(3_000_000), 1, "line 1 of the export"),
        (
            "the largest number",
            lines[0].replacen("\"seq\":1", "\"seq\":9223372036854775807", 1) + "\n" + lines[1],
            2,
            "follows record 9223372036854775807",
        ),
    ] {
        std::fs::write(&path, content).expect("written");
        let (exit, report) = logged.verify_file(&path, &[]);
        assert_eq!(exit, 5, "{what}: {report}");
        let (first, said) = first_problem(&report);
        assert!(first == seq && said.contains(problem), "{what}: {report}");
    }
    std::fs::write(&path, whole).expect("written");
    let other_key = logged.folder.path().join("other.pem");
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    std::fs::write(&other_key, key.public_key_pem()).expect("written");
    let logged = Logged { public_key: other_key.clone(), ..logged };
    let (exit, report) = logged.verify_file(&path, &[]);
    assert!(exit == 5 && first_problem(&report).0 == 1, "{report}");
    std::fs::write(&other_key, "no key").expect("written");
    let (public, file) = (other_key.to_str().expect("UTF-8"), path.to_str().expect("UTF-8"));
    let output = logged.world.run(&["audit", "verify", "--file", file, "--public-key", public]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_filtered_by_who_when_kind_ticket_and_hash() {
    let logged = Logged::new().await;
    let (world, auditor) = (&logged.world, &logged.auditor);
    let seqs = |flags: &[&str]| {
        let output =
            world.run_as(auditor, &[&["audit", "list", "--format", "json"], flags].concat());
        json_lines(&output).iter().map(|r| r["seq"].as_i64().expect("a number")).collect::<Vec<_>>()
    };
    let hash: String =
        world.database.query("select ip_hash::text from user_logins where user_id = 'u-1'").await
            [0]
        .get(0);
    let analyst: String =
        world.database.query("select db_user from audit.log where seq = 13").await[0].get(0);
    assert_eq!(seqs(&["--kind", "key"]), [1, 2, 3]);
    assert_eq!(seqs(&["--kind", "unmask.request"]), [5, 9]);
    assert_eq!(seqs(&["--user", &analyst]), [13]);
    assert_eq!(seqs(&["--ticket", "SEC-1"]), [5, 9, 13]);
    assert_eq!(seqs(&["--hash", &hash.replace('-', "")]), [5, 8, 9, 12, 13]);
    assert_eq!(seqs(&["--limit", "2"]), [12, 13], "the newest");
    assert_eq!(seqs(&["--until", "2020-01-01"]), Vec::<i64>::new());
    assert_eq!(seqs(&["--since", "2020-01-01", "--kind", "load"]), [4]);
    assert_eq!(
        world.run_as(auditor, &["audit", "list", "--ticket", "none"]).status.code(),
        Some(1)
    );
    assert_eq!(world.run_as(auditor, &["audit", "list", "--hash", "x"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn loads_and_the_quarantine_leave_their_records() {
    let world = World::new().await;
    world.queue.send(&[event(1), "nonsense".to_owned(), r#"{"foo": 1}"#.to_owned()]).await;
    world.drain(0);
    let loader = world.database.login("loginetl_loader").await;
    let record = async |kind: &str| {
        let rows = world
            .database
            .query(&format!(
                "select record, db_user from audit.log where kind = '{kind}' order by seq"
            ))
            .await;
        rows.iter()
            .map(|row| serde_json::from_str::<Value>(row.get(0)).expect("JSON"))
            .collect::<Vec<_>>()
    };
    let runs = record("load.run").await;
    assert_eq!(
        (runs[0]["loaded"].as_i64(), runs[0]["quarantined"].as_i64(), runs[0]["end"].as_str()),
        (Some(1), Some(2), Some("done"))
    );
    assert_eq!(runs[0]["from"]["queue"], world.queue.url);
    world
        .database
        .execute("alter table user_logins add constraint no check (user_id <> 'u-2')")
        .await;
    world.load(&[event(2)]);
    world.database.execute("alter table user_logins drop constraint no").await;
    assert_eq!(world.run_as(&loader, &["quarantine", "retry"]).status.code(), Some(1));
    let retried = record("quarantine.retry").await;
    assert_eq!(
        (retried.len(), retried[0]["count"].as_i64(), &retried[0]["messages"]),
        (1, Some(1), &serde_json::json!(["3"]))
    );
    assert_eq!(
        world.run_as(&loader, &["quarantine", "purge", "--all", "--yes"]).status.code(),
        Some(0)
    );
    let purged = record("quarantine.purge").await;
    assert_eq!(
        (purged[0]["count"].as_i64(), purged[0]["messages"].as_array().map(Vec::len)),
        (Some(2), Some(2))
    );
    assert_eq!(record("load.run").await.len(), 2);
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0));
}

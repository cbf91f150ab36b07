//! Messages that are delayed, values in spreadsheets, a dry run whose queue falters, and
//! KMS keys of the wrong kind.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_kms::types::{KeySpec, KeyUsageType};

use crate::instrument::Operation::ChangeMessageVisibilityBatch;
use crate::instrumented::Instrumented;
use crate::support::{Action, Login, Proxy, World, event, json_lines, summary, text};

const WHY: [&str; 2] = ["--reason", "fraud case 4711"];

/// What the command prints, which must end with 0.
fn stdout(world: &World, args: &[&str]) -> String {
    let output = world.run(args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn delayed_messages_are_counted_by_status_check_and_the_summary_of_drain() {
    let world = World::new().await;
    world.queue.redrive_after(10).await;
    world.queue.delay(600).await;
    world.queue.send(&[event(1), event(2), event(3)]).await;
    let status = stdout(&world, &["status"]);
    assert!(status.contains("queue           0 visible, 0 in flight, 3 delayed"), "{status}");
    let status = summary(&world.run(&["status", "--format", "json"]));
    assert_eq!(status["queue"], serde_json::json!({"visible": 0, "in_flight": 0, "delayed": 3}));
    let check = stdout(&world, &["check"]);
    assert!(check.contains("reached: 0 visible, 0 in flight, 3 delayed"), "{check}");
    let drained = world.drain(0);
    assert_eq!((&drained["received"], &drained["delayed"]), (&0.into(), &3.into()), "{drained}");
    let told = stdout(&world, &["load", "--drain"]);
    assert!(told.contains("3 messages are delayed"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_message_is_loaded_when_it_is_due_and_is_no_longer_counted() {
    let world = World::new().await;
    world.queue.delay(6).await;
    world.queue.send(&[event(1)]).await;
    world.queue.delay(0).await;
    world.queue.send(&[event(2)]).await;
    let first = world.drain(0);
    assert_eq!((&first["loaded"], &first["delayed"]), (&1.into(), &1.into()), "{first}");
    tokio::time::sleep(Duration::from_secs(6)).await;
    let second = world.drain(0);
    assert_eq!((&second["loaded"], &second["delayed"]), (&1.into(), &0.into()), "{second}");
    let told = stdout(&world, &["load", "--drain"]);
    assert!(!told.contains("delayed"), "nothing is said of none: {told}");
}

/// Who may look, and the hashes of device ids that somebody chose.
async fn chosen(devices: &[&str]) -> (World, Login, Vec<String>) {
    let world = World::new().await;
    let with = |(n, device): (usize, &&str)| {
        let device = serde_json::to_string(device).expect("a string");
        event(n as u32).replace(&format!("\"device-{n}\""), &device)
    };
    world.load(&devices.iter().enumerate().map(with).collect::<Vec<_>>());
    let login = world.database.login("loginetl_unmasker").await;
    let rows =
        world.database.query("select device_id_hash::text from user_logins order by user_id");
    let hashes = rows.await.iter().map(|row| row.get(0)).collect();
    (world, login, hashes)
}

/// The column `value` of the CSV, read back.
fn values(output: &Output) -> Vec<String> {
    assert_eq!(output.status.code(), Some(0), "{}", text(output));
    let mut reader = csv::Reader::from_reader(&output.stdout[..]);
    let rows = reader.records().map(|row| row.expect("CSV")[2].to_owned());
    rows.collect()
}

fn unmask(world: &World, login: &Login, hashes: &[String], flags: &[&str]) -> Output {
    let hashes: Vec<&str> = hashes.iter().map(String::as_str).collect();
    let args = [&["unmask", "--device-id-hash"], &hashes[..], &WHY, &["--format", "csv"], flags];
    world.run_as(login, &args.concat())
}

const FORMULAS: [&str; 7] =
    ["=HYPERLINK(\"http://x\",\"y\")", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "593-47-5928"];

#[tokio::test(flavor = "multi_thread")]
async fn csv_for_spreadsheets_holds_no_formula_and_else_the_value() {
    let (world, login, hashes) = chosen(&FORMULAS).await;
    let safe = values(&unmask(&world, &login, &hashes, &["--csv-safe"]));
    let expected = [
        "'=HYPERLINK(\"http://x\",\"y\")",
        "'+1",
        "'-1",
        "'@SUM(A1)",
        "'\t'=1",
        "'\r'=1",
        "593-47-5928",
    ];
    assert_eq!(safe, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_for_programs_keeps_every_byte() {
    let (world, login, hashes) = chosen(&FORMULAS).await;
    assert_eq!(values(&unmask(&world, &login, &hashes, &[])), FORMULAS);
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_safe_without_csv_is_refused_before_anything_is_recorded() {
    let (world, login, hashes) = chosen(&["=1"]).await;
    let before = world.database.count("select from audit.log").await;
    for format in [&["--format", "json"][..], &["--format", "table"], &[]] {
        let args = [&["unmask", "--device-id-hash", &hashes[0], "--csv-safe"][..], &WHY, format];
        let output = world.run_as(&login, &args.concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("--format csv") && output.stdout.is_empty());
    }
    assert_eq!(world.database.count("select from audit.log").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_gives_back_what_the_queue_takes_back_only_in_part() {
    let it = Instrumented::new().await;
    it.sqs.faults(|f| {
        f.operations = vec![ChangeMessageVisibilityBatch];
        f.partial = 0.3;
    });
    it.fill(100);
    let output =
        it.command(&["load", "--dry-run", "--max-messages", "100"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let stats = it.queue.stats();
    assert_eq!((stats.visible, stats.in_flight), (100, 0), "{stats:?}");
    assert_eq!(it.rows().await, 0);
}

/// A queue that refuses so many changes of visibility and takes the next.
async fn refusing(times: usize) -> World {
    let calls = Arc::new(AtomicUsize::new(0));
    let proxy = Proxy::start(move |target| {
        let is_change = target == "AmazonSQS.ChangeMessageVisibilityBatch";
        if is_change && calls.fetch_add(1, Ordering::SeqCst) < times {
            Action::Answer(400, r#"{"__type": "AccessDeniedException", "message": "s3cret"}"#)
        } else {
            Action::Forward
        }
    });
    let world = World::new().await.through(&proxy);
    world.queue.send(&[event(1), event(2), event(3)]).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_asks_again_when_the_queue_does_not_take_messages_back() {
    let world = refusing(5).await;
    let output = world.run(&["load", "--dry-run", "--format", "json"]);
    assert_eq!(
        (output.status.code(), json_lines(&output).len()),
        (Some(0), 3),
        "{}",
        text(&output)
    );
    assert_eq!(world.queue.depth().await, (3, 0), "all were given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_that_cannot_give_back_shows_its_rows_and_says_so() {
    let world = refusing(usize::MAX).await;
    let output = world.run(&["load", "--dry-run", "--format", "json"]);
    assert_eq!(
        (output.status.code(), json_lines(&output).len()),
        (Some(3), 3),
        "{}",
        text(&output)
    );
    assert!(text(&output).contains("ChangeMessageVisibilityBatch"), "{}", text(&output));
    assert!(text(&output).contains("come back by their timeout"), "{}", text(&output));
    assert_eq!(world.queue.depth().await, (0, 3));
}

async fn kms_key(spec: KeySpec, usage: KeyUsageType) -> String {
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let request = aws_sdk_kms::Client::new(&config).create_key().key_spec(spec).key_usage(usage);
    let created = request.send().await.expect("a key");
    created.key_metadata.expect("its description").key_id
}

/// Keys that people have taken for the audit key.
async fn keys_that_sign_otherwise() -> Vec<String> {
    vec![
        kms_key(KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt).await,
        kms_key(KeySpec::Hmac256, KeyUsageType::GenerateVerifyMac).await,
        kms_key(KeySpec::Rsa2048, KeyUsageType::SignVerify).await,
        kms_key(KeySpec::EccNistP384, KeyUsageType::SignVerify).await,
        kms_key(KeySpec::EccSecgP256K1, KeyUsageType::SignVerify).await,
        kms_key(KeySpec::EccNistP256, KeyUsageType::KeyAgreement).await,
    ]
}

/// It ends with 2 and says what the audit key must be and where its name stands.
fn names_the_audit_key(output: &Output, what: &str) {
    let told = text(output);
    assert_eq!(output.status.code(), Some(2), "{what}: {told}");
    for words in ["the wrong kind", "ECC_NIST_P256", "LOGINETL_AUDIT_KEY"] {
        assert!(told.contains(words), "{what}: no {words:?} in {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_key_of_the_wrong_kind_is_named_before_anything_is_begun() {
    let (bare, world) = (World::bare().await, World::new().await);
    world.load(&[event(1)]);
    let hash =
        world.database.query("select ip_hash::text from user_logins").await[0].get::<_, String>(0);
    let [unmasker, rotator, auditor] =
        ["unmasker", "rotator", "auditor"].map(|group| format!("loginetl_{group}"));
    let unmasker = world.database.login(&unmasker).await;
    let (rotator, auditor) =
        (world.database.login(&rotator).await, world.database.login(&auditor).await);
    let before = world.database.count("select from audit.log").await;
    for key in keys_that_sign_otherwise().await {
        let run = |world: &World, login: Option<&Login>, args: &[&str]| {
            let url = login.map_or(&world.database.url, |login| &login.url);
            let mut command = world.command(args);
            let command = command.env("LOGINETL_AUDIT_KEY", &key).env("LOGINETL_DATABASE_URL", url);
            command.output().expect("it runs")
        };
        names_the_audit_key(&run(&bare, None, &["init"]), "init");
        names_the_audit_key(&run(&world, Some(&rotator), &["rotate-keys"]), "rotate-keys");
        let asked = [&["unmask", "--ip-hash", &hash][..], &WHY].concat();
        names_the_audit_key(&run(&world, Some(&unmasker), &asked), "unmask");
        names_the_audit_key(&run(&world, Some(&unmasker), &["check"]), "check of what signs");
        names_the_audit_key(&run(&world, Some(&auditor), &["check"]), "check of what verifies");
        names_the_audit_key(&run(&world, Some(&auditor), &["audit", "verify"]), "audit verify");
    }
    assert_eq!(world.database.count("select from audit.log").await, before, "nothing was begun");
    assert_eq!(bare.database.count("select from vault.data_keys").await, 0, "no key was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_signs_in_place_of_one_that_encrypts_is_named_too() {
    let signs = kms_key(KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    for variable in ["LOGINETL_INGEST_KEY", "LOGINETL_RECOVERY_KEY"] {
        let bare = World::bare().await;
        let output = bare.command(&["init"]).env(variable, &signs).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(
            text(&output).contains("SYMMETRIC_DEFAULT") && text(&output).contains(variable),
            "{}",
            text(&output)
        );
    }
    let world = World::new().await;
    let unmasker = world.database.login("loginetl_unmasker").await;
    let mut check = world.command(&["check"]);
    check.env("LOGINETL_RECOVERY_KEY", &signs).env("LOGINETL_DATABASE_URL", &unmasker.url);
    let output = check.output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        text(&output).contains("SIGN_VERIFY") && text(&output).contains("SYMMETRIC_DEFAULT"),
        "{}",
        text(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_kms_for_a_wrong_kind_are_understood() {
    for code in ["InvalidKeyUsageException", "UnsupportedOperationException"] {
        let answer: &'static str =
            Box::leak(format!(r#"{{"__type": "{code}", "message": "s3cret"}}"#).into_boxed_str());
        for target in ["TrentService.Sign", "TrentService.GetPublicKey"] {
            let proxy = Proxy::start(move |called| {
                if called == target { Action::Answer(400, answer) } else { Action::Forward }
            });
            let output = World::bare().await.through(&proxy).run(&["init"]);
            names_the_audit_key(&output, code);
            assert!(
                text(&output).contains(code) && !text(&output).contains("s3cret"),
                "{}",
                text(&output)
            );
        }
    }
}

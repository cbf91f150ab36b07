//! Messages as other services hand them on: opened, or rejected for a reason of
//! their own; a queue of nothing else is left alone; names that are almost those
//! of fields are told.

use std::process::Output;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::instrument::{Envelope, Messages};
use crate::instrumented::Instrumented;
use crate::support::{World, event, eventually, summary, text};

const S3: &str = concat!(
    r#"{"Records":[{"eventSource":"aws:s3","#,
    r#""s3":{"bucket":{"name":"canary"},"object":{"key":"canary"}}}]}"#
);

fn sns(event: &str) -> String {
    let time = "2024-02-29T23:59:59.999Z";
    json!({ "Type": "Notification", "MessageId": "a", "Message": event, "Timestamp": time })
        .to_string()
}

fn eventbridge(event: &str) -> String {
    format!(
        "{{\"version\":\"0\",\"detail-type\":\"login\",\"source\":\"app\",\
         \"time\":\"2023-11-14T22:13:20Z\",\"detail\":{event}}}"
    )
}

/// Runs a load of an instrumented queue to its end; its log is read.
fn drain(it: &Instrumented, flags: &[&str]) -> Output {
    it.command(&[&["load", "--drain", "--format", "json"], flags].concat())
        .output()
        .expect("it runs")
}

async fn reasons(world: &World) -> Vec<String> {
    let rows = world.database.query("select reason from ingest.quarantine order by id").await;
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_in_an_envelope_is_loaded_with_the_day_of_its_envelope() {
    let world = World::new().await;
    let dated = event(4).replace("\"locale\"", "\"create_date\": \"2020-05-05\", \"locale\"");
    let bodies = [
        event(1),
        sns(&event(2)),
        eventbridge(&event(3)),
        sns(&dated),
        sns(&eventbridge(&event(5))),
    ];
    world.queue.send(&bodies).await;
    let report = world.drain(0);
    assert_eq!((&report["loaded"], &report["quarantined"]), (&5.into(), &0.into()), "{report}");
    for (user, day) in
        [("u-2", "2024-02-29"), ("u-3", "2023-11-14"), ("u-4", "2020-05-05"), ("u-5", "2023-11-14")]
    {
        let row =
            format!("select from user_logins where user_id = '{user}' and create_date = '{day}'");
        assert_eq!(world.database.count(&row).await, 1, "{user}");
    }
    let today = "select from user_logins where user_id = 'u-1' \
                   and create_date = (now() at time zone 'utc')::date";
    assert_eq!(world.database.count(today).await, 1);
    world.load(&bodies);
    assert_eq!(
        world.database.count("select distinct user_id, masked_ip, ip_hash from user_logins").await,
        5,
        "as from a file"
    );
    assert_eq!(world.database.count("select from user_logins").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_quarantined_in_its_envelope_loads_by_a_retry() {
    let world = World::new().await;
    world.queue.send(&[sns(&event(1)), eventbridge(&event(2)), sns("hello")]).await;
    let output = world.run(&["load", "--drain", "--envelope", "none"]);
    assert!(output.status.success(), "{}", text(&output));
    let found = reasons(&world).await;
    assert_eq!(found.iter().filter(|reason| *reason == "sns_notification").count(), 2, "{found:?}");
    assert!(found.contains(&"eventbridge_event".to_owned()), "{found:?}");
    // As earlier versions wrote them.
    world
        .database
        .execute(
            "update ingest.quarantine set reason = 'missing_field', field = 'user_id', \
               length = null",
        )
        .await;
    let retry = |flags: &[&str]| {
        let output = world.run(&[&["quarantine", "retry", "--format", "json"], flags].concat());
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        summary(&output)["loaded"].clone()
    };
    assert_eq!(retry(&["--envelope", "none"]), 0);
    assert_eq!(retry(&["--envelope", "eventbridge"]), 1);
    assert_eq!(retry(&["--reason", "missing_field"]), 1);
    assert_eq!(
        world
            .database
            .count("select from user_logins where create_date = '2024-02-29' and user_id = 'u-1'")
            .await,
        1
    );
    assert_eq!(
        world
            .database
            .count("select from user_logins where create_date = '2023-11-14' and user_id = 'u-2'")
            .await,
        1
    );
    assert_eq!(world.database.count("select from ingest.quarantine").await, 1, "hello stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_foreign_message_has_a_reason_of_its_own() {
    let world = World::new().await;
    let cases = [
        (S3.to_owned(), "s3_notification"),
        (sns(S3), "s3_notification"),
        (
            r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#.to_owned(),
            "s3_test_event",
        ),
        (
            r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3Key":"k"}]"#.to_owned(),
            "extended_client_pointer",
        ),
        (
            r#"{"Type":"SubscriptionConfirmation","Message":"m","Token":"t"}"#.to_owned(),
            "sns_confirmation",
        ),
        (format!("[{}, {}]", event(1), event(2)), "wrapped_in_array"),
        (format!("{}\n{}", event(1), event(2)), "several_objects"),
        ("H4sIAAAAAAAC/6uuBQBDv6ajAgAAAA==".to_owned(), "compressed"),
    ];
    for (body, _) in &cases {
        world.queue.send(std::slice::from_ref(body)).await;
    }
    assert_eq!(world.drain(0)["quarantined"], cases.len());
    let (mut found, mut own) =
        (reasons(&world).await, cases.map(|(_, reason)| reason.to_owned()).to_vec());
    found.sort();
    own.sort();
    assert_eq!(found, own);
    let output =
        world.run(&["quarantine", "list", "--reason", "several_objects", "--format", "json"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_begins_with_200_rejections_for_one_reason_is_left_as_it_is() {
    for (body, looks_like, flags) in [
        (S3.to_owned(), "a notification of S3", &["--batch-rows", "20"][..]),
        (sns(&event(7)), "an SNS notification", &["--envelope", "none", "--receivers", "3"]),
        (r#"{"canary": "canary"}"#.to_owned(), "without a field", &[]),
    ] {
        let it = Instrumented::new().await;
        it.queue.send(&vec![body; 450]);
        let output = drain(&it, flags);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        let told = text(&output);
        for word in
            [looks_like, "200 messages", "given back", "each restart costs each of them a receive"]
        {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert!(!told.contains("canary") && !told.contains("u-7"), "no value is told: {told}");
        let report = summary(&output);
        assert_eq!(
            (&report["quarantined"], &report["deleted"], &report["loaded"]),
            (&0.into(), &0.into(), &0.into()),
            "{report}"
        );
        assert_eq!(report["given_back"], report["received"], "{report}");
        assert_eq!((it.quarantined().await, it.ledger().await.len()), (0, 0));
        let stats = it.queue.stats();
        assert_eq!(
            (stats.visible, stats.in_flight, stats.dead_lettered, stats.distinct_deleted),
            (450, 0, 0, 0),
            "{stats:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_back_from_the_beginning_is_loaded_by_the_next_run() {
    let it = Instrumented::new().await;
    it.queue.fill(&Messages { envelope: Some(Envelope::Sns), ..Messages::new(300) });
    assert_eq!(drain(&it, &["--envelope", "none"]).status.code(), Some(1));
    let output = drain(&it, &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(summary(&output)["loaded"], 300);
    assert_eq!(it.rows().await, 300);
    assert_eq!(it.queue.stats().distinct_deleted, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_rejections_others_among_them_or_a_flag_and_they_are_quarantined_as_ever() {
    let many = |count: usize| vec![S3.to_owned(); count];
    let among = |other: String| [many(150), vec![other], many(100)].concat();
    for (bodies, rejected, flags) in [
        (many(199), 199, &["--batch-rows", "20"][..]),
        (among(event(1)), 250, &["--receivers", "1"]),
        (among("hello".to_owned()), 251, &["--receivers", "1"]),
        (many(450), 450, &["--quarantine-from-start"]),
        (many(450), 150, &["--max-messages", "150"]),
    ] {
        let it = Instrumented::new().await;
        it.queue.send(&bodies);
        let output = drain(&it, flags);
        assert!(output.status.success(), "{flags:?}: {}", text(&output));
        assert_eq!(it.quarantined().await, rejected, "{flags:?}");
        let stats = it.queue.stats();
        let done = rejected as u64 + u64::try_from(it.rows().await).expect("a count");
        assert_eq!((stats.in_flight, stats.distinct_deleted), (0, done), "{stats:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_rejections_do_not_wait_for_more_and_a_later_row_of_them_stops_nothing() {
    let it = Instrumented::new().await;
    it.queue.send(&vec![S3.to_owned(); 5]);
    let loader = it.load(&[]);
    eventually("they are quarantined", async || it.quarantined().await == 5).await;
    it.queue.send(&vec![S3.to_owned(); 300]);
    eventually("these too", async || it.quarantined().await == 305).await;
    it.wait_until_deleted().await;
    let output = it.stop_idle([loader]).await;
    assert!(output[0].status.success(), "{}", text(&output[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_before_the_beginning_is_decided_loses_nothing() {
    let it = Instrumented::new().await;
    it.queue.send(&vec![S3.to_owned(); 50]);
    let loader = it.load(&[]);
    eventually("they are in hand", async || it.queue.stats().in_flight == 50).await;
    let stopping = tokio::task::spawn_blocking(|| loader.signal(Signal::SIGTERM));
    tokio::time::sleep(Duration::from_millis(200)).await;
    it.queue.skip(Duration::from_secs(20));
    let output = stopping.await.expect("it ends");
    assert!(output.status.success(), "{}", text(&output));
    let stats = it.queue.stats();
    assert_eq!((stats.in_flight, stats.visible + stats.distinct_deleted), (0, 50), "{stats:?}");
    assert_eq!(it.quarantined().await as u64, stats.distinct_deleted);
}

/// Two events whose names are almost right, and one that is rejected for it.
fn misspelt() -> Vec<String> {
    let almost = |n| {
        event(n)
            .replace("\"locale\": null", "\"Locale\": \"canary-fr\"")
            .replace("device_type", "devide_type")
    };
    vec![almost(1), almost(2), event(3).replace("\"ip\"", "\"IP\""), event(4)]
}

fn near_name(name: &str, almost: &str, count: u64) -> Value {
    json!({ "name": name, "almost": almost, "count": count })
}

fn assert_told(output: &Output) {
    let told = summary(output)["near_names"].clone();
    let names = vec![
        near_name("devide_type", "device_type", 2),
        near_name("IP", "ip", 1),
        near_name("Locale", "locale", 2),
    ];
    assert_eq!(told, Value::from(names), "{}", text(output));
    let log = String::from_utf8_lossy(&output.stderr);
    for name in ["devide_type", "IP", "Locale"] {
        assert_eq!(
            log.lines().filter(|line| line.contains(&format!("name={name} "))).count(),
            1,
            "{name} once in {log}"
        );
    }
    assert!(!text(output).contains("canary"), "{}", text(output));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_almost_those_of_fields_are_counted_and_told_once() {
    let world = World::new().await;
    world.queue.send(&misspelt()).await;
    assert_told(&world.run(&["load", "--drain", "--format", "json"]));
    let lines = misspelt().join("\n");
    assert_told(
        &world.run_with_input(&["load", "--file", "-", "--format", "json"], lines.as_bytes()),
    );
    let table = world.run_with_input(&["load", "--file", "-"], format!("{lines}\n\n").as_bytes());
    assert!(
        text(&table).contains(r#""Locale" stood in 2 events without "locale""#),
        "{}",
        text(&table)
    );
    let plain =
        world.run_with_input(&["load", "--file", "-", "--format", "json"], event(9).as_bytes());
    assert_eq!(summary(&plain)["near_names"], Value::Null, "only if there are some");
}

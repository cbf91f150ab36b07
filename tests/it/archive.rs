//! `load --file --with-ids`: an archive of queue messages is replayed, and whatever is
//! there already counts once.

use std::collections::HashSet;
use std::io::Write as _;
use std::process::Output;

use jiff::{Timestamp, ToSpan as _};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Running, World, event, eventually, sample, summary, text};

/// Rows, ledger and quarantine, but for what a second delivery may change.
const ALL: &str = "select coalesce(string_agg(line, ',' order by line), '') from (
    select u::text as line from user_logins u union all
    select l::text from ingest.ledger l union all
    select message_id || source || sent_at || coalesce(row_day::text, '') || reason
      from ingest.quarantine) as lines";

async fn all(world: &World) -> String {
    world.database.query(ALL).await[0].get(0)
}

async fn rows(world: &World) -> i64 {
    world.database.count("select from user_logins").await
}

/// A line with an id of its own.
fn line(n: u32, sent: &str) -> String {
    let id = Uuid::from_u128(0x0193_b1c2_0000_4000_8000_0000_0000_0000 + u128::from(n));
    json!({"message_id": id.to_string(), "sent_at": sent, "body": event(n)}).to_string()
}

fn ago(hours: i64) -> String {
    Timestamp::now().checked_sub(hours.hours()).expect("a time").to_string()
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

fn run(world: &World, file: &tempfile::NamedTempFile, flags: &[&str]) -> Output {
    let path = file.path().to_str().expect("UTF-8");
    world.run(&[&["load", "--with-ids", "--format", "json", "--file", path], flags].concat())
}

fn replay(world: &World, lines: &[String]) -> Value {
    let output = run(world, &file(lines.join("\n").as_bytes()), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    summary(&output)
}

fn counts(summary: &Value) -> [u64; 4] {
    ["received", "loaded", "duplicates", "quarantined"]
        .map(|name| summary[name].as_u64().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_queue_has_delivered_is_recognised() {
    let world = World::new().await;
    world.queue.send(&sample()).await;
    let archive = world.queue.archive().await;
    assert_eq!(archive.len(), 120);
    assert_eq!(world.drain(0)["loaded"], 119);
    let before = all(&world).await;
    let replayed = replay(&world, &archive);
    assert_eq!(counts(&replayed), [120, 0, 120, 0], "{replayed}");
    assert_eq!((&replayed["deleted"], &replayed["given_back"]), (&json!(0), &json!(0)));
    // Packed, on standard input, each line twice, in another order: the same messages.
    let twice = [archive.clone(), archive.clone()].concat();
    assert_eq!(counts(&replay(&world, &twice)), [240, 0, 240, 0]);
    let plain = archive.iter().rev().cloned().collect::<Vec<_>>().join("\r\n");
    let zstd = zstd::encode_all(plain.as_bytes(), 3).expect("packed");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain.as_bytes()).expect("packed");
    let gzip = gzip.finish().expect("packed");
    for bytes in [plain.as_bytes(), &zstd, &gzip] {
        let output = run(&world, &file(bytes), &[]);
        assert_eq!(counts(&summary(&output)), [120, 0, 120, 0], "{}", text(&output));
        let args = ["load", "--with-ids", "--format", "json", "--file", "-"];
        let output = world.run_with_input(&args, bytes);
        assert_eq!(counts(&summary(&output)), [120, 0, 120, 0], "{}", text(&output));
    }
    assert_eq!(all(&world).await, before);
    let output = world.run(&["load", "--with-ids", "--file", "/dev/null"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_exactly_what_is_missing_is_loaded() {
    let world = World::new().await;
    world.queue.send(&sample()).await;
    let archive = world.queue.archive().await;
    world.drain(0);
    let before = all(&world).await;
    // As a restore to a point in time before: rows and ledger of the same messages go.
    let ids: Vec<String> = archive
        .iter()
        .step_by(3)
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["message_id"].to_string())
        .collect();
    let ids = ids.join(",").replace('"', "'");
    let lost = format!(
        "create table kept as select * from user_logins; truncate user_logins;
         delete from ingest.ledger where message_id in ({ids});
         delete from ingest.quarantine where message_id in ({ids})"
    );
    world.database.execute(&lost).await;
    let first = replay(&world, &archive);
    assert_eq!(counts(&first)[2], 80, "{first}");
    assert_eq!(counts(&first)[1] + counts(&first)[3], 40, "{first}");
    // The rows of the others had stayed in the restored table.
    let others = "insert into user_logins (user_id, device_type, masked_ip, masked_device_id, \
                  locale, app_version, create_date, ip_hash, device_id_hash) \
                  select user_id, device_type, masked_ip, masked_device_id, locale, app_version, \
                  create_date, ip_hash, device_id_hash from (select * from kept except all \
                  select * from user_logins) as others";
    world.database.execute(others).await;
    assert_eq!(all(&world).await, before);
    assert_eq!(counts(&replay(&world, &archive)), [120, 0, 120, 0]);
    assert_eq!(all(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_no_such_message_is_named_and_nothing_is_written() {
    let world = World::new().await;
    let good: Vec<String> = (0..300).map(|n| line(n, &ago(1))).collect();
    let bad = line(900, &ago(1));
    let id = serde_json::from_str::<Value>(&bad).expect("JSON")["message_id"].to_string();
    for (wrong, words) in [
        (event(1), "it has no message_id"),
        ("7".to_owned(), "it is no JSON object"),
        (bad.replace(&id, "\"msg-1\""), "its message_id is no UUID"),
        (bad.replacen('{', &format!("{{\"message_id\": {id}, "), 1), "it has message_id twice"),
        (line(900, "soon"), "its sent_at is neither"),
        (line(900, &ago(-2)), "its sent_at lies in the future"),
        (line(900, &ago(24 * 18)), "and the oldest day that the ledger keeps is"),
        (bad.replace("\"body\":\"", "\"body\":[\"").replacen("\\\"}\"", "\\\"}\"]", 1), "no text"),
    ] {
        let lines = [&good[..250], std::slice::from_ref(&wrong), &good[250..]].concat();
        let output = run(&world, &file(lines.join("\n").as_bytes()), &[]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(": line 251: ") && said.contains(words), "{words}: {said}");
        assert!(!said.contains("10.0."), "{said}");
        assert_eq!(all(&world).await, "", "{said}");
    }
    // Of a stream nobody can look at the end before the beginning: what came before
    // stays, all of it, and is recognised.
    let lines = [&good[..250], &["{}".to_owned()], &good[250..]].concat();
    for (named, shown) in [("-", "standard input"), ("/dev/stdin", "/dev/stdin")] {
        let args = ["load", "--with-ids", "--format", "json", "--file", named];
        let output = world.run_with_input(&args, lines.join("\n").as_bytes());
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("{shown}: line 251: ")), "{said}");
        assert!(said.contains("what was loaded before it stays and is recognised"), "{said}");
        assert_eq!(rows(&world).await, 250, "{said}");
    }
    assert_eq!(counts(&replay(&world, &good)), [300, 50, 250, 0]);
    assert_eq!(rows(&world).await, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_days_that_the_ledger_keeps_are_replayed() {
    let world = World::new().await;
    let noon = |days: i64| {
        let today = Timestamp::now().to_string();
        let noon: Timestamp = format!("{}T12:00:00Z", &today[..10]).parse().expect("a time");
        noon.checked_sub((24 * days).hours()).expect("a time").to_string()
    };
    let old = [line(1, &noon(16)), line(2, &noon(5)), line(3, &noon(1))];
    assert_eq!(counts(&replay(&world, &old)), [3, 3, 0, 0]);
    assert_eq!(counts(&replay(&world, &old)), [3, 0, 3, 0]);
    let output =
        run(&world, &file([line(4, &noon(2)), line(5, &noon(17))].join("\n").as_bytes()), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    for word in ["line 2: it was sent on ", &noon(17)[..10], &noon(16)[..10]] {
        assert!(text(&output).contains(word), "{word}: {}", text(&output));
    }
    assert_eq!(rows(&world).await, 3);
    // A time that is not the queue's: the message is known under another day.
    for days in [1, 4, 6, 9, 16] {
        let output = run(&world, &file(line(2, &noon(days)).as_bytes()), &[]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        let words = format!("under another day, {}", &noon(5)[..10]);
        assert!(text(&output).contains(&words), "{}", text(&output));
    }
    let ledger = "update ingest.ledger set sent_day = '1970-01-01' where message_id::text ~ '2$'";
    world.database.execute(ledger).await;
    let output = run(&world, &file(line(2, &noon(5)).as_bytes()), &[]);
    assert!(text(&output).contains("under another day, 1970-01-01"), "{}", text(&output));
    assert_eq!(rows(&world).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_midst_and_run_again_each_is_there_once() {
    let world = World::new().await;
    let lines: Vec<String> = (0..30_000).map(|n| line(n, &ago(3))).collect();
    let archive = file(lines.join("\n").as_bytes());
    let path = archive.path().to_str().expect("UTF-8");
    let args = ["load", "--with-ids", "--format", "json", "--file", path];
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let before = rows(&world).await;
        let running = world.spawn(&args);
        eventually("it writes", async || rows(&world).await > before).await;
        let output = running.signal(signal);
        if signal == Signal::SIGTERM {
            assert_eq!(output.status.code(), Some(4), "{}", text(&output));
        }
        assert!(rows(&world).await < 30_000, "it was stopped in the midst");
    }
    let there = u64::try_from(rows(&world).await).expect("few");
    // Two at once share what is left.
    let outputs = [world.spawn(&args), world.spawn(&args)].map(Running::finish);
    let [one, other] = outputs.map(|output| {
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        counts(&summary(&output))
    });
    assert_eq!(one[1] + other[1], 30_000 - there, "{one:?} {other:?}");
    let users = world.database.query("select user_id from user_logins").await;
    let users: HashSet<String> = users.iter().map(|row| row.get(0)).collect();
    assert_eq!((rows(&world).await, users.len()), (30_000, 30_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_body_goes_where_the_queue_puts_it() {
    let world = World::new().await;
    let mut lines: Vec<String> = (0..20).map(|n| line(n, &ago(1))).collect();
    lines[7] = lines[7].replace("app_version", "app");
    lines[9] = lines[9].replace("device_type", "unknown");
    // A dry run writes nothing.
    let archive = file(lines.join("\n").as_bytes());
    let output = run(&world, &archive, &["--dry-run", "--max-messages", "20"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 20, "{}", text(&output));
    assert_eq!(all(&world).await, "");
    // Escaped, the largest body of SQS makes a line of over 1 MiB.
    let large = json!({"message_id": Uuid::from_u128(9).to_string(), "sent_at": ago(1),
        "body": "\u{1}".repeat(1024 * 1024)});
    lines.push(large.to_string());
    assert_eq!(counts(&replay(&world, &lines)), [21, 19, 0, 2]);
    let quarantined = "select from ingest.quarantine where source = 'queue' and \
                         reason = 'missing_field' and sent_at > now() - interval '2 hours'";
    assert_eq!(world.database.count(quarantined).await, 1);
    assert_eq!(counts(&replay(&world, &lines)), [21, 0, 21, 0]);

    // Another queue's archive: 200 in a row for one reason.
    let foreign: Vec<String> =
        (100..400).map(|n| line(n, &ago(1)).replace("app_version", "app")).collect();
    let foreign = file(foreign.join("\n").as_bytes());
    let output = run(&world, &foreign, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("begins with 200 messages in a row"), "{}", text(&output));
    assert_eq!(world.database.count("select from ingest.quarantine").await, 2);
    let output = run(&world, &foreign, &["--quarantine-from-start"]);
    assert_eq!(counts(&summary(&output)), [300, 0, 0, 300], "{}", text(&output));
    let path = foreign.path().to_str().expect("UTF-8");
    for flags in [
        &["--with-ids", "--drain"][..],
        &["--file", path, "--quarantine-from-start"],
        &["--file", path, "--with-ids", "--max-messages", "3"],
    ] {
        let output = world.run(&[&["load"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", text(&output));
    }
}

/// A run that takes long: its lines were young enough when they were read, and before
/// they are written another loader drops their day. The ledger would not know them again.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_dropped_meanwhile_is_not_replayed() {
    let world = World::new().await;
    let lines: Vec<String> = (0..300).map(|n| line(n, &ago(2)) + "\n").collect();
    let mut command = world.command(&["load", "--with-ids", "--format", "json", "--file", "-"]);
    let mut running = Running::start(command.stdin(std::process::Stdio::piped()));
    let mut input = running.child().stdin.take().expect("a pipe");
    input.write_all(lines.concat().as_bytes()).expect("it reads");
    eventually("all are loaded", async || rows(&world).await == 300).await;
    // Eighteen days pass in this database.
    world
        .database
        .execute(
            "alter function pg_catalog.clock_timestamp() rename to clock_before;
             create function pg_catalog.clock_timestamp() returns timestamptz language sql as
               'select pg_catalog.clock_before() + interval ''18 days''';
             select ingest.drop_old_days();
             alter table ingest.days alter made_at set default clock_timestamp()",
        )
        .await;
    assert_eq!(world.database.count("select from ingest.ledger").await, 0, "they were dropped");
    input.write_all(lines.concat().as_bytes()).expect("it reads");
    drop(input);
    let output = running.finish();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let words = "the ledger does not keep";
    assert!(text(&output).contains(words), "{}", text(&output));
    assert_eq!(rows(&world).await, 300, "nothing counts twice");
}

/// Two days for one message: writers beside each other, of one run or of two, do not see
/// what the other one has not committed yet.
#[tokio::test(flavor = "multi_thread")]
async fn one_message_under_two_days_is_never_counted_twice() {
    let world = World::new().await;
    let [these, those] = [50, 100].map(|hours| {
        let lines: Vec<String> = (0..4_000).map(|n| line(n, &ago(hours))).collect();
        lines
    });
    let pairs = these.chunks(1_000).zip(those.chunks(1_000));
    let mixed: Vec<_> = pairs.flat_map(|(these, those)| [these, those].concat()).collect();
    let twice = async || {
        let twice = "select from (select message_id from ingest.ledger group by 1 \
                       having count(*) > 1) as twice";
        world.database.count(twice).await
    };
    let output = run(&world, &file(mixed.join("\n").as_bytes()), &[]);
    assert_eq!((output.status.code(), twice().await), (Some(2), 0), "{}", text(&output));
    assert!(text(&output).contains("under another day"), "{}", text(&output));
    world.database.execute("truncate ingest.ledger, user_logins").await;
    let archives = [these, those].map(|lines| file(lines.join("\n").as_bytes()));
    let runs = archives.each_ref().map(|archive| {
        let path = archive.path().to_str().expect("UTF-8");
        world.spawn(&["load", "--with-ids", "--file", path])
    });
    let exits = runs.map(|run| run.finish().status.code());
    assert!(exits.contains(&Some(2)), "{exits:?}");
    assert_eq!(twice().await, 0, "{exits:?}");
}

/// Only one archive looks at a time, so that it sees what the others have written.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_waits_for_another_that_looks() {
    let world = World::new().await;
    let lines: Vec<String> = (0..100).map(|n| line(n, &ago(1))).collect();
    let archive = file(lines.join("\n").as_bytes());
    let path = archive.path().to_str().expect("UTF-8");
    let other = world.database.client().await;
    other.batch_execute("select pg_advisory_lock(7813026270484821358)").await.expect("locked");
    let load = world.spawn(&["load", "--with-ids", "--file", path]);
    let waiting = "select from pg_locks where locktype = 'advisory' and not granted and database = \
                     (select oid from pg_database where datname = current_database())";
    eventually("it waits", async || world.database.count(waiting).await == 1).await;
    assert_eq!(rows(&world).await, 0, "nothing is committed before");
    drop(other);
    assert_eq!((load.finish().status.code(), rows(&world).await), (Some(0), 100));
}

/// What was looked at is changed in place before it is loaded.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_changed_meanwhile_is_run_again() {
    let world = World::new().await;
    let lines: Vec<String> = (0..8_000).map(|n| line(n, &ago(1)) + "\n").collect();
    let archive = file(lines.concat().as_bytes());
    let path = archive.path().to_str().expect("UTF-8");
    let last = lines[7_999].as_str();
    for changed in ["x".repeat(last.len()), line(9_999, &ago(1)) + "\n"] {
        // It has looked at all lines, and waits with the first ones in hand.
        let fence = world.database.client().await;
        fence.batch_execute("begin; lock table vault.fence").await.expect("a lock");
        let running = world.spawn(&["load", "--with-ids", "--format", "json", "--file", path]);
        let waiting = "select from pg_locks where not granted and database = \
                         (select oid from pg_database where datname = current_database())";
        eventually("it waits", async || world.database.count(waiting).await > 0).await;
        std::fs::write(path, lines[..7_999].concat() + &changed).expect("written");
        fence.batch_execute("rollback").await.expect("free");
        let output = running.finish();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("its content was changed while it was being loaded"), "{said}");
        assert!(said.contains("run it again: what was loaded stays and is recognised"), "{said}");
        assert!(rows(&world).await >= 7_900, "{said}");
        std::fs::write(path, lines.concat()).expect("written");
    }
    assert_eq!(counts(&replay(&world, &lines))[1..], [1, 7_999, 0]);
}

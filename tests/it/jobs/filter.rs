//! Lines in, masked lines out: the same tokens and hashes as a load, in every form, one
//! for one and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Date32Type, Int32Type, Int64Type};
use arrow_array::{Array as _, RecordBatch};
use serde_json::{Value, json};

use super::{Site, by_user, ends, events};
use crate::support::{json_lines, sample};

fn joined(lines: &[String]) -> Vec<u8> {
    (lines.join("\n") + "\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_hashes_are_those_of_a_load_and_each_line_has_its_line() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    let bodies = sample();
    let masked = site.mask("plan", &[], &joined(&bodies));
    site.world.load(&bodies);
    assert_eq!(by_user(&masked), site.rows().await);
    let lines = json_lines(&masked);
    assert_eq!(lines.len(), bodies.len());
    for (line, body) in lines.iter().zip(&bodies) {
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(line.get("user_id"), body.get("user_id"), "in order");
    }
    let rejected: Vec<&Value> = lines.iter().filter(|line| !line["rejected"].is_null()).collect();
    assert_eq!(
        rejected,
        [&json!({"rejected": "missing_field", "field": "user_id", "length": null})]
    );
    ends(&masked, 0, "120 lines, 1 of them rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_line_is_it_becomes_one_line() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    let event = &events(0..1)[0];
    let long = "x".repeat(1024 * 1024 + 1);
    let longest = format!("{event}{}", " ".repeat(1024 * 1024 - event.len()));
    let lines: Vec<&[u8]> = vec![
        event.as_bytes(),
        b"",
        b"\xff\xfe",
        b"[1]",
        b"{}",
        b"   ",
        long.as_bytes(),
        longest.as_bytes(),
        b"{\"ip\"",
        event.as_bytes(),
    ];
    let input = lines.join(&b'\n');
    let expected = [
        None,
        Some("not_json"),
        Some("not_utf8"),
        Some("wrapped_in_array"),
        Some("missing_field"),
        Some("not_json"),
        Some("too_long"),
        None,
        Some("not_json"),
        None,
    ];
    let reasons = |input: &[u8]| -> Vec<Option<String>> {
        let masked = json_lines(&site.mask("plan", &[], input));
        masked.iter().map(|line| line["rejected"].as_str().map(str::to_owned)).collect()
    };
    let expected = expected.map(|reason| reason.map(str::to_owned));
    assert_eq!(reasons(&input), expected, "without an end of the last line");
    assert_eq!(reasons(&[&input[..], b"\n"].concat()), expected, "with one");
    assert_eq!(reasons(b""), [None::<String>; 0]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&input).expect("packed");
    let packed = packed.finish().expect("packed");
    assert_eq!(reasons(&packed), expected, "gzip");
    let cut = site.filter(&["mask", "--plan", &site.word("plan")], &packed[..packed.len() - 9]);
    ends(&cut, 2, "truncated");
    // No text at all, and columns that cannot hold an event: not a line is rejected.
    let plan = site.word("plan");
    let wide: Vec<u8> = events(0..9).join("\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    ends(&site.filter(&["mask", "--plan", &plan], &wide), 2, "iconv -f UTF-16LE");
    let zip = b"PK\x03\x04\x14\0\0\0".repeat(40);
    ends(&site.filter(&["mask", "--plan", &plan], &zip), 2, "this is a ZIP archive");
    let columns = ["mask", "--plan", &plan, "--columns", "user_id,ip"];
    ends(&site.filter(&columns, b"u\t1\n"), 2, "--columns lacks app_version, device_id");
}

fn batches(stream: &[u8]) -> Vec<RecordBatch> {
    let reader = arrow_ipc::reader::StreamReader::try_new(stream, None).expect("a stream");
    reader.map(|batch| batch.expect("a batch")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_has_the_same_rows() {
    let site = Site::new().await;
    site.plan("plan", &["--day", "2026-01-31", "--app-version", "digits"]);
    let mut bodies = events(0..25_000);
    bodies[7] = bodies[7].replace("ios", "i\\tO\\\\S\\n").replace("null", "\"é\"");
    bodies[9] = bodies[9].replace("192.0.2", "192.0.2.2");
    let input = joined(&bodies);
    let objects = json_lines(&site.mask("plan", &[], &input));
    let header = objects[0].as_object().expect("an object");
    let names: Vec<&str> = header.keys().map(String::as_str).collect();
    assert_eq!(names.len(), 9, "{names:?}");

    let cells = site.mask("plan", &["--output", "tsv"], &input).stdout;
    let cells = String::from_utf8(cells).expect("UTF-8");
    let rows: Vec<Vec<&str>> = cells.lines().map(|line| line.split('\t').collect()).collect();
    let order = [
        "user_id",
        "device_type",
        "masked_ip",
        "masked_device_id",
        "locale",
        "app_version",
        "create_date",
        "ip_hash",
        "device_id_hash",
        "rejected",
        "field",
        "length",
    ];
    let text = |value: &Value| match value {
        Value::Null => "\\N".to_owned(),
        Value::String(text) => text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n"),
        other => other.to_string(),
    };
    assert_eq!(rows.len(), objects.len());
    for (row, object) in rows.iter().zip(&objects) {
        let expected: Vec<String> = order.iter().map(|name| text(&object[*name])).collect();
        assert_eq!(*row, expected);
    }
    assert_eq!(objects[7]["create_date"], "2026-01-31");
    assert_eq!(
        (&objects[7]["app_version"], &objects[9]["rejected"]),
        (&json!(237), &json!("invalid_ip"))
    );

    let stream = site.mask("plan", &["--output", "arrow"], &input).stdout;
    let others = ["app_version", "create_date", "length"];
    let mut at = 0;
    for batch in batches(&stream) {
        let columns: Vec<_> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(columns, order);
        for row in 0..batch.num_rows() {
            let object = &objects[at];
            let string = |name: &str| {
                let column = batch.column_by_name(name).expect("a column").as_string::<i32>();
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            for name in order.into_iter().filter(|name| !others.contains(name)) {
                assert_eq!(string(name).as_deref(), object[name].as_str(), "{name} of {at}");
            }
            let version = batch["app_version"].as_primitive::<Int32Type>();
            let version = version.is_valid(row).then(|| i64::from(version.value(row)));
            assert_eq!(version, object["app_version"].as_i64());
            let days = batch["create_date"].as_primitive::<Date32Type>();
            let days = days.is_valid(row).then(|| days.value(row));
            assert_eq!(days, object["create_date"].as_str().map(|_| 20_484), "days since 1970");
            let length = batch["length"].as_primitive::<Int64Type>();
            let length = length.is_valid(row).then(|| length.value(row));
            assert_eq!(length, object["length"].as_i64());
            at += 1;
        }
    }
    assert_eq!(at, objects.len());
    let none = site.mask("plan", &["--output", "arrow"], b"").stdout;
    assert_eq!(batches(&none).len(), 0, "a stream without rows is one");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_read_as_objects_are() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    let columns = "user_id,ip,extra,app_version,device_id,locale";
    let lines = [
        "u1\t192.0.2.1\tx\t1.2\td\"\\1\t\\N",
        "u2\t192.0.2.1\t\\N\t1.2\t\\N\tDE",
        "u3\tx",
        "",
        "u4\t::ffff:192.0.2.1\t\t1.2\té\tDE\r",
    ];
    let masked = site.mask("plan", &["--columns", columns], lines.join("\n").as_bytes());
    let of_cells = json_lines(&masked);
    let objects = [
        json!({"user_id": "u1", "ip": "192.0.2.1", "app_version": "1.2", "device_id": "d\"\\1"}),
        json!({
            "user_id": "u4", "ip": "192.0.2.1", "app_version": "1.2", "device_id": "é",
            "locale": "DE"
        }),
    ];
    let objects = objects.map(|object| object.to_string());
    let of_objects = json_lines(&site.mask("plan", &[], &joined(&objects)));
    assert_eq!([&of_cells[0], &of_cells[4]], [&of_objects[0], &of_objects[1]]);
    let why = |at: usize| (of_cells[at]["rejected"].clone(), of_cells[at]["field"].clone());
    assert_eq!(why(1), (json!("null_field"), json!("device_id")));
    assert_eq!([why(2), why(3)], [0; 2].map(|_| (json!("column_count"), Value::Null)));
    let foreign = b"u\xff\t192.0.2.1\t\t1.2\td\t";
    let told = json_lines(&site.mask("plan", &["--columns", columns], foreign));
    assert_eq!(told[0]["length"], json!(foreign.len()), "that of the line: {}", told[0]);
    let wrapped = json!({"Type": "Notification", "Message": "no JSON"}).to_string();
    let told = json_lines(&site.mask("plan", &[], wrapped.as_bytes()));
    assert_eq!(told[0]["length"], json!(7), "that of the message within: {}", told[0]);
    let twice = site.filter(&["mask", "--plan", &site.word("plan"), "--columns", "ip,ip"], b"");
    ends(&twice, 2, "each once");
}

/// Half before, half after: not even new hash keys change what a plan makes.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_changes_nothing_for_a_plan_that_is_there() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    let all = events(0..300);
    let before = site.mask("plan", &[], &joined(&all[..150]));
    site.ends(0, "finished", &["rotate-keys", "--compromised", "--duty", "100%"]);
    let after = site.mask("plan", &[], &joined(&all[150..]));
    let mut tokens: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for cells in by_user(&before).into_values().chain(by_user(&after).into_values()) {
        tokens.entry(cells[1].clone()).or_default().insert(cells[0].clone());
        tokens.entry(cells[3].clone()).or_default().insert(cells[2].clone());
    }
    assert_eq!(tokens.len(), 7 + 11, "a hash a value");
    assert!(tokens.values().all(|tokens| tokens.len() == 1), "one token a value: {tokens:?}");
    site.plan("newer", &[]);
    assert_ne!(by_user(&site.mask("newer", &[], &joined(&all[..1]))), by_user(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn user_ids_are_masked_where_the_installation_does() {
    let site = Site::new().await;
    site.ends(0, "user_id", &["init", "--mask-user-id"]);
    site.plan("plan", &[]);
    let bodies = events(0..3);
    let masked = json_lines(&site.mask("plan", &[], &joined(&bodies)));
    site.world.load(&bodies);
    let columns = "masked_user_id, user_id_hash::text, masked_ip";
    let rows = site.world.database.query(&format!("select {columns} from user_logins")).await;
    let mut rows: Vec<[String; 3]> =
        rows.iter().map(|row| [row.get(0), row.get(1), row.get(2)]).collect();
    rows.sort();
    let names = ["masked_user_id", "user_id_hash", "masked_ip"];
    let of = |line: &Value| names.map(|name| line[name].as_str().expect("a text").to_owned());
    let mut lines: Vec<[String; 3]> = masked.iter().map(of).collect();
    lines.sort();
    assert_eq!(lines, rows);
    assert!(masked.iter().all(|line| line["user_id"].is_null()));
}

/// The keys that a rotation goes to: what is masked in its midst joins with the table
/// when it is through, new hashes too.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_made_during_a_rotation_is_under_the_keys_that_stay() {
    let site = Site::new().await;
    let all: Vec<String> = (0..3_000).map(crate::support::event).collect();
    site.world.load(&all);
    let flags = ["rotate-keys", "--compromised", "--duty", "1%", "--step-rows", "100"];
    let mut rotating = site.world.spawn(&flags);
    let begun = "select from vault.rotation where finished_at is null \
                 and watermark > '00000000-0000-0000-0000-000000000000'";
    let begun = async || site.world.database.count(begun).await > 0;
    crate::support::eventually("a step is made", begun).await;
    rotating.child().kill().expect("killed");
    drop(rotating);
    let (loader, rotator) = (
        site.world.database.login("loginetl_loader").await,
        site.world.database.login("loginetl_rotator").await,
    );
    for (name, login) in [("one", &loader), ("two", &rotator)] {
        ends(&site.try_plan(Some(login), name, &[]), 0, "");
    }
    let masked = site.mask("one", &[], &joined(&all));
    assert_eq!(by_user(&site.mask("two", &[], &joined(&all))), by_user(&masked));
    site.ends(0, "finished", &["rotate-keys", "--duty", "100%"]);
    assert_eq!(by_user(&masked), site.rows().await);
}

//! Files as other people have them: marked, packed, damaged, or in another form than a
//! line an event.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{World, event, summary, text};

const BOM: &[u8] = b"\xef\xbb\xbf";

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).expect("written");
        path
    }
}

fn events(count: u32) -> String {
    (0..count).map(|n| event(n) + "\n").collect()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("packed");
    encoder.finish().expect("packed")
}

fn zstd(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    // As the program does: without it, zstd itself does not notice every damage.
    encoder.include_checksum(true).expect("taken");
    encoder.write_all(content).expect("packed");
    encoder.finish().expect("packed")
}

type Packer = fn(&[u8]) -> Vec<u8>;

const PACKERS: [(&str, Packer); 2] = [("gzip", gzip), ("zstd", zstd)];

fn load(world: &World, path: &Path) -> Output {
    world.run(&["load", "--file", path.to_str().expect("a path"), "--format", "json"])
}

fn load_stream(world: &World, content: &[u8]) -> Output {
    let mut command = world.command(&["load", "--file", "-", "--format", "json"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary runs");
    // Whoever refuses a stream does not read it to its end.
    let _ = child.stdin.take().expect("a pipe").write_all(content);
    child.wait_with_output().expect("it ends")
}

/// Loaded, duplicates and quarantined.
fn counts(output: &Output) -> [u64; 3] {
    assert!(output.status.success(), "{}", text(output));
    let summary = summary(output);
    ["loaded", "duplicates", "quarantined"].map(|name| summary[name].as_u64().expect("a count"))
}

fn refused(output: &Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(2), "{}", text(output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    for word in words {
        assert!(stderr.contains(word), "{word} is missing in {stderr}");
    }
    assert!(!stderr.contains("u-1"), "a value: {stderr}");
}

async fn is_untouched(world: &World) {
    for table in ["user_logins", "ingest.quarantine", "ingest.ledger"] {
        assert_eq!(world.database.count(&format!("select from {table}")).await, 0, "{table}");
    }
}

/// The command that the hint shows, with the binary under test in the
/// place of `loginetl`.
fn converted(world: &World, output: &Output) -> Vec<[u64; 3]> {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let (_, commands) =
        stderr.split_once("convert it: ").unwrap_or_else(|| panic!("no command in {stderr}"));
    let commands = commands.trim().split("; or, without mlr: ");
    let run = |command: &str| {
        let (convert, _) = command.rsplit_once(" | loginetl load --file -").expect("a pipeline");
        let is_there = |part: &str| {
            let program = part.split_whitespace().next().unwrap_or_default();
            Command::new("sh")
                .args(["-c", &format!("command -v {program}")])
                .output()
                .is_ok_and(|o| o.status.success())
        };
        if !convert.split(" | ").all(is_there) {
            return None;
        }
        let done = Command::new("bash")
            .args(["-o", "pipefail", "-c", convert])
            .stderr(Stdio::inherit())
            .output();
        let done = done.expect("it runs");
        assert!(done.status.success(), "{convert}");
        Some(counts(&load_stream(world, &done.stdout)))
    };
    commands.filter_map(run).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_is_no_part_of_the_first_event() {
    let (world, files) = (World::new().await, Files::new());
    let marked = files.write("marked", [BOM, events(6_000).as_bytes()].concat());
    assert_eq!(counts(&load(&world, &marked)), [6_000, 0, 0]);
    let plain = files.write("plain", events(6_000));
    assert_eq!(counts(&load(&world, &plain)), [0, 6_000, 0], "the same file without it");
    let marked_stream = [BOM, events(5_100).as_bytes()].concat();
    assert_eq!(counts(&load_stream(&world, &marked_stream)), [5_100, 0, 0]);
    assert_eq!(counts(&load_stream(&world, events(5_100).as_bytes())), [0, 5_100, 0]);
    let only = files.write("only", BOM);
    assert_eq!(counts(&load(&world, &only)), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_loaded_when_a_mark_was_content_is_recognised_with_and_without_it() {
    use loginetl::crypto::Digest;
    use loginetl::login::chunk_id;
    let (world, files) = (World::new().await, Files::new());
    let marked = [BOM, events(5_003).as_bytes()].concat();
    let first = marked.split_inclusive(|byte| *byte == b'\n').take(5_000).map(<[u8]>::len).sum();
    let digest_of = |bytes: &[u8]| {
        let mut digest = Digest::default();
        digest.update(bytes);
        digest.current()
    };
    let whole = digest_of(&marked);
    // Of the file: two chunks. Of the stream: its first; the second is that of the file.
    for id in [chunk_id(&whole, 0), chunk_id(&whole, 1), chunk_id(&digest_of(&marked[..first]), 0)]
    {
        world
            .database
            .execute(&format!("insert into ingest.ledger values ('1970-01-01', '{id}')"))
            .await;
    }
    assert_eq!(counts(&load(&world, &files.write("marked", &marked))), [0, 5_003, 0]);
    assert_eq!(counts(&load(&world, &files.write("plain", &marked[3..]))), [0, 5_003, 0]);
    assert_eq!(counts(&load_stream(&world, &marked)), [0, 5_003, 0]);
    assert_eq!(counts(&load(&world, &files.write("other", events(5_004)))), [5_004, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_content_is_the_same_content() {
    for (_, pack) in PACKERS {
        let (world, files) = (World::new().await, Files::new());
        let content = events(5_200);
        assert_eq!(
            counts(&load(&world, &files.write("packed", pack(content.as_bytes())))),
            [5_200, 0, 0]
        );
        assert_eq!(counts(&load(&world, &files.write("plain", &content))), [0, 5_200, 0]);
        let (first, second) = content.as_bytes().split_at(100_003);
        let parts = [pack(first), pack(second)].concat();
        assert_eq!(
            counts(&load(&world, &files.write("parts", parts))),
            [0, 5_200, 0],
            "in two parts"
        );
        let marked = format!("\u{feff}{content}");
        assert_eq!(
            counts(&load(&world, &files.write("marked", pack(marked.as_bytes())))),
            [0, 5_200, 0]
        );
        assert_eq!(
            counts(&load_stream(&world, &pack(content.as_bytes()))),
            [5_000, 200, 0],
            "a stream is known by what came so far"
        );
        assert_eq!(counts(&load_stream(&world, content.as_bytes())), [0, 5_200, 0]);
        assert_eq!(counts(&load(&world, &files.write("empty", pack(b"")))), [0, 0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_or_damaged_file_writes_nothing_and_loads_once_when_it_is_whole() {
    for (name, pack) in PACKERS {
        let (world, files) = (World::new().await, Files::new());
        let content = events(30_000);
        let whole = pack(content.as_bytes());
        for end in [3, 4, whole.len() / 2, whole.len() - 1] {
            let truncated = files.write("truncated", &whole[..end]);
            refused(
                &load(&world, &truncated),
                &[name, "truncated", "nothing was loaded", "whole copy"],
            );
        }
        let mut damaged = whole.clone();
        damaged[whole.len() / 2..][..64].fill(0xA5);
        let damaged = files.write("damaged", &damaged);
        refused(&load(&world, &damaged), &[name, "damaged", "nothing was loaded"]);
        is_untouched(&world).await;
        assert_eq!(counts(&load(&world, &files.write("whole", &whole))), [30_000, 0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_stream_keeps_what_came_before_and_loads_the_rest_when_it_is_whole() {
    for (name, pack) in PACKERS {
        let world = World::new().await;
        let whole = pack(events(30_000).as_bytes());
        refused(
            &load_stream(&world, &whole[..whole.len() * 2 / 3]),
            &[name, "truncated", "recognised"],
        );
        let before = world.database.count("select from user_logins").await;
        assert!(before > 0 && before % 5_000 == 0, "whole chunks only: {before}");
        assert_eq!(
            counts(&load_stream(&world, &whole)),
            [30_000 - before as u64, before as u64, 0]
        );
        assert_eq!(world.database.count("select distinct user_id from user_logins").await, 30_000);
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Name, content of 30 events, and the words that name it.
fn forms() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    let lines = events(30);
    let array = format!("[\n{}\n]\n", lines.trim_end().replace('\n', ",\n"));
    let value: serde_json::Value = serde_json::from_str(&array).expect("an array");
    let pretty =
        |value: &serde_json::Value| serde_json::to_string_pretty(value).expect("JSON") + "\n";
    let objects: String = value.as_array().expect("an array").iter().map(pretty).collect();
    let names = ["user_id", "app_version", "device_type", "ip", "locale", "device_id"];
    let table = |separator: &str| {
        let row = |event: &serde_json::Value| {
            names.map(|name| event[name].as_str().unwrap_or("DE")).join(separator)
        };
        let rows: Vec<String> = value.as_array().expect("an array").iter().map(row).collect();
        format!("{}\n{}\n", names.join(separator), rows.join("\n")).into_bytes()
    };
    vec![
        ("array", array.clone().into_bytes(), &["JSON array", "jq -c '.[]'"]),
        ("one-line-array", value.to_string().into_bytes(), &["JSON array"]),
        ("pretty-array", pretty(&value).into_bytes(), &["JSON array"]),
        ("pretty", objects.into_bytes(), &["pretty-printed", "jq -c ."]),
        ("joined", lines.replace('\n', "").into_bytes(), &["several JSON values", "jq -c ."]),
        ("utf16-marked", [&[0xFF, 0xFE][..], &utf16(&lines)].concat(), &["UTF-16", "iconv"]),
        ("utf16", utf16(&lines), &["UTF-16", "iconv -f UTF-16LE"]),
        ("csv", table(","), &["CSV", "mlr", "python3"]),
        ("marked-csv", [BOM, &table(",")].concat(), &["CSV"]),
        ("tsv", table("\t"), &["TSV", "mlr", "python3"]),
        ("semicolons", table(";"), &["CSV", "mlr", "python3"]),
        ("cr", lines.replace('\n', "\r").into_bytes(), &["carriage returns", "tr "]),
        (
            "rfc-7464",
            lines.lines().flat_map(|l| format!("\x1e{l}\n").into_bytes()).collect(),
            &["RFC 7464"],
        ),
        ("array in gzip", gzip(array.as_bytes()), &["JSON array", "gzip -dc"]),
        (
            "gzip in zstd",
            zstd(&gzip(lines.as_bytes())),
            &["gzip in another packing", "zstd -dc", "gzip -dc"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn another_form_is_refused_by_name_before_anything_is_written_and_its_command_converts_it() {
    let (world, files) = (World::new().await, Files::new());
    let mut outputs = Vec::new();
    for (name, content, words) in forms() {
        let path = files.write(name, &content);
        outputs.push((name, load(&world, &path)));
        refused(&outputs[outputs.len() - 1].1, words);
        refused(&load_stream(&world, &content), &[words[0], "standard input", "… |"]);
    }
    is_untouched(&world).await;
    for (name, output) in &outputs {
        for [loaded, duplicates, quarantined] in converted(&world, output) {
            assert_eq!((loaded + duplicates, quarantined), (30, 0), "{name}: {}", text(output));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_no_events_are_refused_and_one_event_in_a_hundred_is_enough() {
    let (world, files) = (World::new().await, Files::new());
    let foreign = "{\"foo\":1}\n".repeat(99);
    let none = files.write("none", format!("{foreign}{foreign}"));
    refused(
        &load(&world, &none),
        &["none of its first 100 lines", "missing_field user_id", "one JSON object a line"],
    );
    refused(
        &load(&world, &files.write("few", "words\nmore words\n")),
        &["none of its first 2 lines", "not_json"],
    );
    refused(
        &world.run(&["load", "--dry-run", "--file", none.to_str().expect("a path")]),
        &["none of its first"],
    );
    is_untouched(&world).await;
    assert_eq!(
        counts(&load(&world, &files.write("one", format!("{foreign}{}\n", event(1))))),
        [1, 0, 99]
    );
    assert_eq!(counts(&load(&world, &files.write("blank", "\n\n"))), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_over_1_mib_is_named_before_anything_of_a_file_is_written() {
    let (world, files) = (World::new().await, Files::new());
    let long = format!("{{\"x\":\"{}\"}}\n", "y".repeat(2_100_000));
    let path = files.write("long", format!("{}{long}{}", events(6_000), event(7_000)));
    let output = load(&world, &path);
    refused(
        &output,
        &["line 6001", "1 MiB", "nothing was loaded", "sed 6001d < ", "load --file -"],
    );
    is_untouched(&world).await;
    refused(&load(&world, &files.write("first", long.clone() + &event(1))), &["line 1 ", "sed 1d"]);
    let stream = format!("{}{long}{}", events(6_000), event(7_000));
    refused(&load_stream(&world, stream.as_bytes()), &["line 6001", "recognised"]);
    assert_eq!(world.database.count("select from user_logins").await, 5_000);
    let without = stream.replace(&long, "");
    assert_eq!(counts(&load_stream(&world, without.as_bytes())), [1_001, 5_000, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_ends_by_itself_with_drain_too() {
    let (world, files) = (World::new().await, Files::new());
    let path = files.write("events", events(3));
    let output = world.run(&[
        "load",
        "--drain",
        "--file",
        path.to_str().expect("a path"),
        "--format",
        "json",
    ]);
    assert_eq!(counts(&output), [3, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_at_a_seam_of_files_put_together_is_no_part_of_an_event() {
    let world = World::new().await;
    let together = format!("{}\n\u{feff}{}\n", event(1), event(2));
    assert_eq!(counts(&load_stream(&world, together.as_bytes())), [2, 0, 0]);
}

//! A database that the build before left in the middle of its life (upgrade/make.sh) goes
//! on under this one: no row is touched, the rotation ends, the quarantine is loaded, the
//! log is intact, and what was masked then can be recovered.

pub mod old_loader;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, Tag};
use serde_json::Value;

use crate::rotate::{events, is_whole, states};
use crate::support::{World, json_lines, setting, summary, text};

/// The KMS keys of the fixture: holder, id, spec, usage and material, a key a line.
const KEYS: &str = include_str!("upgrade/keys.txt");

/// Token, hash and value, a line each, of three times; `#` begins a comment.
const TOKENS: &str = include_str!("upgrade/tokens.txt");

/// Each digit of a user, with how many rows its address has in the end.
const ROWS: [i64; 10] = [36, 36, 34, 33, 33, 33, 33, 33, 33, 33];

fn keys() -> Vec<[&'static str; 5]> {
    let key =
        |line: &'static str| line.split(' ').collect::<Vec<_>>().try_into().expect("five words");
    KEYS.lines().map(key).collect()
}

fn arn(id: &str) -> String {
    format!("arn:aws:kms:us-east-1:000000000000:key/{id}")
}

/// The keys of the fixture, made where they are not there yet: LocalStack takes id and
/// material from tags.
async fn make_keys() {
    let client =
        Client::new(&aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await);
    for [_, id, spec, usage, material] in keys() {
        if client.describe_key().key_id(id).send().await.is_ok() {
            continue;
        }
        let tag = |key: &str, value: &str| {
            Tag::builder().tag_key(key).tag_value(value).build().expect("a tag")
        };
        let request =
            client.create_key().key_spec(KeySpec::from(spec)).key_usage(KeyUsageType::from(usage));
        let request =
            request.tags(tag("_custom_id_", id)).tags(tag("_custom_key_material_", material));
        request.send().await.expect("a key");
    }
}

/// The database of the build before, in a server where the groups are known.
pub async fn restored() -> World {
    make_keys().await;
    // Makes the groups, if it is the first in this server.
    drop(World::new().await);
    let world = World::bare().await;
    world.queue.redrive_after(10).await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/upgrade/before.sql");
    let mut psql = Command::new(Path::new(&setting("LOGINETL_TEST_PG_BIN")).join("psql"));
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &world.database.url, "-f"]).arg(file);
    let restored = psql.stdin(Stdio::null()).output().expect("psql runs");
    assert!(restored.status.success(), "{}", text(&restored));
    world
}

/// The binary with the KMS keys of the fixture.
pub fn command(world: &World, args: &[&str]) -> Command {
    let mut command = world.command(args);
    for [holder, id, ..] in keys() {
        command.env(format!("LOGINETL_{}_KEY", holder.to_uppercase()), arn(id));
    }
    command
}

pub fn run(world: &World, args: &[&str]) -> Output {
    command(world, args).output().expect("the binary runs")
}

/// The rows with their places and transactions, and those of all other tables without
/// what they say.
async fn places(world: &World) -> Vec<String> {
    let rows = "select format('%s %s %s', t.ctid, t.xmin, t) from public.user_logins t order by 1";
    let mut places: Vec<String> =
        world.database.query(rows).await.iter().map(|row| row.get(0)).collect();
    assert!(places.len() > 300, "{} rows", places.len());
    for table in "vault.data_keys vault.wraps vault.rotation audit.log audit.head audit.signatures \
                  ingest.quarantine ingest.ledger ingest.days"
        .split_whitespace()
    {
        let rows = format!(
            "select format('%s %s %s', t.tableoid::regclass, t.ctid, t.xmin) from {table} t \
               order by 1"
        );
        places.extend(world.database.query(&rows).await.iter().map(|row| row.get::<_, String>(0)));
    }
    places
}

/// Every token of every time opens to its value.
async fn every_old_token_opens(world: &World) {
    let lines = TOKENS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let known: BTreeMap<&str, &str> = lines.map(|words| (words[0], words[2])).collect();
    assert!(known.len() > 40, "{} tokens", known.len());
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), known.keys().copied().collect::<Vec<_>>().join("\n"))
        .expect("written");
    let path = file.path().to_str().expect("a path");
    let output = run(world, &["unmask", "--from", path, "--format", "json", "--reason", "a test"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let opened: BTreeMap<String, Value> = json_lines(&output)
        .into_iter()
        .filter_map(|line| Some((line["selector"].as_str()?.to_owned(), line["value"].clone())))
        .collect();
    for (token, value) in known {
        assert_eq!(opened.get(token), Some(&Value::from(value)), "{token}: {}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_build_before_goes_on_under_this_one() {
    let world = restored().await;
    let unfinished = "select from vault.rotation where finished_at is null";
    assert_eq!(world.database.count(unfinished).await, 2, "a sweep a field");
    let before = places(&world).await;
    let init = run(&world, &["init", "--format", "json"]);
    assert_eq!(init.status.code(), Some(0), "{}", text(&init));
    assert_eq!(
        (&summary(&init)["left"], &summary(&init)["keys_created"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    assert_eq!(places(&world).await, before, "no row was written anew");
    let check = run(&world, &["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check));
    let again = run(&world, &["init"]);
    assert!(again.status.success() && text(&again).contains("nothing to do"), "{}", text(&again));
    every_old_token_opens(&world).await;

    // Rows that come while the sweep stands in the middle.
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), events(10, 10, 500).join("\n")).expect("written");
    let loaded = run(&world, &["load", "--file", file.path().to_str().expect("a path")]);
    assert!(loaded.status.success() && is_whole(&world).await, "{}", text(&loaded));
    let retried = run(&world, &["quarantine", "retry", "--format", "json"]);
    let report = summary(&retried);
    assert_eq!(
        (retried.status.code(), &report["loaded"], &report["still_rejected"]),
        (Some(1), &5.into(), &1.into()),
        "{report}"
    );
    assert!(is_whole(&world).await);

    let rotated = run(&world, &["rotate-keys", "--duty", "100%", "--format", "json"]);
    assert_eq!(rotated.status.code(), Some(0), "{}", text(&rotated));
    assert_eq!(summary(&rotated)["result"], "finished", "{}", text(&rotated));
    assert_eq!((world.database.count(unfinished).await, is_whole(&world).await), (0, true));
    let keys = states(&world).await;
    assert_eq!(keys[3..], ["4 mask retired", "5 hash active", "6 seal active", "7 mask active"]);
    every_value_stands_in_one_group(&world).await;
    every_old_token_opens(&world).await;
    let verified = run(&world, &["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
}

/// The hashes are those of before, and each has as many rows as its value was sent.
async fn every_value_stands_in_one_group(world: &World) {
    let (_, last) = TOKENS.rsplit_once("# ").expect("three times");
    for (field, begin) in [("ip", "10.9.0."), ("device_id", "device-")] {
        let groups = format!(
            "select {field}_hash::text, count(*), count(distinct masked_{field}) from user_logins \
               group by 1"
        );
        let groups = world.database.query(&groups).await;
        let found: BTreeMap<String, (i64, i64)> =
            groups.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
        let words = last.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let wanted = words.filter_map(|words| {
            let digit: usize = words.get(2)?.strip_prefix(begin)?.parse().ok()?;
            Some((words[1].to_owned(), (ROWS[digit], 1)))
        });
        assert_eq!(found, wanted.collect(), "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_of_the_build_before_still_writes_beside_an_upgraded_schema() {
    let world = restored().await;
    let init = run(&world, &["init"]);
    assert_eq!(init.status.code(), Some(0), "{}", text(&init));
    let loader = world.database.login("loginetl_loader").await;
    let plan = old_loader::plan(&loader).await.expect("the keys in force");
    let rows = "select from user_logins where user_id like 'old-%'";
    assert_eq!(
        old_loader::insert(&loader, &plan, 1).await,
        (false, 0),
        "under keys that are not in force"
    );
    assert_eq!(world.database.count(rows).await, 0);
    assert_eq!(old_loader::insert(&loader, &plan, 0).await, (true, 2));
    assert_eq!(world.database.count(rows).await, 2);
}

//! `rotate-keys`: one token per value in every snapshot, whatever runs beside it and
//! whatever kills it.

use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::{Login, Running, World, event, json_lines, summary, text};

/// Values whose rows carry more than one token, and rows whose token or hash is shared by
/// another value.
const SPLIT: &str = "select
    (select count(distinct masked_ip) from user_logins where ip_hash is not null)
      = (select count(distinct ip_hash) from user_logins where ip_hash is not null)
    and (select count(distinct masked_device_id) from user_logins where device_id_hash is not null)
      = (select count(distinct device_id_hash) from user_logins where device_id_hash is not null)
    and not exists (select from user_logins where ip_hash is not null group by ip_hash
      having count(distinct masked_ip) > 1)
    and not exists (select from user_logins group by device_id_hash
      having count(distinct masked_device_id) > 1)";

/// The same in one pass over the rows, for many snapshots.
const ONE_TOKEN: &str = "select
    not exists (select from user_logins group by ip_hash having min(masked_ip) <> max(masked_ip))
    and not exists (select from user_logins group by device_id_hash
      having min(masked_device_id) <> max(masked_device_id))";

/// So many snapshots are looked at while rotations run.
const SNAPSHOTS: u32 = 300;

/// Events whose values repeat: `count` events over `values` addresses and devices.
pub fn events(count: u32, values: u32, from: u32) -> Vec<String> {
    let one = |n: u32| {
        let value = n % values;
        event(n).replace(&format!("\"device-{n}\""), &format!("\"device-{value}\"")).replace(
            &format!("\"ip\": \"10.{}.{}.{}\"", n >> 16 & 255, n >> 8 & 255, n & 255),
            &format!("\"ip\": \"10.9.{}.{}\"", value >> 8 & 255, value & 255),
        )
    };
    (from..from + count).map(one).collect()
}

pub async fn world(count: u32, values: u32) -> (World, Login) {
    let world = World::new().await;
    world.load(&events(count, values, 0));
    let rotator = world.database.login("loginetl_rotator").await;
    (world, rotator)
}

pub fn rotate(world: &World, login: &Login, flags: &[&str]) -> Output {
    world.run_as(login, &[&["rotate-keys", "--duty", "100%", "--format", "json"], flags].concat())
}

/// Rows by the key that their tokens name.
pub async fn rows_by_key(world: &World) -> Vec<(String, i64)> {
    let census = "select field || ' ' || key_id, row_count from vault.census order by 1";
    world.database.query(census).await.iter().map(|row| (row.get(0), row.get(1))).collect()
}

pub async fn states(world: &World) -> Vec<String> {
    let keys =
        "select key_id || ' ' || purpose || ' ' || state from vault.data_keys order by key_id";
    world.database.query(keys).await.iter().map(|row| row.get(0)).collect()
}

pub async fn is_whole(world: &World) -> bool {
    world.database.query(SPLIT).await[0].get(0)
}

/// Every token opens to the value that its row came with: addresses and devices are
/// numbered alike.
pub async fn every_token_opens(world: &World, values: usize) {
    let unmasker = world.database.login_named("loginetl_unmasker", &format!("u{}", rand())).await;
    let tokens = world
        .database
        .query(
            "select distinct masked_ip from user_logins union select distinct masked_device_id \
               from user_logins",
        )
        .await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    let lines: Vec<String> = tokens.iter().map(|row| row.get(0)).collect();
    std::fs::write(file.path(), lines.join("\n")).expect("written");
    let path = file.path().to_str().expect("a path");
    let output = world.run_as(
        &unmasker,
        &[
            "unmask",
            "--from",
            path,
            "--max-values",
            "100000",
            "--format",
            "json",
            "--reason",
            "a test",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let opened = json_lines(&output);
    assert_eq!(opened.len(), 2 * values);
    let mut seen: Vec<&str> = opened.iter().filter_map(|answer| answer["value"].as_str()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 2 * values, "each value once");
    assert!(
        seen.iter().all(|value| value.starts_with("10.9.") || value.starts_with("device-")),
        "{:?}",
        &seen[..2]
    );
}

pub fn rand() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_moves_to_the_new_key_and_old_tokens_still_open() {
    let (world, rotator) = world(600, 50).await;
    let old: String =
        world.database.query("select masked_ip from user_logins limit 1").await[0].get(0);
    let hashes =
        "select string_agg(ip_hash::text || device_id_hash, ',' order by user_id) from user_logins";
    let before: String = world.database.query(hashes).await[0].get(0);
    let output = rotate(&world, &rotator, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report = summary(&output);
    assert_eq!(
        (report["result"].as_str(), report["rows_moved"].as_i64()),
        (Some("finished"), Some(1200)),
        "{report}"
    );
    assert_eq!(
        rows_by_key(&world).await,
        [("device_id 4".to_owned(), 600), ("ip 4".to_owned(), 600)]
    );
    assert_eq!(
        states(&world).await,
        ["1 mask retired", "2 hash active", "3 seal active", "4 mask active"]
    );
    assert_eq!(before, world.database.query(hashes).await[0].get::<_, String>(0), "hashes stay");
    assert!(is_whole(&world).await);
    every_token_opens(&world, 50).await;
    let unmasked =
        world.run(&["unmask", "--token", &old, "--reason", "a test", "--format", "json"]);
    assert_eq!(
        (unmasked.status.code(), json_lines(&unmasked)[0]["rows"].as_i64()),
        (Some(0), Some(12)),
        "{}",
        text(&unmasked)
    );
    world.load(&events(10, 50, 1000));
    assert!(is_whole(&world).await);
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0));
    let kinds = world
        .database
        .query(
            "select string_agg(kind, ' ' order by seq) from audit.log where kind ~ '^(rotate|key)'",
        )
        .await;
    assert_eq!(
        kinds[0].get::<_, String>(0),
        "key.create key.create key.create key.create rotate.start rotate.end"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn values_with_more_rows_than_a_step_are_moved_whole() {
    let (world, rotator) = world(2_000, 3).await;
    world.load(&events(400, 400, 2_000));
    for flags in [&["--step-rows", "100"][..], &["--step-rows", "100", "--compromised"]] {
        let output = rotate(&world, &rotator, flags);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert_eq!(summary(&output)["rows_moved"].as_i64(), Some(2 * 2_400), "{}", text(&output));
        assert_eq!(rows_by_key(&world).await.len(), 2, "all under one key");
        assert!(is_whole(&world).await);
    }
    every_token_opens(&world, 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compromised_rotation_changes_hashes_and_bodies_too() {
    let (world, rotator) = world(600, 50).await;
    world.queue.send(&["nonsense".to_owned()]).await;
    world.drain(0);
    let old: String =
        world.database.query("select ip_hash::text from user_logins limit 1").await[0].get(0);
    let output = rotate(&world, &rotator, &["--compromised"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(
        (summary(&output)["rows_moved"].as_i64(), summary(&output)["bodies_sealed"].as_i64()),
        (Some(1200), Some(1))
    );
    assert_eq!(states(&world).await[..3], ["1 mask retired", "2 hash retired", "3 seal retired"]);
    assert!(is_whole(&world).await);
    every_token_opens(&world, 50).await;
    let unmasked = world.run(&["unmask", "--ip-hash", &old, "--reason", "a test"]);
    assert_eq!(unmasked.status.code(), Some(1), "an old handle finds nothing: {}", text(&unmasked));
    let body =
        world.run(&["unmask", "--quarantine", "1", "--reason", "a test", "--format", "json"]);
    assert_eq!(json_lines(&body)[0]["value"], "nonsense");
    world.load(&events(10, 50, 1000));
    assert!(is_whole(&world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_every_snapshot_all_rows_of_a_value_carry_one_token() {
    let (world, rotator) = world(10_000, 300).await;
    let stop = AtomicBool::new(false);
    let snapshots = std::sync::atomic::AtomicU32::new(0);
    let readers = [world.database.client().await, world.database.client().await];
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        for loader in 1..=2_u32 {
            let (world, stop) = (&world, &stop);
            scope.spawn(move || {
                let mut from = loader * 1_000_000;
                while !stop.load(Ordering::SeqCst) && from < loader * 1_000_000 + 30_000 {
                    // Long enough under way for a step to come between its masking and
                    // its commit, if nothing kept it off.
                    world.load(&events(2_500, 300, from));
                    from += 2_500;
                }
            });
        }
        scope.spawn(|| {
            let _stop = StopOnDrop(&stop);
            for number in 0..40 {
                if number >= 4 && snapshots.load(Ordering::SeqCst) >= SNAPSHOTS {
                    break;
                }
                let flags = if number == 1 {
                    &["--step-rows", "500", "--compromised"][..]
                } else {
                    &["--step-rows", "500"]
                };
                let output = rotate(&world, &rotator, flags);
                assert_eq!(output.status.code(), Some(0), "{}", text(&output));
                assert!(runtime.block_on(is_whole(&world)), "a value is split after a rotation");
            }
        });
        for reader in &readers {
            scope.spawn(|| {
                let _stop = StopOnDrop(&stop);
                while !stop.load(Ordering::SeqCst) {
                    let whole: bool = runtime
                        .block_on(reader.query_one(ONE_TOKEN, &[]))
                        .expect("a snapshot")
                        .get(0);
                    assert!(whole, "a value is split");
                    snapshots.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    let seen = snapshots.load(Ordering::SeqCst);
    assert!(seen >= SNAPSHOTS, "{seen} snapshots");
    assert!(is_whole(&world).await);
    every_token_opens(&world, 300).await;
}

/// Ends the others when one fails.
pub struct StopOnDrop<'a>(pub &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_rotators_at_once_make_one_rotation() {
    let (world, rotator) = world(20_000, 200).await;
    // Slow enough that none of them comes when another has ended the rotation: that one
    // would rightly start the next.
    let start = || {
        let mut command = world.command(&["rotate-keys", "--duty", "10%", "--format", "json"]);
        Running::start(command.env("LOGINETL_DATABASE_URL", &rotator.url))
    };
    let running: Vec<_> = (0..4).map(|_| start()).collect();
    let mut moved = 0;
    for output in running.into_iter().map(Running::finish) {
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        moved += summary(&output)["rows_moved"].as_i64().expect("a number");
    }
    assert_eq!(moved, 40_000, "each row once for each field");
    // Who was too late to start may have used up a number, or made a pending key, which
    // the next rotation uses.
    let states = states(&world).await;
    let begun: Vec<_> =
        states.iter().filter_map(|state| state.split_once(' ')).map(|(_, state)| state).collect();
    let begun: Vec<_> = begun.into_iter().filter(|state| !state.ends_with("pending")).collect();
    assert_eq!(begun, ["mask retired", "hash active", "seal active", "mask active"]);
    assert_eq!(world.database.count("select from audit.log where kind = 'rotate.start'").await, 1);
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_open_is_listed_and_its_key_stays() {
    let (world, rotator) = world(100, 20).await;
    world
        .database
        .execute("update user_logins set masked_ip = 'ip1.1.AAAA' where user_id in ('u-7', 'u-47')")
        .await;
    let hash: String =
        world.database.query("select ip_hash::text from user_logins where user_id = 'u-7'").await
            [0]
        .get(0);
    let output = rotate(&world, &rotator, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report = summary(&output);
    assert_eq!(
        report["not_opened"],
        serde_json::json!([{"what": "ip", "which": hash, "rows": 2}]),
        "{report}"
    );
    assert_eq!(
        (report["rows_moved"].as_i64(), &report["keys_left_retiring"]),
        (Some(198), &serde_json::json!([1]))
    );
    assert_eq!(states(&world).await[0], "1 mask retiring");
    // Repaired, it goes with the next rotation.
    world
        .database
        .execute(
            "update user_logins set masked_ip = (select masked_ip from user_logins \
               where user_id = 'u-27') where user_id in ('u-7', 'u-47')",
        )
        .await;
    assert_eq!(rotate(&world, &rotator, &[]).status.code(), Some(0));
    assert_eq!(states(&world).await[0], "1 mask retired");
    assert!(is_whole(&world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_move_in_one_direction_only() {
    let (world, _) = world(10, 5).await;
    for sql in [
        "update vault.data_keys set state = 'retired' where key_id = 1",
        "update vault.data_keys set state = 'destroyed' where key_id = 1",
        "update vault.data_keys set state = 'pending' where key_id = 1",
        "update vault.data_keys set check_value = decode(repeat('00', 16), 'hex') where key_id = 1",
        "update vault.data_keys set purpose = 'seal' where key_id = 1",
        "delete from vault.data_keys where key_id = 1",
        "insert into vault.data_keys (key_id, purpose, state, check_value) \
           values (9, 'mask', 'active', decode(repeat('00', 16), 'hex'))",
    ] {
        let error = world.database.client().await.batch_execute(sql).await.expect_err(sql);
        assert_eq!(error.code().map(|c| c.code()), Some("LG003"), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_destroyed_only_retired_empty_and_late_and_a_tombstone_stays() {
    let (world, rotator) = world(50, 5).await;
    let destroy =
        |flags: &[&str]| world.run_as(&rotator, &[&["keys", "destroy", "1"], flags].concat());
    let refused = |output: Output, said: &str| {
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        assert!(text(&output).contains(said), "{}", text(&output));
    };
    refused(destroy(&["--yes", "--after", "0m"]), "is not retired");
    let token: String =
        world.database.query("select masked_ip from user_logins limit 1").await[0].get(0);
    assert_eq!(rotate(&world, &rotator, &[]).status.code(), Some(0));
    refused(destroy(&["--yes"]), "a shorter time ago");
    assert_eq!(destroy(&["--after", "0m"]).status.code(), Some(2), "nobody can be asked");
    world
        .database
        .execute(&format!(
            "insert into user_logins (user_id, masked_ip, ip_hash) \
               values ('copy', '{token}', '00000000-0000-8000-8000-000000000000')"
        ))
        .await;
    refused(destroy(&["--yes", "--after", "0m"]), "still in use");
    world.database.execute("delete from user_logins where user_id = 'copy'").await;
    let output = destroy(&["--yes", "--after", "0m"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let listed = json_lines(&world.run_as(&rotator, &["keys", "list", "--format", "json"]));
    assert_eq!(
        (listed[0]["state"].as_str(), listed[0]["ingest"].is_null()),
        (Some("destroyed"), true)
    );
    assert_eq!(
        (listed[3]["state"].as_str(), listed[3]["in_use"].as_i64()),
        (Some("active"), Some(100))
    );
    let unmasked =
        world.run(&["unmask", "--token", &token, "--reason", "a test", "--format", "json"]);
    assert_eq!(json_lines(&unmasked)[0]["problem"], "destroyed_key");
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rewrap_puts_other_kms_keys_around_the_same_data_keys() {
    let (world, rotator) = world(20, 5).await;
    let kms = aws_sdk_kms::Client::new(
        &aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await,
    );
    let new = async || {
        kms.create_key()
            .send()
            .await
            .expect("a key")
            .key_metadata
            .expect("a key")
            .arn
            .expect("an ARN")
    };
    let (ingest, recovery) = (new().await, new().await);
    let checks =
        "select string_agg(encode(check_value, 'hex'), ' ' order by key_id) from vault.data_keys";
    let before: String = world.database.query(checks).await[0].get(0);
    let args = [
        "keys",
        "rewrap",
        "--ingest-key",
        &ingest,
        "--recovery-key",
        &recovery,
        "--format",
        "json",
    ];
    let output = world.run_as(&rotator, &args);
    assert_eq!(
        (output.status.code(), summary(&output)["replaced"].as_i64()),
        (Some(0), Some(6)),
        "{}",
        text(&output)
    );
    assert_eq!(
        summary(&world.run_as(&rotator, &args))["unchanged"],
        6,
        "a second run finds nothing to do"
    );
    assert_eq!(before, world.database.query(checks).await[0].get::<_, String>(0));
    let arns: Vec<String> = world
        .database
        .query("select distinct kms_key_arn from vault.wraps order by 1")
        .await
        .iter()
        .map(|r| r.get(0))
        .collect();
    let mut expected = vec![ingest.clone(), recovery];
    expected.sort();
    assert_eq!(arns, expected);
    world.load(&events(5, 5, 100));
    every_token_opens(&world, 5).await;
    let same = world.run_as(&rotator, &["keys", "rewrap", "--recovery-key", &ingest]);
    assert_eq!(same.status.code(), Some(2), "one KMS key for both holders: {}", text(&same));
    assert_eq!(world.run_as(&rotator, &["keys", "rewrap"]).status.code(), Some(2));
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_and_changes_nothing() {
    let (world, rotator) = world(60, 5).await;
    let output = world.run_as(&rotator, &["rotate-keys", "--dry-run", "--format", "json"]);
    let told: Value = summary(&output);
    assert_eq!(
        (told["rows"].as_i64(), told["longest_value"].as_i64(), told["unfinished"].as_bool()),
        (Some(60), Some(12), Some(false))
    );
    assert_eq!(states(&world).await.len(), 3);
    for group in ["loginetl_loader", "loginetl_analyst", "loginetl_unmasker", "loginetl_auditor"] {
        let login = world.database.login(group).await;
        assert_eq!(rotate(&world, &login, &[]).status.code(), Some(3), "{group}");
        assert_eq!(
            world.run_as(&login, &["keys", "destroy", "1", "--yes"]).status.code(),
            Some(3),
            "{group}"
        );
    }
    assert_eq!(states(&world).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_rows_of_an_earlier_loader_are_masked_in_place() {
    let world = World::new().await;
    world.load(&events(10, 5, 0));
    world
        .database
        .execute(
            "alter table user_logins add column ip inet, add column \"Device id\" text;
             insert into user_logins (user_id, ip, \"Device id\", create_date)
             select 'old-' || n, ('10.9.0.' || n % 5)::inet, 'device-' || n % 5, '2025-01-01'
               from generate_series(1, 2500) n;
             insert into user_logins (user_id, ip, \"Device id\")
               values ('odd', null, repeat('x', 200)), ('half', '10.9.0.1', null)",
        )
        .await;
    assert_eq!(
        summary(&world.run(&["status", "--format", "json"]))["rows_without_hash"]["ip"],
        2502
    );
    let args =
        ["backfill", "--ip-column", "ip", "--device-id-column", "Device id", "--format", "json"];
    let output = world.run(&args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report = summary(&output);
    assert_eq!(
        (report["rows_masked"].as_i64(), report["rows_not_masked"].as_i64()),
        (Some(2501), Some(1)),
        "{report}"
    );
    assert!(is_whole(&world).await, "old and new rows of one value carry one token");
    let plain = "select from user_logins where (ip is not null or \"Device id\" is not null) \
                   and user_id <> 'odd'";
    assert_eq!(world.database.count(plain).await, 0);
    assert_eq!(
        world
            .database
            .count("select from user_logins where user_id = 'odd' and masked_device_id is null")
            .await,
        1
    );
    assert_eq!(summary(&world.run(&args))["rows_masked"], 0, "a second run finds nothing to do");
    world.database.execute("delete from user_logins where user_id in ('odd', 'half')").await;
    every_token_opens(&world, 5).await;
    for (flags, exit) in [(&["--ip-column", "missing"][..], 2), (&[], 2)] {
        assert_eq!(
            world.run(&[&["backfill"], flags].concat()).status.code(),
            Some(exit),
            "{flags:?}"
        );
    }
    let runs =
        "select from audit.log where kind = 'load.run' and record::jsonb -> 'from' ? 'columns'";
    assert_eq!(world.database.count(runs).await, 2, "each run is on record");
    let loader = world.database.login("loginetl_loader").await;
    assert_eq!(world.run_as(&loader, &["backfill", "--ip-column", "ip"]).status.code(), Some(3));
    world
        .database
        .execute("alter table user_logins add device_id text, add wanted text, add under_ip text")
        .await;
    let output = rotate(&world, &world.database.login("loginetl_rotator").await, &[]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "columns of any name are no obstacle: {}",
        text(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_open_holds_up_no_other_rotation() {
    let (world, rotator) = world(10, 5).await;
    world.queue.send(&["nonsense".to_owned(), "more".to_owned()]).await;
    world.drain(0);
    world
        .database
        .execute("update ingest.quarantine set sealed = substr(sealed, 1, 40) where id = 1")
        .await;
    let sealed = rotate(&world, &rotator, &["--purpose", "seal"]);
    assert_eq!(
        (sealed.status.code(), summary(&sealed)["bodies_sealed"].as_i64()),
        (Some(1), Some(1)),
        "{}",
        text(&sealed)
    );
    let masked = rotate(&world, &rotator, &[]);
    assert_eq!(summary(&masked)["rows_moved"], 20, "{}", text(&masked));
    assert_eq!(world.run(&["quarantine", "purge", "1", "--yes"]).status.code(), Some(0));
    assert_eq!(rotate(&world, &rotator, &["--compromised"]).status.code(), Some(0));
    assert_eq!(
        world.database.count("select from vault.data_keys where state = 'retiring'").await,
        0
    );
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0));
}

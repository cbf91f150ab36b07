//! `rotate-keys` with three fields: one token per value in every snapshot, whatever runs
//! beside it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::{ONE_USER_TOKEN, UNMASKED, events, is_whole, verify, world};
use crate::rotate::{StopOnDrop, rand, rotate, rows_by_key};
use crate::support::{Running, World, json_lines, summary, text};

/// Whether each value has one token, in one pass over the rows a field.
const ONE_TOKEN: &str = "select
    not exists (select from user_logins group by ip_hash having min(masked_ip) <> max(masked_ip))
    and not exists (select from user_logins group by device_id_hash
                    having min(masked_device_id) <> max(masked_device_id))
    and not exists (select from user_logins group by user_id_hash
                    having min(masked_user_id) <> max(masked_user_id))";

/// So many snapshots are looked at while rotations run.
const SNAPSHOTS: u32 = 150;

/// Every user id's token opens to what its row came with.
async fn every_user_opens(world: &World, values: usize) {
    let tokens = "select distinct masked_user_id from user_logins";
    let tokens: Vec<String> =
        world.database.query(tokens).await.iter().map(|row| row.get(0)).collect();
    let flags = &["unmask", "--from", "-", "--format", "json", "--reason", "a test"];
    let output = world.run_with_input(flags, tokens.join("\n").as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let mut users: Vec<String> = json_lines(&output)
        .iter()
        .filter(|answer| answer["field"] == "user_id")
        .filter_map(|answer| answer["value"].as_str().map(str::to_owned))
        .collect();
    users.sort();
    users.dedup();
    assert_eq!(users.len(), values, "each value once");
    assert!(users.iter().all(|user| user.starts_with("user-")), "{:?}", &users[..2]);
}

async fn newest_key(world: &World) -> String {
    let key =
        "select key_id::text from vault.data_keys where purpose = 'mask' and state = 'active'";
    world.database.query(key).await[0].get(0)
}

/// All rows of the three fields are under the active key.
async fn is_through(world: &World, rows: i64) {
    let key = newest_key(world).await;
    let expected = ["device_id", "ip", "user_id"].map(|field| (format!("{field} {key}"), rows));
    assert_eq!(rows_by_key(world).await, expected);
    let odd = "select from vault.data_keys where state in ('pending', 'retiring')";
    assert_eq!(world.database.count(odd).await, 0);
    assert!(is_whole(world).await);
    verify(world);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_moves_in_three_fields_and_hashes_stay_but_for_a_compromised_key() {
    let world = world().await;
    world.load(&events(300, 25, 0));
    let rotator = world.database.login("loginetl_rotator").await;
    let old: String =
        world.database.query("select masked_user_id from user_logins limit 1").await[0].get(0);
    let count = "select count(distinct user_id_hash) from user_logins";
    world
        .database
        .execute("create table known as select distinct user_id_hash from user_logins")
        .await;
    for (flags, is_kept) in [(&[][..], true), (&["--compromised"], false)] {
        let output = rotate(&world, &rotator, flags);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert_eq!(summary(&output)["rows_moved"], 900, "each row once for each field");
        is_through(&world, 300).await;
        let kept = "select from user_logins join known using (user_id_hash)";
        assert_eq!(world.database.count(kept).await, if is_kept { 300 } else { 0 });
        assert_eq!(world.database.query(count).await[0].get::<_, i64>(0), 25);
    }
    every_user_opens(&world, 25).await;
    let unmasked =
        world.run(&["unmask", "--token", &old, "--reason", "a test", "--format", "json"]);
    assert_eq!(unmasked.status.code(), Some(0), "an old token opens: {}", text(&unmasked));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_snapshot_shows_a_split_value_while_loads_and_rotations_run() {
    let world = world().await;
    world.load(&events(3_000, 150, 0));
    let rotator = world.database.login("loginetl_rotator").await;
    let stop = AtomicBool::new(false);
    let snapshots = AtomicU32::new(0);
    let reader = world.database.client().await;
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        for loader in 1..=2_u32 {
            let (world, stop) = (&world, &stop);
            scope.spawn(move || {
                let mut from = loader * 1_000_000;
                while !stop.load(Ordering::SeqCst) && from < loader * 1_000_000 + 12_000 {
                    // Long enough under way for a step to come between
                    // masking and commit.
                    world.load(&events(1_500, 150, from));
                    from += 1_500;
                }
            });
        }
        scope.spawn(|| {
            let _stop = StopOnDrop(&stop);
            for number in 0..20 {
                if number >= 3 && snapshots.load(Ordering::SeqCst) >= SNAPSHOTS {
                    break;
                }
                let compromised = if number == 1 { &["--compromised"][..] } else { &[] };
                let flags = [&["--step-rows", "300"], compromised].concat();
                let output = rotate(&world, &rotator, &flags);
                assert_eq!(output.status.code(), Some(0), "{}", text(&output));
                assert!(runtime.block_on(is_whole(&world)), "a value is split after a rotation");
            }
        });
        scope.spawn(|| {
            let _stop = StopOnDrop(&stop);
            while !stop.load(Ordering::SeqCst) {
                let row = runtime.block_on(reader.query_one(ONE_TOKEN, &[])).expect("a snapshot");
                assert!(row.get::<_, bool>(0), "a value is split");
                snapshots.fetch_add(1, Ordering::SeqCst);
            }
        });
    });
    let seen = snapshots.load(Ordering::SeqCst);
    assert!(seen >= SNAPSHOTS, "{seen} snapshots");
    assert!(is_whole(&world).await);
    let rows = world.database.count("select from user_logins").await;
    assert!(rows >= 3_000 + 2 * 1_500, "{rows} rows: the loaders loaded");
    assert_eq!(world.database.count(UNMASKED).await, 0);
    every_user_opens(&world, 150).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_and_run_again_it_goes_through_the_three_fields() {
    let world = world().await;
    world.load(&events(1_500, 50, 0));
    let rotator = world.database.login("loginetl_rotator").await;
    let mut killed = 0;
    for number in 0..12 {
        let compromised = if number % 5 == 4 { &["--compromised"][..] } else { &[] };
        let flags = [&["rotate-keys", "--duty", "20%", "--step-rows", "100"], compromised].concat();
        let mut command = world.command(&flags);
        let mut running = Running::start(command.env("LOGINETL_DATABASE_URL", &rotator.url));
        tokio::time::sleep(Duration::from_millis(100 + rand() % 500)).await;
        killed += u32::from(running.child().try_wait().expect("a state").is_none());
        drop(running);
        let whole: bool = world.database.query(ONE_TOKEN).await[0].get(0);
        assert!(whole && world.database.query(ONE_USER_TOKEN).await[0].get::<_, bool>(0), "killed");
    }
    assert!(killed >= 3, "{killed} were killed");
    // What was begun is ended; a rotation that changes the hashes may have
    // left a pending key.
    for flags in [&["--compromised"][..], &["--compromised"], &[]] {
        let output = rotate(&world, &rotator, flags);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    is_through(&world, 1_500).await;
    every_user_opens(&world, 50).await;
}

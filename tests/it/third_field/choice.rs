//! `init --mask-user-id`: chosen once, on record, for good, whatever runs beside it.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::{CLEAR, NINE_COLUMNS, UNMASKED, columns, event_of, events, is_whole, mask, verify};
use crate::rotate::rotate;
use crate::support::{Running, World, event, eventually, summary, text};

const RECORDS: &str = "select from audit.log where kind = 'field.mask'";

async fn is_recorded_once(world: &World) {
    assert_eq!(world.database.count(RECORDS).await, 1);
    let signed = "select from audit.log join audit.signatures using (seq)
                  where kind = 'field.mask' and record::jsonb ->> 'field' = 'user_id'";
    assert_eq!(world.database.count(signed).await, 1, "it is signed and names the field");
    verify(world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_database_masks_user_ids_from_the_first_row_on_and_for_good() {
    let world = World::bare().await;
    let output = world.run(&["init", "--mask-user-id", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let all = json!(["ip", "device_id", "user_id"]);
    assert_eq!(summary(&output)["masked_fields"], all, "{}", text(&output));
    is_recorded_once(&world).await;
    let types = "select string_agg(format_type(atttypid, atttypmod), ', ' order by attname)
                 from pg_attribute where attrelid = 'user_logins'::regclass
                   and attname in ('masked_user_id', 'user_id_hash')";
    let types: String = world.database.query(types).await[0].get(0);
    assert_eq!(types, "character varying(1024), uuid");

    for flags in [&["init", "--mask-user-id"][..], &["init"]] {
        let again = world.run(flags);
        assert_eq!(again.status.code(), Some(0), "{}", text(&again));
        assert!(text(&again).contains("nothing to do"), "{}", text(&again));
    }
    let plain = world.run(&["init", "--format", "json"]);
    assert_eq!(summary(&plain)["masked_fields"], all, "without the flag it stays masked");
    is_recorded_once(&world).await;
    world.load(&[event(1)]);
    assert_eq!(world.database.count(CLEAR).await + world.database.count(UNMASKED).await, 0);
    for sql in ["delete from vault.fields", "update vault.fields set field = 'x'"] {
        assert!(world.database.client().await.batch_execute(sql).await.is_err(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_there_keep_their_user_ids_and_the_next_have_none() {
    let world = World::new().await;
    world.load(&(1..=3).map(event).collect::<Vec<_>>());
    let rows = "select string_agg(concat_ws(' ', user_id, masked_ip, masked_device_id, ip_hash,
                    device_id_hash, app_version, create_date), ', ' order by user_id)
                      from user_logins";
    let before: String = world.database.query(rows).await[0].get(0);
    let output = mask(&world);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("user_id is masked from now on"), "{told}");
    assert!(told.contains("backfill --user-id-column user_id"), "it says what to do: {told}");
    assert_eq!(world.database.query(rows).await[0].get::<_, String>(0), before);
    is_recorded_once(&world).await;
    world.load(&[event(4), event_of(5, "u-1")]);
    assert_eq!(world.database.count(CLEAR).await, 3);
    assert_eq!(world.database.count(UNMASKED).await, 3);
    let old = "select from user_logins where user_id is null and ip_hash is null";
    assert_eq!(world.database.count(old).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_masks_nothing() {
    let world = World::new().await;
    for group in [
        "loginetl_loader",
        "loginetl_analyst",
        "loginetl_unmasker",
        "loginetl_rotator",
        "loginetl_auditor",
    ] {
        let login = world.database.login(group).await;
        let output = world.run_as(&login, &["init", "--mask-user-id"]);
        assert_eq!(output.status.code(), Some(3), "{group}: {}", text(&output));
    }
    assert_eq!(columns(&world).await, NINE_COLUMNS);
    assert_eq!(world.database.count(RECORDS).await, 0);
    world.load(&[event(1)]);
    assert_eq!(world.database.count(CLEAR).await, 1);
}

/// It masked its first message by a plan without user ids; the guard refuses it the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_runs_goes_on_and_writes_no_clear_user_id_any_more() {
    let world = World::new().await;
    let loader = world.spawn(&["load"]);
    let is_loaded =
        async |count: i64| world.database.count("select from user_logins").await >= count;
    world.queue.send(&(0..20).map(event).collect::<Vec<_>>()).await;
    eventually("rows with user ids", async || is_loaded(20).await).await;
    world.queue.send(&(20..320).map(event).collect::<Vec<_>>()).await;
    mask(&world);
    let clear = world.database.count(CLEAR).await;
    world.queue.send(&(320..400).map(event).collect::<Vec<_>>()).await;
    eventually("all rows", async || is_loaded(400).await).await;
    assert_eq!(world.database.count(CLEAR).await, clear, "none comes after the commit");
    assert_eq!(world.database.count(UNMASKED).await, clear);
    assert_eq!(world.database.count("select from user_logins").await, 400, "each once");
    let output = loader.signal(Signal::SIGTERM);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(world.queue.depth().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_be_chosen_while_a_rotation_is_unfinished() {
    let world = World::new().await;
    world.load(&events(6_000, 200, 0));
    let rotator = world.database.login("loginetl_rotator").await;
    let mut command = world.command(&["rotate-keys", "--duty", "10%", "--step-rows", "100"]);
    let running = Running::start(command.env("LOGINETL_DATABASE_URL", &rotator.url));
    let begun =
        "select from vault.rotation where watermark > '00000000-0000-0000-0000-000000000000'";
    eventually("it has begun", async || world.database.count(begun).await > 0).await;
    drop(running);
    let open = "select from vault.rotation where finished_at is null";
    assert_eq!(world.database.count(open).await, 2, "it is unfinished");

    mask(&world);
    world.load(&events(300, 200, 10_000));
    assert_eq!(world.database.count(UNMASKED).await, 6_000);
    assert!(is_whole(&world).await, "between the two");
    let output = rotate(&world, &rotator, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(is_whole(&world).await, "after the first rotation");
    world.load(&events(300, 200, 20_000));
    let output = rotate(&world, &rotator, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let expected = [("device_id", 6_600), ("ip", 6_600), ("user_id", 600)];
    let key = world.database.query("select max(key_id)::text from vault.data_keys").await;
    let key: String = key[0].get(0);
    let expected = expected.map(|(field, rows)| (format!("{field} {key}"), rows));
    let census = "select field || ' ' || key_id, row_count from vault.census
                  where key_id is not null order by 1";
    let census = world.database.query(census).await;
    let census: Vec<(String, i64)> = census.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(census, expected);
    assert!(is_whole(&world).await);
    verify(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_at_once_mask_it_once() {
    let world = World::new().await;
    let loader = world.spawn(&["load"]);
    world.queue.send(&(0..50).map(event).collect::<Vec<_>>()).await;
    let running: Vec<_> = (0..3).map(|_| world.spawn(&["init", "--mask-user-id"])).collect();
    for output in running.into_iter().map(Running::finish) {
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(loader.signal(Signal::SIGTERM).status.code(), Some(0));
    is_recorded_once(&world).await;
}

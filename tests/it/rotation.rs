//! Loading while a rotation stands in the vault: each value's key is decided by its place
//! in the sweep.

use std::time::Duration;

use aws_sdk_kms::primitives::Blob;
use loginetl::crypto::SecretBytes;
use loginetl::token::{DataKey, Purpose};
use nix::sys::signal::Signal;

use crate::support::{World, event, eventually, setting, text};

/// Rows whose token is not under the key that the plan asks for.
const MISPLACED: &str = "select from user_logins, vault.plan where
    masked_ip not like 'ip1.' || case when ip_hash <= ip_watermark then ip_to_mask
      else ip_from_mask end || '.%'
    or masked_device_id not like 'dev1.' || case when device_id_hash <= device_id_watermark
                                                 then device_id_to_mask
                                                   else device_id_from_mask end || '.%'";

/// Starts a rotation to key 4 with both watermarks in the middle, in one transaction
/// under the exclusive fence.
const START: &str = "begin;
    lock table vault.fence in exclusive mode;
    update vault.data_keys set state = 'retiring' where key_id = 1;
    update vault.data_keys set state = 'active' where key_id = 4;
    insert into vault.rotation (field, from_key, to_key, from_hash_key, to_hash_key, watermark)
    select field, 1, 4, 2, 2, '80000000-0000-0000-0000-000000000000'
      from (values ('ip'), ('device_id')) as f (field);
    commit";

/// Writes a pending mask key 4 with an ingest wrap, as `rotate-keys` would.
async fn pending_key(world: &World) {
    let secret: Vec<u8> = (100..164).collect();
    let key = DataKey::new(Purpose::Mask, SecretBytes::new(secret.clone())).expect("64 bytes");
    let kms = aws_sdk_kms::Client::new(
        &aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await,
    );
    let mut request =
        kms.encrypt().key_id(setting("LOGINETL_INGEST_KEY")).plaintext(Blob::new(secret));
    for (name, value) in
        [("app", "loginetl"), ("purpose", "mask"), ("key_id", "4"), ("holder", "ingest")]
    {
        request = request.encryption_context(name, value);
    }
    let wrapped = request.send().await.expect("a wrap");
    let arn = wrapped.key_id().expect("an ARN").to_owned();
    let blob = wrapped.ciphertext_blob().expect("a wrap").clone().into_inner();
    let client = world.database.client().await;
    let check_value = key.check_value().to_vec();
    client
        .execute(
            "insert into vault.data_keys (key_id, purpose, state, check_value) \
               values (4, 'mask', 'pending', $1)",
            &[&check_value],
        )
        .await
        .expect("a key");
    client
        .execute(
            "insert into vault.wraps (key_id, holder, kms_key_arn, wrapped) \
               values (4, 'ingest', $1, $2)",
            &[&arn, &blob],
        )
        .await
        .expect("a wrap");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_loader_learns_the_new_key_inside_its_next_batch() {
    let world = World::new().await;
    pending_key(&world).await;
    let loader = world.spawn(&["load"]);
    world.queue.send(&(0..50).map(event).collect::<Vec<_>>()).await;
    eventually("rows under the old key", async || {
        world.database.count("select from user_logins").await == 50
    })
    .await;
    assert_eq!(
        world.database.count("select from user_logins where masked_ip like 'ip1.1.%'").await,
        50
    );

    world.database.execute(START).await;
    world.database.execute("delete from user_logins").await;
    world.queue.send(&(1_000..1_200).map(event).collect::<Vec<_>>()).await;
    eventually("rows under both keys", async || {
        world.database.count("select from user_logins").await == 200
    })
    .await;
    assert_eq!(
        world.database.count(MISPLACED).await,
        0,
        "each value is under the key of its place"
    );
    for key in ["ip1.1.%", "ip1.4.%", "dev1.1.%", "dev1.4.%"] {
        let column = if key.starts_with("ip") { "masked_ip" } else { "masked_device_id" };
        assert!(
            world
                .database
                .count(&format!("select from user_logins where {column} like '{key}'"))
                .await
                > 50,
            "{key}"
        );
    }

    // The watermark moves on, alone: no new key to learn, and the guard alone notices.
    world
        .database
        .execute(
            "begin; lock table vault.fence in exclusive mode; update vault.rotation \
               set watermark = 'ffffffff-ffff-ffff-ffff-ffffffffffff'; commit",
        )
        .await;
    world.database.execute("delete from user_logins").await;
    world.queue.send(&(2_000..2_050).map(event).collect::<Vec<_>>()).await;
    eventually("rows under the new key", async || {
        world.database.count("select from user_logins").await == 50
    })
    .await;
    assert_eq!(
        world
            .database
            .count(
                "select from user_logins where masked_ip like 'ip1.4.%' \
                   and masked_device_id like 'dev1.4.%'"
            )
            .await,
        50
    );
    let output = loader.signal(Signal::SIGTERM);
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_retries_follow_the_plan_too() {
    let world = World::new().await;
    pending_key(&world).await;
    let bad = event(7).replace("2.3.0", "1.1000");
    world.queue.send(&[bad]).await;
    world.drain(0);
    world.database.execute(START).await;
    let lines: String = (0..3_000).map(|n| event(n) + "\n").collect();
    let output = world.run_with_input(&["load", "--file", "-"], lines.as_bytes());
    assert!(output.status.success(), "{}", text(&output));
    let output = world.run(&["quarantine", "retry", "--app-version", "digits"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(world.database.count("select from user_logins").await, 3_001);
    assert_eq!(world.database.count(MISPLACED).await, 0);
    let split =
        "select ip_hash from user_logins group by ip_hash having count(distinct masked_ip) > 1";
    assert_eq!(world.database.count(split).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_masked_before_a_step_is_masked_again_under_the_fence() {
    let world = World::new().await;
    pending_key(&world).await;
    // The fence is held while the loader masks its first chunk by the old plan: first to
    // a key that it does not know yet, then with keys that it knows and a watermark that
    // has moved.
    let started = START.trim_start_matches("begin;").trim_end_matches("commit");
    let moved = "lock table vault.fence in exclusive mode; update vault.rotation \
                   set watermark = 'c0000000-0000-0000-0000-000000000000'";
    for (number, change) in [started, moved].into_iter().enumerate() {
        let mut rotator = world.database.client().await;
        let transaction = rotator.transaction().await.expect("a transaction");
        transaction.batch_execute(change).await.expect("a step");
        world.database.execute("delete from user_logins").await;
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let events =
            (0..2_000).map(|n| event(10_000 * number as u32 + n) + "\n").collect::<String>();
        std::io::Write::write_all(&mut file, events.as_bytes()).expect("written");
        let loader = world.spawn(&["load", "--file", file.path().to_str().expect("a path")]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        transaction.commit().await.expect("committed");
        let output = loader.finish();
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(world.database.count("select from user_logins").await, 2_000);
        assert_eq!(world.database.count(MISPLACED).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_may_not_unwrap_the_new_key_stops_and_loses_nothing() {
    let world = World::new().await;
    pending_key(&world).await;
    world.database.execute("update vault.wraps set wrapped = '\\x00' where key_id = 4").await;
    let loader = world.spawn(&["load"]);
    world.queue.send(&[event(1)]).await;
    eventually("a row", async || world.database.count("select from user_logins").await == 1).await;
    world.database.execute(START).await;
    world.queue.send(&(2..30).map(event).collect::<Vec<_>>()).await;
    let output = loader.finish();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert_eq!(world.database.count("select from user_logins").await, 1);
    assert_eq!(world.queue.depth().await, (28, 0), "everything was given back");
}

//! A minute without a database, a minute of kills, a hang to its time limit, rotations
//! beside two loaders: with the instrument in SQS's place.

#![allow(clippy::print_stderr, reason = "a soak is run for its figures, too")]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::instrument::Operation;
use crate::instrumented::{Instrumented, stop};
use crate::support::{PgProxy, Running, eventually, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_without_a_database_sends_nothing_to_the_dead_letters() {
    const EVENTS: u32 = 200_000;
    let it = Instrumented::with("logins", 5).await;
    it.sqs.faults(|f| f.rtt = Duration::from_millis(5));
    it.fill(EVENTS);
    let (server, url) = PgProxy::start(&it.world.database.url);
    let mut command = it.command(&["load", "--visibility-timeout", "30"]);
    let loader = Running::start(command.env("LOGINETL_DATABASE_URL", url).env("RUST_LOG", "error"));
    it.wait_for_rows(20_000).await;
    server.close();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let received = it.queue.stats().received;
    tokio::time::sleep(Duration::from_secs(55)).await;
    let stats = it.queue.stats();
    assert!(
        stats.in_flight > 0 && stats.expired == 0 && stats.given_back == 0,
        "kept in hand: {stats:?}"
    );
    assert_eq!(stats.received, received, "nothing more is taken: {stats:?}");
    let rows = it.rows().await;
    server.open();
    let took = it.wait_for_rows(rows + 1).await;
    eprintln!("loading resumed after {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    it.wait_for_rows(i64::from(EVENTS)).await;
    eventually("all are deleted", async || it.queue.stats().deleted == u64::from(EVENTS)).await;
    it.stop_idle([loader]).await;
    it.assert_exactly_once(0).await;
    assert_eq!(it.queue.stats().max_receive_count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn receives_that_hang_are_given_up_at_their_time_limit() {
    let it = Instrumented::new().await;
    it.sqs.faults(|f| {
        (f.rtt, f.operations, f.hang_next) =
            (Duration::from_millis(5), vec![Operation::ReceiveMessage], 0)
    });
    it.fill(20_000);
    let loader = it.load(&["--receivers", "4"]);
    it.wait_for_rows(500).await;
    // All four, so that nobody else goes on.
    it.sqs.faults(|f| f.hang_next = 4);
    eventually("four receives hang", async || it.sqs.stats().hung == 4).await;
    let hung = Instant::now();
    let rows = it.rows().await;
    assert!(rows < 19_000, "in the middle of a load");
    it.wait_for_rows(19_000).await;
    let took = hung.elapsed();
    eprintln!("four receives that hang were given up and all was loaded within {took:?}");
    assert!((10..25).contains(&took.as_secs()), "the polls' time and ten seconds: {took:?}");
    it.wait_for_rows(20_000).await;
    it.wait_until_deleted().await;
    it.stop_idle([loader]).await;
    it.assert_exactly_once(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_loaders_is_killed_every_second_for_a_minute() {
    const EACH: u32 = 1_500;
    let it = Instrumented::new().await;
    it.sqs.faults(|f| (f.rtt, f.duplicates, f.refused) = (Duration::from_millis(2), 0.1, 0.01));
    let start = || it.load(&["--visibility-timeout", "10", "--batch-rows", "200"]);
    let mut loaders = [start(), start()];
    for second in 0..60 {
        it.fill_more(EACH);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let victim = std::mem::replace(&mut loaders[second % 2], start());
        victim.signal(Signal::SIGKILL);
    }
    it.wait_for_rows(i64::from(60 * EACH)).await;
    it.wait_until_deleted().await;
    it.stop_idle(loaders).await;
    it.assert_exactly_once(0).await;
    let stats = it.queue.stats();
    assert!(stats.expired > 0 && stats.duplicated > u64::from(EACH), "{stats:?}");
    assert_eq!(it.deadlocks().await, 0);
    eprintln!("{stats:?}");
}

/// One token a value and one value a token, of each field, in one snapshot;
/// and how many rows.
fn whole(fields: &[&str]) -> String {
    let is_whole = |field: &&str| {
        format!(
            "count(distinct masked_{field}) = count(distinct {field}_hash)
             and count(distinct (masked_{field}, {field}_hash)) = count(distinct {field}_hash)"
        )
    };
    format!(
        "select {}, count(*) from user_logins",
        fields.iter().map(is_whole).collect::<Vec<_>>().join(" and ")
    )
}

/// A login whose address and device come again and again, and its user, if there are
/// `users` of them.
fn login(n: u32, users: u32) -> String {
    let (value, user) = (n % 200, n % users);
    format!(
        "{{\"user_id\": \"u-{user}\", \"app_version\": \"1.0.0\", \
         \"ip\": \"10.9.0.{value}\", \"device_id\": \"device-{value}\"}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_match_in_every_snapshot_while_keys_rotate_beside_two_loaders() {
    duplicates_match_in_every_snapshot(&["ip", "device_id"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_do_those_of_masked_user_ids() {
    duplicates_match_in_every_snapshot(&["ip", "device_id", "user_id"]).await;
}

async fn duplicates_match_in_every_snapshot(fields: &[&str]) {
    const SNAPSHOTS: u32 = 500;
    let it = Instrumented::new().await;
    let has_users = fields.contains(&"user_id");
    if has_users {
        assert!(it.world.run(&["init", "--mask-user-id"]).status.success());
    }
    let (whole, users) = (whole(fields), if has_users { 150 } else { u32::MAX });
    it.sqs.faults(|f| (f.rtt, f.duplicates) = (Duration::from_millis(2), 0.1));
    let rotator = it.world.database.login("loginetl_rotator").await;
    let loaders = [(); 2].map(|()| it.load(&["--batch-rows", "50"]));
    let (ended, snapshots, rotations) =
        (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let sent = AtomicU32::new(0);
    let look = async || {
        let client = it.world.database.client().await;
        let mut most = 0;
        while !ended.load(Ordering::SeqCst) {
            let row = client.query_one(&whole, &[]).await.expect("a snapshot");
            assert!(row.get::<_, bool>(0), "a value is split");
            most = row.get::<_, i64>(1).max(most);
            snapshots.fetch_add(1, Ordering::SeqCst);
        }
        most
    };
    let feed = async || {
        while !ended.load(Ordering::SeqCst) {
            let from = sent.fetch_add(50, Ordering::SeqCst);
            it.queue.send(&(from..from + 50).map(|n| login(n, users)).collect::<Vec<_>>());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let rotate = async || {
        while snapshots.load(Ordering::SeqCst) < SNAPSHOTS || rotations.load(Ordering::SeqCst) < 6 {
            let mut command = it.world.command(&["rotate-keys", "--duty", "100%"]);
            let rotating = Running::start(command.env("LOGINETL_DATABASE_URL", &rotator.url));
            let output = tokio::task::spawn_blocking(|| rotating.finish()).await.expect("it ends");
            assert_eq!(output.status.code(), Some(0), "{}", text(&output));
            rotations.fetch_add(1, Ordering::SeqCst);
        }
        ended.store(true, Ordering::SeqCst);
    };
    let (_, _, first, second) = tokio::join!(rotate(), feed(), look(), look());
    let sent = sent.load(Ordering::SeqCst);
    it.wait_for_rows(i64::from(sent)).await;
    it.wait_until_deleted().await;
    for loader in loaders {
        stop(loader);
    }
    if has_users {
        assert_eq!(
            it.world.database.count("select from user_logins").await,
            i64::from(sent),
            "no row tells its message"
        );
        assert_eq!(
            it.world.database.count("select from user_logins where user_id is not null").await,
            0
        );
    } else {
        it.assert_exactly_once(0).await;
    }
    assert!(first.max(second) > 5_000, "rows came while it was looked");
    eprintln!("{snapshots:?} snapshots, {rotations:?} rotations, {sent} events");
}

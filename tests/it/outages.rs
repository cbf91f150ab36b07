//! A database that goes away, fails over or is full in the middle of a load: the queue
//! waits, and nothing is lost, doubled, quarantined or dead.

use std::time::Duration;

use crate::instrumented::Instrumented;
use crate::support::{PgProxy, Running, eventually, text};

const EVENTS: u32 = 8_000;

/// A loader in the middle of its work, with a queue where the third receive is the last.
async fn at_work() -> (Instrumented, Running) {
    let it = Instrumented::with("logins", 3).await;
    let loader = start(&it, None).await;
    (it, loader)
}

/// The same on another way to the database.
async fn start(it: &Instrumented, url: Option<&str>) -> Running {
    it.sqs.faults(|f| f.rtt = Duration::from_millis(5));
    it.fill(EVENTS);
    let mut command = it.command(&["load", "--visibility-timeout", "10", "--receivers", "8"]);
    command.env("LOGINETL_DATABASE_URL", url.unwrap_or(&it.world.database.url));
    let loader = Running::start(command.env("RUST_LOG", "loginetl=warn"));
    it.wait_for_rows(500).await;
    loader
}

/// Everything is loaded in the end, nothing is in quarantine or received too often, and
/// the loader has said what it met.
async fn all_is_loaded(it: Instrumented, loader: Running, met: &str) {
    it.wait_for_rows(i64::from(EVENTS)).await;
    eventually("all are deleted", async || it.queue.still_here().is_empty()).await;
    let output = it.stop_idle([loader]).await.remove(0);
    assert!(text(&output).contains(met), "{}", text(&output));
    it.assert_exactly_once(0).await;
    assert!(it.queue.stats().max_receive_count <= 2, "{:?}", it.queue.stats());
}

/// Rows grow again within 5 s.
async fn resumes(it: &Instrumented) {
    let rows = it.rows().await;
    assert!(rows < i64::from(EVENTS), "in the middle of a load");
    let took = it.wait_for_rows(rows + 1).await;
    assert!(took < Duration::from_secs(5), "it took {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_waited_for() {
    let it = Instrumented::with("logins", 3).await;
    let (server, url) = PgProxy::start(&it.world.database.url);
    let loader = start(&it, Some(&url)).await;
    server.close();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let held = it.queue.stats();
    assert!(
        held.in_flight > 0 && held.visible > 0,
        "what is in hand is kept, the rest is left alone: {held:?}"
    );
    assert_eq!(held.given_back, 0, "{held:?}");
    server.open();
    resumes(&it).await;
    all_is_loaded(it, loader, "cannot connect to the database").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_lets_nobody_in_is_waited_for() {
    let (it, loader) = at_work().await;
    it.world.database.shut().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let held = it.queue.stats();
    assert!(held.in_flight > 0 && held.given_back == 0, "what is in hand is kept: {held:?}");
    it.world.database.open().await;
    resumes(&it).await;
    all_is_loaded(it, loader, "SQLSTATE 55000").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_to_a_server_that_only_reads_is_waited_for() {
    let (it, loader) = at_work().await;
    let database = &it.world.database;
    // A default has no say; the server itself says no, as a standby does.
    let only_reads = "create function only_reads() returns trigger language plpgsql as $$
        begin raise exception 'cannot execute INSERT in a read-only transaction' using errcode =
          '25006'; end $$;
        create trigger only_reads before insert on user_logins for each row execute function
          only_reads()";
    database.execute(only_reads).await;
    database.cut().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    database.execute("drop function only_reads cascade").await;
    database.cut().await;
    resumes(&it).await;
    all_is_loaded(it, loader, "SQLSTATE 25006").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_is_waited_for() {
    let (it, loader) = at_work().await;
    let full = "create function full_disk() returns trigger language plpgsql as $$
        begin raise exception 'could not extend file' using errcode = '53100'; end $$;
        create trigger full_disk before insert on user_logins for each row execute function
          full_disk()";
    it.world.database.execute(full).await;
    let rows = it.rows().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(it.rows().await, rows, "nothing is written");
    it.world.database.execute("drop function full_disk cascade").await;
    resumes(&it).await;
    all_is_loaded(it, loader, "SQLSTATE 53100").await;
}

//! How a run ended, and what is well, is told as it is: a file that changed meanwhile, a
//! backfill that failed, a service that nobody asked.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio_postgres::Client;

use crate::instrument::{Instrument, Options};
use crate::support::{Action, Proxy, Running, World, event, eventually, summary, text};

/// More than a loader reads ahead of its writers.
const LINES: u32 = 60_000;

fn file(from: u32) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let lines: String = (from..from + LINES).map(|n| event(n) + "\n").collect();
    file.write_all(lines.as_bytes()).expect("written");
    file
}

/// Holds the fence, so that whoever writes rows waits for it.
async fn hold_the_fence(world: &World) -> Client {
    let holder = world.database.client().await;
    holder
        .batch_execute("begin; lock table vault.fence in access exclusive mode")
        .await
        .expect("the fence");
    holder
}

async fn somebody_waits_for_the_fence(world: &World) {
    let waiting = "select from pg_locks where relation = 'vault.fence'::regclass and not granted";
    eventually("somebody waits for the fence", async || world.database.count(waiting).await > 0)
        .await;
}

/// The last digits of the last line become others.
fn overwrite(path: &Path) {
    let mut file = OpenOptions::new().write(true).open(path).expect("the file");
    file.seek(SeekFrom::End(-8)).expect("its end");
    file.write_all(b"00000\"}\n").expect("written");
}

fn cut(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).expect("the file");
    file.set_len(file.metadata().expect("a length").len() - 300).expect("shorter");
}

fn append(path: &Path) {
    let mut file = OpenOptions::new().append(true).open(path).expect("the file");
    writeln!(file, "{}", event(1)).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_it_is_loaded_is_a_finding_and_one_that_grows_is_none() {
    let world = World::new().await;
    type Change = fn(&Path);
    let changes: [(&str, Change, i32); 3] =
        [("overwritten", overwrite, 5), ("cut", cut, 5), ("longer", append, 0)];
    for (number, (what, change, exit)) in (0..).zip(changes) {
        let file = file(number * LINES);
        let path = file.path().to_str().expect("a path");
        let rows = world.database.count("select from user_logins").await;
        let holder = hold_the_fence(&world).await;
        let loader = world.spawn(&["load", "--file", path, "--format", "json"]);
        somebody_waits_for_the_fence(&world).await;
        change(file.path());
        holder.batch_execute("rollback").await.expect("the end");
        let output = loader.finish();
        assert_eq!(output.status.code(), Some(exit), "{what}: {}", text(&output));
        let loaded = world.database.count("select from user_logins").await - rows;
        assert_eq!(summary(&output)["loaded"], loaded, "{what}: {}", text(&output));
        let end = "select record::jsonb ->> 'end' from audit.log where kind = 'load.run' \
                     order by seq desc limit 1";
        let end: String = world.database.query(end).await[0].get(0);
        if exit == 0 {
            assert_eq!((loaded, end.as_str()), (i64::from(LINES), "done"), "{what}");
            continue;
        }
        assert_eq!(end, "failed", "{what}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let (error, hint) =
            stderr.rsplit_once(" hint: ").unwrap_or_else(|| panic!("a hint in {stderr}"));
        assert!(error.contains(path) && error.contains("changed"), "{what}: {stderr}");
        assert!(
            hint.contains("until then") && !hint.contains("may read it"),
            "a hint of its own: {stderr}"
        );
    }
}

/// How each backfill ended, by its record, and how many rows it says that it masked.
async fn backfills(world: &World) -> Vec<(String, i64)> {
    let runs =
        "select record::jsonb ->> 'end', (record::jsonb ->> 'rows_masked')::bigint from audit.log
        where kind = 'load.run' and record::jsonb -> 'from' ? 'columns' order by seq";
    world.database.query(runs).await.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_is_recorded_as_it_ended() {
    const BACKFILL: [&str; 5] = ["backfill", "--ip-column", "ip", "--device-id-column", "device"];
    let world = World::new().await;
    world
        .database
        .execute(
            "alter table user_logins add column ip inet, add column device text;
             insert into user_logins (user_id, ip, device)
             select 'old-' || n, '10.9.0.1', 'device-' || n from generate_series(1, 2500) n;
             create function not_this_one() returns trigger language plpgsql as
                 $$ begin if new.user_id = 'old-2000' then raise exception 'no'; end if; return
                   new; end $$;
             create trigger not_this_one before update on user_logins for each row execute function
               not_this_one()",
        )
        .await;
    let masked = "select from user_logins where ip_hash is not null and device_id_hash is not null";
    let output = world.run(&BACKFILL);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("not_this_one"), "the trigger is named: {}", text(&output));
    let left = world.database.count(masked).await;
    assert!((1..2000).contains(&left), "{left} were masked before that row");
    assert_eq!(backfills(&world).await, [("failed".to_owned(), left)]);
    world.database.execute("drop function not_this_one() cascade").await;

    let holder = hold_the_fence(&world).await;
    let running = world.spawn(&BACKFILL);
    somebody_waits_for_the_fence(&world).await;
    let stopped = std::thread::spawn(move || running.signal(Signal::SIGTERM));
    tokio::time::sleep(Duration::from_millis(500)).await;
    holder.batch_execute("rollback").await.expect("the end");
    let output = stopped.join().expect("it ends");
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    let then = world.database.count(masked).await;
    assert_eq!(backfills(&world).await[1..], [("stopped".to_owned(), then - left)]);

    let output = world.run(&BACKFILL);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(world.database.count(masked).await, 2500);
    assert_eq!(backfills(&world).await[2..], [("done".to_owned(), 2500 - then)]);
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

/// What `/readyz` says; nothing where nobody answers.
fn readiness(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.trim().to_owned())
}

async fn says(address: SocketAddr, wanted: &str) {
    eventually(wanted, async || readiness(address).as_deref() == Some(wanted)).await;
}

/// A loader that is watched, with the instrument as its queue.
async fn watched(world: &World, sqs: &Instrument, queue: &str) -> (Running, SocketAddr) {
    let address = free_address();
    let mut command =
        world.command(&["load", "--listen", &address.to_string(), "--visibility-timeout", "10"]);
    command
        .env("AWS_ENDPOINT_URL_SQS", sqs.url())
        .env("LOGINETL_QUEUE_URL", queue)
        .env("RUST_LOG", "off");
    command.env("NO_PROXY", "127.0.0.1");
    let loader = Running::start(&mut command);
    says(address, "ready").await;
    (loader, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_tells_of_each_service_by_its_own_answers() {
    let world = World::new().await;
    let sqs = Instrument::start(Options::default()).expect("a port");
    let queue = sqs.queue("both");
    let (loader, address) = watched(&world, &sqs, queue.url()).await;
    world
        .database
        .execute(
            "create function full_disk() returns trigger language plpgsql as
                 $$ begin raise exception 'no space left on device' using errcode = '53100'; end $$;
             create trigger full_disk before insert on user_logins for each row execute function
               full_disk()",
        )
        .await;
    queue.send(&[event(1)]);
    says(address, "waiting for the database").await;
    sqs.faults(|f| f.down = true);
    says(address, "waiting for the database and the queue").await;
    // The queue is not asked by whoever writes, nor the database by whoever receives.
    world.database.execute("drop function full_disk() cascade").await;
    says(address, "waiting for the queue").await;
    sqs.faults(|f| f.down = false);
    says(address, "ready").await;
    let output = loader.signal(Signal::SIGTERM);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(world.database.count("select from user_logins").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kms_that_hangs_is_not_called_a_database_or_a_queue_that_is_away() {
    let hangs = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&hangs);
    let kms = Proxy::start(move |called| {
        let is_held = called == "TrentService.Decrypt" && asked.load(Ordering::SeqCst);
        if is_held { Action::Hang } else { Action::Forward }
    });
    let mut world = World::new().await;
    let sqs = Instrument::start(Options::default()).expect("a port");
    let queue = sqs.queue("kms");
    world.endpoint = Some(kms.url());
    let (loader, address) = watched(&world, &sqs, queue.url()).await;
    queue.send(&[event(1)]);
    eventually("the first row", async || {
        world.database.count("select from user_logins").await == 1
    })
    .await;
    // New keys: the loader must have them unwrapped before it writes again.
    let output = world.run(&["rotate-keys", "--duty", "100%"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    hangs.store(true, Ordering::SeqCst);
    queue.send(&[event(2)]);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(36) {
        let said = readiness(address).expect("it answers");
        assert!(
            !said.contains("database") && !said.contains("queue"),
            "after {:?}: {said}",
            began.elapsed()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    hangs.store(false, Ordering::SeqCst);
    eventually("the second row", async || {
        world.database.count("select from user_logins").await == 2
    })
    .await;
    says(address, "ready").await;
    let output = loader.signal(Signal::SIGTERM);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

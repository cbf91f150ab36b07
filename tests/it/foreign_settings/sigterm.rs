//! SIGTERM ends every command within 25 s, whatever hangs: a commit that nobody answers,
//! or KMS. Nothing is lost by it, nothing is shown, and what was begun goes on in the
//! next run.

use std::io::{Read, Result, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sys::signal::Signal;

use crate::rotate::{events, is_whole, rotate, rows_by_key, world as filled};
use crate::support::{Action, Proxy, Running, World, event, eventually, setting, summary, text};

const LONGEST: Duration = Duration::from_secs(25);
const BACKFILL: [&str; 5] = ["backfill", "--ip-column", "ip", "--device-id-column", "device"];
const PLAIN_ROWS: &str = "alter table user_logins add column ip inet, add column device text;
    insert into user_logins (user_id, ip, device)
    select 'old-' || n, ('10.9.0.' || n % 5)::inet, 'device-' || n % 5
      from generate_series(1, 50) n";

/// A command that hangs, and what it is called in a failing assertion.
struct Hanging {
    name: &'static str,
    running: Running,
    is_hanging: Arc<AtomicBool>,
}

impl Hanging {
    /// Runs a command by way of a server that freezes at the commit after a statement
    /// with this text in it.
    fn at_commit(
        name: &'static str,
        command: &mut Command,
        url: &str,
        after: &'static str,
    ) -> Self {
        let (is_hanging, url) = freezing(url, after);
        Self {
            name,
            running: Running::start(command.env("LOGINETL_DATABASE_URL", url)),
            is_hanging,
        }
    }

    /// Runs a command for which KMS answers a few calls to `target` ("" for all) and then
    /// no more.
    fn at_kms(
        name: &'static str,
        command: &mut Command,
        target: &'static str,
        answered: usize,
    ) -> Self {
        let is_hanging = Arc::new(AtomicBool::new(false));
        let (hangs, calls) = (Arc::clone(&is_hanging), AtomicUsize::new(0));
        let proxy = Proxy::start(move |called| {
            let is_meant = called
                .strip_prefix("TrentService.")
                .is_some_and(|kind| target.is_empty() || kind == target);
            if !is_meant || calls.fetch_add(1, Ordering::SeqCst) < answered {
                return Action::Forward;
            }
            hangs.store(true, Ordering::SeqCst);
            Action::Hang
        });
        command.env("AWS_ENDPOINT_URL", proxy.url()).env("NO_PROXY", "127.0.0.1");
        Self { name, running: Running::start(command), is_hanging }
    }
}

/// Waits until all of them hang, sends each SIGTERM at the same time, and returns what
/// each has printed.
async fn terminate(hanging: Vec<Hanging>) -> Vec<(&'static str, Output)> {
    for one in &hanging {
        eventually(&format!("{} hangs", one.name), async || one.is_hanging.load(Ordering::SeqCst))
            .await;
    }
    let names: Vec<&'static str> = hanging.iter().map(|one| one.name).collect();
    let ended = hanging.into_iter().map(|Hanging { running, .. }| {
        tokio::task::spawn_blocking(move || {
            let terminated = Instant::now();
            let output = running.signal(Signal::SIGTERM);
            (terminated.elapsed(), output)
        })
    });
    let (mut outputs, mut late) = (Vec::new(), Vec::new());
    for (name, ended) in names.into_iter().zip(join_all(ended).await) {
        match ended {
            Ok((took, output)) if took < LONGEST => outputs.push((name, output)),
            Ok((took, output)) => late.push(format!("{name} took {took:?}: {}", text(&output))),
            Err(error) => late.push(format!("{name}: {error}")),
        }
    }
    assert!(late.is_empty(), "{}", late.join("\n"));
    outputs
}

/// What was not done does not end as if it were.
fn none_is_done(outputs: &[(&'static str, Output)]) {
    for (name, output) in outputs {
        let may_be_done =
            name.starts_with("load from the queue") || ["check", "status"].contains(name);
        assert!(may_be_done || output.status.code() != Some(0), "{name}: {}", text(output));
        if name.starts_with("unmask") {
            assert!(
                output.stdout.is_empty() && !text(output).contains("10.9.0."),
                "{name}: {}",
                text(output)
            );
        }
    }
    for (name, output) in outputs
        .iter()
        .filter(|(name, _)| ["load of a file", "rotate-keys", "backfill", "unmask"].contains(name))
    {
        assert_eq!(output.status.code(), Some(4), "{name}: {}", text(output));
    }
}

fn file_of(events: &[String]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), events.join("\n")).expect("written");
    file
}

async fn hash_of_a_row(world: &World) -> String {
    world
        .database
        .query("select ip_hash::text from user_logins where ip_hash is not null limit 1")
        .await[0]
        .get(0)
}

fn succeeds(world: &World, args: &[&str]) -> Output {
    let output = world.run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output));
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_every_command_in_time_while_a_commit_hangs() {
    // What hangs keeps its locks: hence a database for each of those that would wait for
    // one another.
    let bare = World::bare().await;
    let (loads, (rotates, rotator), (unmasks, _)) =
        (World::new().await, filled(300, 20).await, filled(10, 5).await);
    loads.database.execute(PLAIN_ROWS).await;
    loads.queue.send(&events(20, 5, 1000)).await;
    let (file, hash) = (file_of(&events(100, 10, 0)), hash_of_a_row(&unmasks).await);
    let path = file.path().to_str().expect("UTF-8");
    let at_commit = |name, world: &World, args: &[&str], after| {
        Hanging::at_commit(name, &mut world.command(args), &world.database.url, after)
    };
    let unmask = ["unmask", "--ip-hash", &hash, "--reason", "a test"];
    let (ledger, rows) = ("insert into ingest.ledger", "update public.user_logins");
    let outputs = terminate(vec![
        at_commit("init", &bare, &["init"], ""),
        at_commit("load of a file", &loads, &["load", "--file", path], ledger),
        at_commit("load from the queue", &loads, &["load"], ledger),
        at_commit("backfill", &loads, &BACKFILL, rows),
        at_commit("status", &loads, &["status"], ""),
        at_commit("check", &loads, &["check"], ""),
        Hanging::at_commit(
            "rotate-keys",
            &mut rotates.command(&["rotate-keys"]),
            &rotator.url,
            rows,
        ),
        at_commit("unmask", &unmasks, &unmask, "vault.record_outcome"),
    ])
    .await;
    none_is_done(&outputs);

    succeeds(&bare, &["init"]);
    assert_eq!(bare.database.count("select from vault.data_keys where state = 'active'").await, 3);
    succeeds(&loads, &["load", "--file", path]);
    let of_the_file = "select from user_logins where user_id ~ '^u-[0-9]{1,2}$'";
    assert_eq!(loads.database.count(of_the_file).await, 100, "each once");
    succeeds(&loads, &BACKFILL);
    assert_eq!(
        loads
            .database
            .count("select from user_logins where ip is not null or ip_hash is null")
            .await,
        0
    );
    let rotated = rotate(&rotates, &rotator, &[]);
    assert_eq!(rotated.status.code(), Some(0), "{}", text(&rotated));
    assert_eq!(
        rows_by_key(&rotates).await,
        [("device_id 4".to_owned(), 300), ("ip 4".to_owned(), 300)]
    );
    assert!(is_whole(&rotates).await);
    succeeds(&unmasks, &unmask);
    succeeds(&unmasks, &["audit", "verify"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_every_command_in_time_while_kms_hangs() {
    let (bare, (world, _), (rotates, rotator)) =
        (World::bare().await, filled(10, 5).await, filled(300, 20).await);
    succeeds(&world, &["rotate-keys"]);
    world.database.execute(PLAIN_ROWS).await;
    world.queue.send(&["nonsense".to_owned()]).await;
    world.drain(0);
    world.queue.send(&[event(1)]).await;
    let (file, hash) = (file_of(&events(100, 10, 100)), hash_of_a_row(&world).await);
    let path = file.path().to_str().expect("UTF-8");
    let at_kms = |name, world: &World, args: &[&str], target, answered| {
        Hanging::at_kms(name, &mut world.command(args), target, answered)
    };
    let unmask = ["unmask", "--ip-hash", &hash, "--reason", "a test"];
    let outputs = terminate(vec![
        at_kms("init", &bare, &["init"], "", 0),
        at_kms("load of a file", &world, &["load", "--file", path], "", 0),
        at_kms("load from the queue", &world, &["load"], "", 0),
        at_kms("quarantine retry", &world, &["quarantine", "retry"], "", 0),
        at_kms("backfill", &world, &BACKFILL, "", 0),
        at_kms("unmask before its request is signed", &world, &unmask, "Sign", 0),
        at_kms("unmask", &world, &unmask, "Decrypt", 0),
        at_kms("unmask before its outcome is signed", &world, &unmask, "Sign", 1),
        at_kms(
            "keys rewrap",
            &world,
            &["keys", "rewrap", "--ingest-key", &setting("LOGINETL_INGEST_KEY")],
            "",
            0,
        ),
        at_kms("keys destroy", &world, &["keys", "destroy", "1", "--after", "0m", "--yes"], "", 0),
        at_kms("audit verify", &world, &["audit", "verify"], "", 0),
        at_kms("check", &world, &["check"], "", 0),
        // It has tried whether it may sign; what hangs is the signature
        // of what it then did.
        Hanging::at_kms(
            "rotate-keys",
            rotates.command(&["rotate-keys"]).env("LOGINETL_DATABASE_URL", &rotator.url),
            "Sign",
            1,
        ),
    ])
    .await;
    none_is_done(&outputs);

    succeeds(&bare, &["init"]);
    let loaded = summary(&succeeds(&world, &["load", "--file", path, "--format", "json"]));
    assert_eq!((&loaded["loaded"], &loaded["duplicates"]), (&100.into(), &0.into()), "{loaded}");
    succeeds(&world, &BACKFILL);
    succeeds(&world, &["keys", "destroy", "1", "--after", "0m", "--yes"]);
    let rotated = rotate(&rotates, &rotator, &[]);
    assert_eq!(rotated.status.code(), Some(0), "{}", text(&rotated));
    assert_eq!(
        rows_by_key(&rotates).await,
        [("device_id 4".to_owned(), 300), ("ip 4".to_owned(), 300)]
    );
}

/// A proxy of the server in this URL that passes on nothing more, in no connection, old
/// or new, once somebody commits after a statement with `after` in it; whether it is so
/// far; and the URL by way of it.
fn freezing(url: &str, after: &'static str) -> (Arc<AtomicBool>, String) {
    let (before, rest) = url.split_once('@').expect("a user");
    let (upstream, database) = rest.split_once('/').expect("a database");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (is_frozen, upstream) = (Arc::new(AtomicBool::new(false)), upstream.to_owned());
    let shared = Arc::clone(&is_frozen);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&upstream) else { return };
            let (mut answers, mut back) =
                (server.try_clone().expect("a stream"), client.try_clone().expect("a stream"));
            let (asked, answered) = (Arc::clone(&shared), Arc::clone(&shared));
            std::thread::spawn(move || {
                let _ = pass_on(&mut answers, &mut back, &answered);
                let _ = back.shutdown(Shutdown::Both);
            });
            std::thread::spawn(move || {
                let _ = ask(client, &server, after, &asked);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    (is_frozen, format!("{before}@{address}/{database}"))
}

/// What comes from the server, as long as it is not frozen; afterwards
/// nothing, until it ends.
fn pass_on(from: &mut TcpStream, to: &mut TcpStream, is_frozen: &AtomicBool) -> Result<()> {
    let mut bytes = [0; 8192];
    loop {
        let read = from.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        if !is_frozen.load(Ordering::SeqCst) {
            to.write_all(&bytes[..read])?;
        }
    }
}

/// What comes from the client, message by message.
fn ask(
    mut client: TcpStream,
    mut server: &TcpStream,
    after: &str,
    is_frozen: &AtomicBool,
) -> Result<()> {
    let mut is_near = false;
    let mut kind = Vec::new();
    loop {
        // The first message, the startup, has no kind.
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut body = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
        client.read_exact(&mut body)?;
        if matches!(kind.first(), Some(b'Q' | b'P')) {
            let text = String::from_utf8_lossy(&body).to_lowercase();
            let commits =
                text.split([';', '\0']).any(|statement| statement.trim().starts_with("commit"));
            is_near |= text.contains(after);
            if is_near && commits {
                is_frozen.store(true, Ordering::SeqCst);
            }
        }
        if !is_frozen.load(Ordering::SeqCst) {
            server.write_all(&[&kind[..], &length, &body].concat())?;
        }
        kind.resize(1, 0);
        client.read_exact(&mut kind)?;
    }
}

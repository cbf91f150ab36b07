//! A real standby: what reads works there, and what writes ends at once and says why.

use std::fs::{File, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::say;
use super::trial::{NO_EVENT, ODD, Setup, Trial, feed};
use crate::rotate::{events, rotate, states};
use crate::support::{
    Login, Running, World, event, eventually, json_lines, setting, summary, text,
};

/// A server that follows the one under test, in a folder beside it, which goes when that
/// one's does.
struct Standby {
    server: Running,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Standby {
    /// Nothing where the server's programs cannot make one.
    async fn start(world: &World) -> Option<Self> {
        let programs = PathBuf::from(std::env::var_os("LOGINETL_TEST_PG_BIN")?);
        let log = PathBuf::from(setting("LOGINETL_TEST_PG_LOG"));
        let base = log.parent().expect("a folder");
        let primary = std::fs::metadata(base.join("postgres")).ok()?;
        if !programs.join("pg_basebackup").exists() {
            return None;
        }
        let folder = tempfile::tempdir_in(base).expect("a folder");
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))
            .expect("its own folder");
        // PostgreSQL refuses to run as root: as the user, then, that runs the server
        // under test.
        let as_its_user = |program: &str| {
            let mut command = Command::new(programs.join(program));
            if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
                command.uid(primary.uid()).gid(primary.gid());
            }
            command.current_dir("/").env_clear().env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
            command
        };
        chown(folder.path(), Some(primary.uid()), Some(primary.gid())).expect("its own folder");
        let data = folder.path().join("data");
        copy(&mut as_its_user("pg_basebackup"), &data, world).await;
        let connections = world.database.query("select current_setting('max_connections')").await
            [0]
        .get::<_, String>(0);
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a free port")
            .local_addr()
            .expect("an address")
            .port();
        let log = File::create(folder.path().join("log")).expect("a log");
        let mut command = as_its_user("postgres");
        command
            .arg("-D")
            .arg(&data)
            .arg(format!("--port={port}"))
            .arg(format!("--max_connections={connections}"));
        command.args(["--listen_addresses=127.0.0.1", "--unix_socket_directories=", "--fsync=off"]);
        command.arg("--max_standby_streaming_delay=-1");
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        let standby = Self { server: Running::start(&mut command), port, _folder: folder };
        eventually("the standby listens", async || TcpStream::connect(("127.0.0.1", port)).is_ok())
            .await;
        standby.has_all(world).await;
        Some(standby)
    }

    /// The same login and database on the standby.
    fn url(&self, url: &str) -> String {
        let (server, database) = url.rsplit_once('/').expect("a database");
        let (host, _) = server.rsplit_once(':').expect("a port");
        format!("{host}:{}/{database}", self.port)
    }

    fn login(&self, login: &Login) -> Login {
        Login { url: self.url(&login.url), user: login.user.clone() }
    }

    /// Waits until it has what stands in the server under test now.
    async fn has_all(&self, world: &World) {
        let now: String = world.database.query("select pg_current_wal_lsn()::text").await[0].get(0);
        let url = self.url(&world.database.url);
        let deadline = Instant::now() + Duration::from_secs(120);
        while !has_replayed(&url, &now).await {
            assert!(Instant::now() < deadline, "the standby does not follow");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Standby {
    /// Fast, and in order; if it does not end, it is killed like everything that runs.
    fn drop(&mut self) {
        let child = self.server.child();
        let _ = kill(Pid::from_raw(i32::try_from(child.id()).unwrap_or_default()), Signal::SIGINT);
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A copy of the server under test that will follow it.
async fn copy(command: &mut Command, data: &Path, world: &World) {
    let server: tokio_postgres::Config = world.database.url.parse().expect("a URL");
    command.args([
        "--host=127.0.0.1",
        "--username=postgres",
        "--no-password",
        "--write-recovery-conf",
        "--checkpoint=fast",
    ]);
    command.args(["--wal-method=stream", "--no-sync", "--no-verify-checksums"]);
    command.arg(format!("--port={}", server.get_ports()[0])).arg("--pgdata").arg(data);
    let output = command.output().expect("pg_basebackup runs");
    assert!(output.status.success(), "{}", text(&output));
}

/// Whether the standby lets somebody in, and has come so far.
async fn has_replayed(url: &str, position: &str) -> bool {
    let Ok((client, connection)) = tokio_postgres::connect(url, tokio_postgres::NoTls).await else {
        return false;
    };
    tokio::spawn(connection);
    let asked =
        format!("select pg_is_in_recovery() and pg_last_wal_replay_lsn() >= '{position}'::pg_lsn");
    client.query_one(&asked, &[]).await.is_ok_and(|row| row.get::<_, Option<bool>>(0) == Some(true))
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_standby_what_reads_works_and_what_writes_ends_at_once() {
    let trial = Trial::begin(&Setup::default()).await;
    let world = &trial.world;
    world.load(&events(60, 10, 0));
    world.queue.send(&[ODD.to_owned(), NO_EVENT.to_owned()]).await;
    world.drain(0);
    assert_eq!(rotate(world, &trial.rotator, &[]).status.code(), Some(0));
    world
        .database
        .execute(
            "alter table user_logins add column ip inet; insert into user_logins (ip) \
               values ('10.0.0.9')",
        )
        .await;
    let Some(standby) = Standby::start(world).await else {
        return say("skipped: no pg_basebackup of the server under test");
    };
    let [admin, loader, rotator, unmasker, auditor] =
        [&trial.admin, &trial.loader, &trial.rotator, &trial.unmasker, &trial.auditor]
            .map(|login| standby.login(login));
    reading_works(world, &loader, &rotator, &auditor);

    let records = world.database.count("select from audit.log").await;
    world.queue.send(&[event(1)]).await;
    let ingest_key = setting("LOGINETL_INGEST_KEY");
    for (login, args) in [
        (&admin, &["init"][..]),
        (&loader, &["load", "--file", "-"]),
        (&loader, &["load", "--drain"]),
        (&loader, &["load"]),
        (&loader, &["quarantine", "retry", "--app-version", "major"]),
        (&loader, &["quarantine", "purge", "--all", "--yes"]),
        (&rotator, &["rotate-keys"]),
        (&rotator, &["rotate-keys", "--compromised"]),
        (&rotator, &["keys", "rewrap", "--ingest-key", &ingest_key]),
        (&rotator, &["keys", "destroy", "1", "--after", "0m", "--yes"]),
        (&unmasker, &["unmask", "--find-ip", "10.9.0.1", "--reason", "a test"]),
        (&admin, &["backfill", "--ip-column", "ip"]),
    ] {
        let begun = Instant::now();
        let output = feed(world, login, args, &event(4));
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output));
        assert!(text(&output).contains("read-only standby"), "{args:?}: {}", text(&output));
        assert!(begun.elapsed() < Duration::from_secs(10), "{args:?} took {:?}", begun.elapsed());
    }
    assert_eq!(world.database.count("select from user_logins").await, 61);
    assert_eq!(world.database.count("select from ingest.quarantine").await, 2);
    assert_eq!(world.database.count("select from audit.log").await, records);
    assert_eq!(
        states(world).await,
        ["1 mask retired", "2 hash active", "3 seal active", "4 mask active"]
    );
    let (visible, in_flight) = world.queue.depth().await;
    assert_eq!(visible + in_flight, 1, "nothing was deleted");
}

fn reading_works(world: &World, loader: &Login, rotator: &Login, auditor: &Login) {
    let read = |login: &Login, args: &[&str]| {
        let output = world.run_as(login, args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output));
        output
    };
    let status = summary(&read(auditor, &["status", "--format", "json"]));
    let rows: i64 = status["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .filter_map(|key| key["rows"]["ip"].as_i64())
        .sum();
    assert_eq!(rows, 60, "{status}");
    assert_eq!(json_lines(&read(loader, &["quarantine", "list", "--format", "json"])).len(), 2);
    assert_eq!(json_lines(&read(rotator, &["keys", "list", "--format", "json"])).len(), 4);
    assert!(json_lines(&read(auditor, &["audit", "list", "--format", "json"])).len() > 5);
    let verified = summary(&read(auditor, &["audit", "verify", "--format", "json"]));
    assert_eq!(verified["result"], "intact", "{verified}");
    read(auditor, &["audit", "export", "--out", "-"]);
    let told = summary(&read(rotator, &["rotate-keys", "--dry-run", "--format", "json"]));
    assert_eq!(told["unfinished"], false, "{told}");
    for login in [loader, rotator, auditor] {
        let checked = world.run_as(login, &["check"]);
        assert!(text(&checked).contains("pg_is_in_recovery"), "{}", text(&checked));
    }
}

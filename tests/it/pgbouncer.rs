//! Poolers in transaction mode: nothing that a command leaves in its session is needed
//! after the transaction, and nothing that it finds there is taken for its own.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use crate::rotate::{is_whole, rows_by_key, states};
use crate::support::{
    PgProxy, Running, World, event, eventually, json_lines, setting, summary, text,
};
use pooler::Pooler;

#[path = "support/pooler.rs"]
mod pooler;

/// Loaded by `--app-version major` alone.
const ODD: &str =
    r#"{"user_id": "odd", "app_version": "1.1000", "ip": "192.0.2.77", "device_id": "d"}"#;

/// What everybody does with this database, on another way to it; the queue has messages.
fn use_everything(world: &World, url: &str) {
    let run = |args: &[&str], exit: i32| {
        let output =
            world.command(args).env("LOGINETL_DATABASE_URL", url).output().expect("it runs");
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {}", text(&output));
    };
    run(&["load", "--drain", "--batch-rows", "20"], 0);
    run(&["quarantine", "list"], 0);
    run(&["quarantine", "retry", "--app-version", "major"], 1);
    run(&["rotate-keys", "--duty", "100%"], 0);
    run(&["rotate-keys", "--duty", "100%", "--compromised"], 0);
    run(&["keys", "destroy", "1", "--after", "0m", "--yes"], 0);
    run(&["unmask", "--find-ip", "10.0.0.1", "--reason", "a test"], 0);
    run(&["status"], 0);
    run(&["audit", "verify"], 0);
}

/// A hundred events, one that is too odd, and no event.
async fn send(world: &World) {
    let mut bodies: Vec<_> = (0..100).map(event).collect();
    bodies.extend([ODD.to_owned(), r#"{"foo": "oops"}"#.to_owned()]);
    world.queue.send(&bodies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_leaves_anything_in_its_session() {
    let world = World::new().await;
    send(&world).await;
    let (proxy, url) = PgProxy::start(&world.database.url);
    use_everything(&world, &url);
    let seen = proxy.seen();
    assert!(
        seen.statements.iter().any(|text| text.contains("insert into ingest.ledger")),
        "{} statements",
        seen.statements.len()
    );
    assert_eq!(seen.sticky, Vec::<String>::new());
    assert_eq!(world.database.count("select from user_logins").await, 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_leaves_nothing_in_its_session_either() {
    let world = World::bare().await;
    let (proxy, url) = PgProxy::start(&world.database.url);
    for _ in 0..2 {
        let output =
            world.command(&["init"]).env("LOGINETL_DATABASE_URL", &url).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    assert_eq!(proxy.seen().sticky, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_loaded_leaves_nothing_in_its_sessions_either() {
    let world = World::new().await;
    let (proxy, url) = PgProxy::start(&world.database.url);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/env/sample.jsonl");
    let output = world
        .command(&["load", "--file", sample])
        .env("LOGINETL_DATABASE_URL", url)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(proxy.seen().sticky, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_these_tests_notices_what_sticks() {
    let world = World::bare().await;
    let (proxy, url) = PgProxy::start(&world.database.url);
    let (client, connection) =
        tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
        .batch_execute("begin; set local lock_timeout = 1; select pg_advisory_xact_lock(1); commit")
        .await
        .expect("sent");
    assert_eq!(proxy.seen().sticky, Vec::<String>::new());
    client
        .batch_execute("select 1; SET lock_timeout = 1; select pg_advisory_lock(1)")
        .await
        .expect("sent");
    client.query("select 1", &[]).await.expect("sent");
    let sticky = proxy.seen().sticky;
    assert!(
        sticky.contains(&"set lock_timeout = 1".to_owned())
            && sticky.contains(&"select pg_advisory_lock(1)".to_owned())
    );
    for message in ["Parse", "Bind", "Close or Describe"] {
        assert!(sticky.iter().any(|one| one.starts_with(message)), "{message} in {sticky:?}");
    }
}

/// An installation from its beginning on, each connection by way of a pooler that was
/// there before: every command does what it says, counted directly.
async fn every_command_does_what_it_says(world: &World, pooled: impl Fn(&str) -> String) {
    let run = |url: &str, args: &[&str], exit: i32| -> Output {
        let output = world
            .command(args)
            .env("LOGINETL_DATABASE_URL", pooled(url))
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {}", text(&output));
        output
    };
    let count = async |sql: &str| world.database.count(sql).await;
    run(&world.database.url, &["init"], 0);
    run(&world.database.url, &["init"], 0);
    assert_eq!(states(world).await, ["1 mask active", "2 hash active", "3 seal active"]);
    assert_eq!(count("select from vault.wraps").await, 6);
    let login = async |group: &str| world.database.login(group).await.url;
    let (loader, rotator) = (login("loginetl_loader").await, login("loginetl_rotator").await);
    let (unmasker, auditor) = (login("loginetl_unmasker").await, login("loginetl_auditor").await);

    send(world).await;
    let loaded =
        summary(&run(&loader, &["load", "--drain", "--batch-rows", "20", "--format", "json"], 0));
    assert_eq!(
        (&loaded["loaded"], &loaded["quarantined"], &loaded["deleted"]),
        (&100.into(), &2.into(), &102.into()),
        "{loaded}"
    );
    assert_eq!(
        (count("select from user_logins").await, count("select from ingest.quarantine").await),
        (100, 2)
    );

    for (flags, made) in [(&[][..], 1), (&["--compromised"], 3), (&[], 1)] {
        let before = states(world).await.len();
        let args = [&["rotate-keys", "--duty", "100%", "--format", "json"], flags].concat();
        moves_all_rows(world, &summary(&run(&rotator, &args, 0)), 100).await;
        assert_eq!(
            states(world).await.len(),
            before + made,
            "{flags:?}: {:?}",
            states(world).await
        );
    }
    let begun = count("select from audit.log where kind = 'rotate.start'").await;
    assert_eq!((begun, count("select from audit.log where kind = 'rotate.end'").await), (3, 3));

    let hash: String =
        world.database.query("select ip_hash::text from user_logins where user_id = 'u-7'").await
            [0]
        .get(0);
    for selector in [["--ip-hash", &hash], ["--find-ip", "10.0.0.7"]] {
        let args = [&["unmask", "--reason", "a test", "--format", "json"], &selector[..]].concat();
        assert_eq!(json_lines(&run(&unmasker, &args, 0))[0]["rows"], 1);
    }
    let retried =
        run(&loader, &["quarantine", "retry", "--app-version", "major", "--format", "json"], 1);
    assert_eq!(summary(&retried)["loaded"], 1, "{}", text(&retried));
    assert_eq!(
        (count("select from user_logins").await, count("select from ingest.quarantine").await),
        (101, 1)
    );
    run(&auditor, &["status"], 0);
    let verified = summary(&run(&auditor, &["audit", "verify", "--format", "json"], 0));
    assert_eq!(
        (&verified["problem_count"], &verified["open_requests"]),
        (&0.into(), &0.into()),
        "{verified}"
    );
}

/// Both tokens of each row are under the key that is active now, which this
/// rotation has made.
async fn moves_all_rows(world: &World, report: &Value, rows: i64) {
    assert_eq!(
        (&report["result"], &report["rows_moved"]),
        (&"finished".into(), &(2 * rows).into()),
        "{report}"
    );
    let newest =
        "select key_id::text from vault.data_keys where purpose = 'mask' and state = 'active'
                  and key_id = (select max(key_id) from vault.data_keys where purpose = 'mask')";
    let newest: String =
        world.database.query(newest).await.first().expect("the newest is active").get(0);
    assert_eq!(
        rows_by_key(world).await,
        [(format!("device_id {newest}"), rows), (format!("ip {newest}"), rows)]
    );
    assert!(is_whole(world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_of_old_connections_every_command_does_what_it_says() {
    let world = World::bare().await;
    let pooler = Pooler::start(&world.database.url, 2).await;
    every_command_does_what_it_says(&world, |url| pooler.url(url)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_loaded_once_behind_a_pooler() {
    let world = World::new().await;
    let pooler = Pooler::start(&world.database.url, 2).await;
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/env/sample.jsonl");
    for loaded in [crate::support::sample().len() as i64 - 1, 0] {
        let mut command = world.command(&["load", "--file", sample, "--format", "json"]);
        let output = command
            .env("LOGINETL_DATABASE_URL", pooler.url(&world.database.url))
            .output()
            .expect("it runs");
        assert_eq!(
            (output.status.code(), summary(&output)["loaded"].as_i64()),
            (Some(0), Some(loaded)),
            "{}",
            text(&output)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pooler_of_these_tests_hands_each_transaction_to_the_next_connection() {
    let world = World::bare().await;
    let pooler = Pooler::start(&world.database.url, 3).await;
    let connect = async || {
        let (client, connection) =
            tokio_postgres::connect(&pooler.url(&world.database.url), tokio_postgres::NoTls)
                .await
                .expect("a connection");
        tokio::spawn(connection);
        client
    };
    let pid = async |client: &tokio_postgres::Client| -> i32 {
        client.query_typed("select pg_backend_pid()", &[]).await.expect("an answer")[0].get(0)
    };
    let first = connect().await;
    let pids = [pid(&first).await, pid(&first).await, pid(&first).await, pid(&first).await];
    assert!(
        pids[0] != pids[1] && pids[1] != pids[2] && pids[0] != pids[2] && pids[0] == pids[3],
        "{pids:?}"
    );
    first.batch_execute("begin; set local lock_timeout = 1").await.expect("a transaction");
    assert_eq!(pid(&first).await, pids[1]);
    let second = connect().await;
    assert_eq!(
        [pid(&second).await, pid(&second).await, pid(&second).await],
        [pids[2], pids[0], pids[2]]
    );
    assert_eq!(pid(&first).await, pids[1], "a transaction stays where it began");
    // A COPY, whose Sync is read over, does not keep its connection from going back.
    first.batch_execute("rollback; create table copied (line text)").await.expect("a table");
    first.batch_execute("begin").await.expect("a transaction");
    let sink = first.copy_in("copy copied from stdin (format binary)").await.expect("a copy");
    let mut lines = std::pin::pin!(BinaryCopyInWriter::new(sink, &[Type::TEXT]));
    for line in ["one", "two"] {
        lines.as_mut().write(&[&line]).await.expect("sent");
    }
    assert_eq!(lines.finish().await.expect("copied"), 2);
    first.batch_execute("commit").await.expect("committed");
    assert_ne!(pid(&first).await, pid(&first).await);
    // What a client leaves behind in the middle is rolled back and nobody's.
    second
        .batch_execute("begin; insert into copied values ('three')")
        .await
        .expect("a transaction");
    drop(second);
    let left = "select from pg_stat_activity where datname = current_database() \
                  and state = 'idle in transaction'";
    eventually("its connection is ended", async || world.database.count(left).await == 0).await;
    assert_eq!(world.database.count("select from copied").await, 2);
}

/// The program: the machine's, or what its APT brings (see tests/env/install.py); nothing
/// where there is none.
fn pgbouncer() -> Option<PathBuf> {
    let mut command = Command::new(setting("LOGINETL_TEST_PYTHON"));
    command
        .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/env/install.py"), "pgbouncer"])
        .stdin(Stdio::null());
    let output = command.output().expect("Python runs");
    if output.status.success() {
        return Some(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    #[allow(clippy::print_stderr, reason = "whoever reads the output should know")]
    {
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    None
}

/// From 1.21 on it may keep named statements for its clients; earlier it never does, and
/// refuses the setting.
fn strictest(program: &Path) -> &'static str {
    let version = Command::new(program).arg("--version").output().expect("it runs").stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    let minor = version
        .strip_prefix("PgBouncer 1.")
        .and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    if minor.is_some_and(|minor| minor < 21) { "" } else { "max_prepared_statements = 0\n" }
}

/// PgBouncer before this database, whoever comes is the superuser; and
/// the URL by way of it.
async fn start_pgbouncer(program: &Path, folder: &Path, world: &World) -> (Running, String) {
    let server: tokio_postgres::Config = world.database.url.parse().expect("a URL");
    let port = TcpListener::bind("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
        .expect("an address")
        .port();
    let (name, ports) = (server.get_dbname().expect("a name"), server.get_ports());
    let config = folder.join("pgbouncer.ini");
    let settings = format!(
        "[databases]\n{name} = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = \
         127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = \
         transaction\ndefault_pool_size = 2\n{}",
        ports[0],
        strictest(program),
    );
    std::fs::write(&config, settings).expect("written");
    let mut command = Command::new(program);
    command.arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It refuses to run as root.
    if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        command.args(["--user", "nobody"]);
        std::fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("readable");
    }
    // Killed by its id when the test ends.
    let running = Running::start(&mut command);
    eventually("it listens", async || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
        .await;
    (running, format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable"))
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_pgbouncer_itself_every_command_does_what_it_says() {
    let Some(program) = pgbouncer() else { return };
    let world = World::bare().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (_running, url) = start_pgbouncer(&program, folder.path(), &world).await;
    every_command_does_what_it_says(&world, |_| url.clone()).await;
}

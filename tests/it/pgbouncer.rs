//! Poolers in transaction mode: nothing that a command leaves in its session is needed after the transaction.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};

use crate::support::{PgProxy, Running, World, event, eventually, text};

/// Loaded by `--app-version major` alone.
const ODD: &str = r#"{"user_id": "odd", "app_version": "1.1000", "ip": "192.0.2.77", "device_id": "d"}"#;

/// What everybody does with this database, on another way to it; the queue has messages.
fn use_everything(world: &World, url: &str) {
    let run = |args: &[&str], exit: i32| {
        let output = world.command(args).env("LOGINETL_DATABASE_URL", url).output().expect("it runs");
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {}", text(&output));
    };
    run(&["load", "--drain", "--batch-rows", "20"], 0);
    run(&["quarantine", "list"], 0);
    run(&["quarantine", "retry", "--app-version", "major"], 1);
    run(&["rotate-keys", "--duty", "100%"], 0);
    run(&["unmask", "--find-ip", "10.0.0.1", "--reason", "a test"], 0);
    run(&["status"], 0);
    run(&["audit", "verify"], 0);
}

async fn world() -> World {
    let world = World::new().await;
    let mut bodies: Vec<_> = (0..100).map(event).collect();
    bodies.extend([ODD.to_owned(), r#"{"foo": "oops"}"#.to_owned()]);
    world.queue.send(&bodies).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_leaves_anything_in_its_session() {
    let world = world().await;
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
async fn a_file_that_is_loaded_leaves_nothing_in_its_sessions_either() {
    let world = World::new().await;
    let (proxy, url) = PgProxy::start(&world.database.url);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/env/sample.jsonl");
    let output = world.command(&["load", "--file", sample]).env("LOGINETL_DATABASE_URL", url).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(proxy.seen().sticky, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_these_tests_notices_what_sticks() {
    let world = World::bare().await;
    let (proxy, url) = PgProxy::start(&world.database.url);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client.batch_execute("begin; set local lock_timeout = 1; select pg_advisory_xact_lock(1); commit").await.expect("sent");
    assert_eq!(proxy.seen().sticky, Vec::<String>::new());
    client.batch_execute("select 1; SET lock_timeout = 1; select pg_advisory_lock(1)").await.expect("sent");
    client.query("select 1", &[]).await.expect("sent");
    let sticky = proxy.seen().sticky;
    assert!(sticky.contains(&"set lock_timeout = 1".to_owned()) && sticky.contains(&"select pg_advisory_lock(1)".to_owned()));
    for message in ["Parse", "Bind", "Close or Describe"] {
        assert!(sticky.iter().any(|one| one.starts_with(message)), "{message} in {sticky:?}");
    }
}

/// From 1.21 on it may keep named statements for its clients; earlier it never does, and refuses the setting.
fn strictest() -> &'static str {
    let version = Command::new("pgbouncer").arg("--version").output().expect("it runs").stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    let minor = version.strip_prefix("PgBouncer 1.").and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    if minor.is_some_and(|minor| minor < 21) { "" } else { "max_prepared_statements = 0\n" }
}

#[tokio::test(flavor = "multi_thread")]
async fn pgbouncer_itself_is_fine_in_transaction_mode() {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join("pgbouncer").exists());
    if !found {
        #[allow(clippy::print_stderr, reason = "whoever reads the output should know")]
        {
            eprintln!("skipped: pgbouncer is not on PATH");
        }
        return;
    }
    let world = world().await;
    let folder = tempfile::tempdir().expect("a folder");
    let server: tokio_postgres::Config = world.database.url.parse().expect("a URL");
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
    let (name, ports) = (server.get_dbname().expect("a name"), server.get_ports());
    let config = folder.path().join("pgbouncer.ini");
    std::fs::write(
        &config,
        format!(
            "[databases]\n{name} = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n{}",
            ports[0],
            strictest(),
        ),
    )
    .expect("written");
    let mut command = Command::new("pgbouncer");
    command.arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It refuses to run as root.
    if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        command.args(["--user", "nobody"]);
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("readable");
    }
    // Killed by its id when the test ends.
    let _running = Running::start(&mut command);
    eventually("it listens", async || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    use_everything(&world, &format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable"));
    assert_eq!(world.database.count("select from user_logins").await, 101);
}

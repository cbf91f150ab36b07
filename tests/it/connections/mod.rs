//! Ways to the database: several hosts, certificates, passwords in files that change,
//! settings with blanks.

mod certificates;
mod server;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Running, World, event, eventually, text};
use server::{Server, programs};

/// The binary with another database URL.
fn run(world: &World, args: &[&str], url: &str) -> Output {
    world.command(args).env("LOGINETL_DATABASE_URL", url).output().expect("it runs")
}

fn ends(output: &Output, exit: i32, named: &str) {
    assert_eq!(output.status.code(), Some(exit), "{}", text(output));
    assert!(text(output).contains(named), "{named:?} in {}", text(output));
    assert!(!text(output).contains("s3cret"), "{}", text(output));
}

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address")
        .port()
}

/// Host and port, and the name of the database, of the server under test.
fn place(world: &World) -> (u16, String) {
    let config: tokio_postgres::Config = world.database.url.parse().expect("a URL");
    (config.get_ports()[0], config.get_dbname().expect("a name").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_is_taken_or_refused_by_its_name() {
    let world = World::bare().await;
    for (parameter, named) in [
        ("target_session_attrs=primary", "Connection refused"),
        ("gssencmode=disable", "Connection refused"),
        ("connect_timeout=5&options=-c%20work_mem%3D8MB&application_name=x", "Connection refused"),
        ("sslcert=/a", "sslcert"),
        ("sslkey=/a", "sslkey"),
        ("schema=public", "schema"),
        ("pgbouncer=true", "pgbouncer"),
        ("connection_limit=5", "connection_limit"),
        ("require_auth=md5", "require_auth"),
        ("service=s3cret", "service"),
        ("channel_binding=require", "channel_binding"),
        ("target_session_attrs=s3cret", "prefer-standby"),
    ] {
        let url = format!(
            "postgres://u:s3cret@127.0.0.1:{}/d?sslmode=disable&{parameter}",
            closed_port()
        );
        let exit = if named == "Connection refused" { 4 } else { 2 };
        ends(&run(&world, &["status"], &url), exit, named);
    }
    ends(
        &run(&world, &["status"], "postgres://u:p@s3cret@127.0.0.1:1/d?sslmode=disable"),
        2,
        "%40",
    );
    ends(
        &run(&world, &["status"], "postgres://u:p/s3cret@127.0.0.1:1/d?sslmode=disable"),
        2,
        "%2F",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_the_first_that_fits_is_taken() {
    let world = World::new().await;
    let (primary, name) = place(&world);
    let mut standby = Server::start(programs(), "", None).await;
    standby.execute(&format!("create database {name}")).await;
    standby.become_standby().await;
    let closed = closed_port();
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mute_port = mute.local_addr().expect("an address").port();
    // The standby's database has no schema: who gets there is told to run init.
    for (ports, wanted, exit, named) in [
        (vec![closed, primary], "any", 0, ""),
        (vec![standby.port, primary], "any", 2, "loginetl init"),
        (vec![standby.port, primary], "primary", 0, ""),
        (vec![standby.port, primary], "read-write", 0, ""),
        (vec![primary, standby.port], "standby", 2, "loginetl init"),
        (vec![primary, standby.port], "read-only", 2, "loginetl init"),
        (vec![primary, closed, standby.port], "prefer-standby", 2, "loginetl init"),
        (vec![primary, closed], "prefer-standby", 0, ""),
        (vec![primary, closed], "standby", 4, "host 1: it answers, and is not standby"),
        (vec![closed, closed], "any", 4, "host 2: "),
        (vec![mute_port, primary], "any", 0, ""),
        (vec![primary, mute_port], "read-only", 4, "host 2: the server does not answer"),
    ] {
        let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let url = format!(
            "postgres://postgres@{}/{name}?sslmode=disable&target_session_attrs={wanted}",
            hosts.join(",")
        );
        let begun = Instant::now();
        ends(&run(&world, &["quarantine", "list"], &url), exit, named);
        assert!(
            begun.elapsed() < Duration::from_secs(12),
            "{ports:?} {wanted}: {:?}",
            begun.elapsed()
        );
    }
    let keywords = format!(
        "host=s3cret.invalid,b hostaddr=127.0.0.1,127.0.0.1 port={closed},{primary} user=postgres \
         dbname={name} sslmode=disable load_balance_hosts=random"
    );
    ends(&run(&world, &["quarantine", "list"], &keywords), 0, "");
    ends(
        &run(&world, &["status"], "postgres://s3cret.invalid/d?sslmode=disable"),
        4,
        "leads nowhere",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_name_that_is_given_wins() {
    let world = World::new().await;
    world.queue.send(&[event(1)]).await;
    let url = format!("{}&application_name=the+night%20shift", world.database.url);
    let loader = Running::start(world.command(&["load"]).env("LOGINETL_DATABASE_URL", &url));
    let seen = "select from pg_stat_activity where application_name = 'the+night shift'";
    eventually("it is seen by its name", async || world.database.count(seen).await > 0).await;
    assert!(loader.signal(Signal::SIGTERM).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn blanks_and_line_ends_around_settings_are_taken_away() {
    let world = World::new().await;
    world.queue.send(&[event(1)]).await;
    let mut command = world.command(&["load", "--drain"]);
    for name in [
        "LOGINETL_DATABASE_URL",
        "LOGINETL_QUEUE_URL",
        "LOGINETL_INGEST_KEY",
        "AWS_REGION",
        "AWS_ENDPOINT_URL",
    ] {
        let value = match name {
            "LOGINETL_DATABASE_URL" => world.database.url.clone(),
            "LOGINETL_QUEUE_URL" => world.queue.url.clone(),
            name => crate::support::setting(name),
        };
        command.env(name, format!(" {value}\r\n"));
    }
    command
        .env("AWS_ENDPOINT_URL_KMS", format!("{}\n", crate::support::setting("AWS_ENDPOINT_URL")));
    ends(&command.output().expect("it runs"), 0, "");
    assert_eq!(world.database.count("select from user_logins").await, 1);
    for (name, value) in [
        ("AWS_REGION", "us east 1"),
        ("AWS_ENDPOINT_URL", "local host"),
        ("AWS_ENDPOINT_URL_SQS", "s3cret"),
        ("AWS_ACCESS_KEY_ID", "s3cret\n"),
        ("AWS_SECRET_ACCESS_KEY", " s3cret"),
    ] {
        ends(
            &world.command(&["load", "--drain"]).env(name, value).output().expect("it runs"),
            2,
            name,
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_url_may_stand_in_a_file() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("url");
    let run = |file: &Path| {
        let mut command = world.command(&["quarantine", "list"]);
        command
            .env_remove("LOGINETL_DATABASE_URL")
            .env("LOGINETL_DATABASE_URL_FILE", file)
            .output()
            .expect("it runs")
    };
    ends(&run(&file), 2, "LOGINETL_DATABASE_URL_FILE");
    write(&file, "\n", 0o600);
    ends(&run(&file), 2, "is empty");
    write(&file, "postgres://u:s3cret@h/d?sslmode=prefer\n", 0o600);
    ends(&run(&file), 2, "in the file of LOGINETL_DATABASE_URL_FILE");
    write(&file, &format!("{}\n", world.database.url), 0o600);
    ends(&run(&file), 0, "");
    let both = world
        .command(&["quarantine", "list"])
        .env("LOGINETL_DATABASE_URL_FILE", &file)
        .output()
        .expect("it runs");
    ends(&both, 2, "are both set");
    let mut flag = world.command(&["quarantine", "list", "--database-url", &world.database.url]);
    ends(
        &flag
            .env_remove("LOGINETL_DATABASE_URL")
            .env("LOGINETL_DATABASE_URL_FILE", "/nowhere")
            .output()
            .expect("it runs"),
        0,
        "",
    );
}

/// A server that asks `app` for a password, with our schema in it.
async fn with_password(world: &World, password: &str) -> Server {
    let server = Server::start(programs(), "host all app 127.0.0.1/32 scram-sha-256", None).await;
    ends(
        &run(
            world,
            &["init"],
            &format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", server.port),
        ),
        0,
        "",
    );
    server
        .execute(&format!("create role app login password '{password}' in role loginetl_loader"))
        .await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_without_a_password_takes_it_from_the_password_file() {
    let world = World::bare().await;
    let server = with_password(&world, "s3cret:\\x").await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pgpass");
    let ask = |hosts: &str, option: &str| {
        let mut command = world.command(&["quarantine", "list"]);
        command.env(
            "LOGINETL_DATABASE_URL",
            format!("postgres://app@{hosts}/postgres?sslmode=disable{option}"),
        );
        command.env("HOME", "/nonexistent").env_remove("PGPASSFILE");
        command
    };
    let here = format!("127.0.0.1:{}", server.port);
    let run = |command: &mut Command| command.output().expect("it runs");
    ends(&run(&mut ask(&here, "")), 2, "asks for one");
    write(
        &file,
        &format!(
            "# a comment\n127.0.0.1:{}:postgres:app:s3cret\\:\\\\x\r\n*:*:*:*:s3cret\n",
            server.port
        ),
        0o640,
    );
    let refused = run(ask(&here, "").env("PGPASSFILE", &file));
    ends(&refused, 2, &format!("chmod 0600 {}", file.display()));
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("a mode");
    ends(&run(ask(&here, "").env("PGPASSFILE", &file)), 0, "");
    ends(&run(&mut ask(&here, &format!("&passfile={}", file.display()))), 0, "");
    ends(
        &run(ask(&format!("127.0.0.1:{},{here}", closed_port()), "").env("PGPASSFILE", &file)),
        0,
        "",
    );
    std::fs::rename(&file, folder.path().join(".pgpass")).expect("a name");
    ends(&run(ask(&here, "").env("HOME", folder.path())), 0, "");
    write(&folder.path().join(".pgpass"), "elsewhere:*:*:*:s3cret\n", 0o600);
    ends(
        &run(ask(&here, "").env("HOME", folder.path())),
        2,
        "nor has the password file a line for it",
    );
    write(&folder.path().join(".pgpass"), "*:*:*:*:wrong\n", 0o600);
    ends(&run(ask(&here, "").env("HOME", folder.path())), 3, "28P01");
}

/// Changes the password of a running loader on the server, then in its file, while
/// sessions are cut and events come.
async fn password_changes(write_password: impl Fn(&str), settings: impl Fn(&mut Command, u16)) {
    const EVENTS: u32 = 300;
    let world = World::bare().await;
    let server = with_password(&world, "before").await;
    write_password("before");
    let mut command =
        world.command(&["load", "--follow", "--batch-rows", "10", "--visibility-timeout", "30"]);
    settings(&mut command, server.port);
    let loader = Running::start(&mut command);
    let rows = "select from user_logins";
    let send = async |from: u32, to: u32| {
        world.queue.send(&(from..to).map(event).collect::<Vec<_>>()).await
    };
    send(0, 100).await;
    eventually("a first load", async || server.count(rows).await == 100).await;
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'";
    server.execute(&format!("alter role app password 'after'; {cut}")).await;
    send(100, 200).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(server.count(rows).await, 100, "the old password is of no use");
    write_password("after");
    eventually("the new password is found", async || server.count(rows).await == 200).await;
    server.execute(cut).await;
    send(200, EVENTS).await;
    eventually("and used", async || server.count(rows).await == i64::from(EVENTS)).await;
    eventually("nothing is left", async || world.queue.depth().await == (0, 0)).await;
    let output = loader.signal(Signal::SIGTERM);
    ends(&output, 0, "with what stands in the files now");
    assert_eq!(server.count("select distinct user_id from user_logins").await, i64::from(EVENTS));
    assert_eq!(server.count("select from ingest.quarantine").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_loader_takes_up_a_password_that_changes_in_the_file_of_its_url() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, port) = (folder.path().join("url"), std::cell::Cell::new(0));
    let content = |password: &str, port: u16| {
        format!("postgres://app:{password}@127.0.0.1:{port}/postgres?sslmode=disable\n")
    };
    let write_password = |password: &str| write(&file, &content(password, port.get()), 0o600);
    password_changes(write_password, |command, at| {
        port.set(at);
        write(&file, &content("before", at), 0o600);
        command.env_remove("LOGINETL_DATABASE_URL").env("LOGINETL_DATABASE_URL_FILE", &file);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_loader_takes_up_a_password_that_changes_in_the_password_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pgpass");
    let write_password = |password: &str| write(&file, &format!("*:*:*:app:{password}\n"), 0o600);
    password_changes(write_password, |command, port| {
        let url = format!("postgres://app@127.0.0.1:{port}/postgres?sslmode=disable");
        command.env("LOGINETL_DATABASE_URL", url).env("PGPASSFILE", &file);
    })
    .await;
}

//! SQLSTATE 42501 and its kin have many causes: each is named, and has a remedy of its
//! own that works.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::rotate::{rotate, world as with_rows};
use crate::support::{Database, Running, World, event, eventually, setting, text};

/// What the hint of each cause says, and no other's.
const MARKS: [(&str, &str); 7] = [
    ("policy", "row-level security"),
    ("sequence", "sequence"),
    ("foreign code", "trigger"),
    ("owner of the functions", "loginetl_owner"),
    ("inheritance", "INHERIT"),
    ("restore", "restore"),
    ("owner of the table", "owner of the table"),
];

/// Exit 3, everything named, and a hint that is of this cause alone.
fn refused(output: &Output, cause: &str, named: &[&str]) {
    assert_eq!(output.status.code(), Some(3), "{cause}: {}", text(output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    for name in named {
        assert!(stderr.contains(name), "{cause}: {name} in {}", text(output));
    }
    let (_, hint) =
        stderr.rsplit_once(" hint: ").unwrap_or_else(|| panic!("{cause}: a hint in {stderr}"));
    for (other, mark) in MARKS {
        assert_eq!(
            hint.contains(mark),
            other == cause,
            "{cause}: {mark:?} in the hint of {}",
            text(output)
        );
    }
}

/// What `init` says it repairs, it repairs.
fn init(world: &World) {
    let output = world.run(&["init"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

/// A file of one event.
fn file() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "{}", event(1)).expect("written");
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_named_and_init_makes_the_one_that_is_missing() {
    let world = World::new().await;
    let loader = world.database.login("loginetl_loader").await;
    world.database.execute("alter table user_logins enable row level security").await;
    world.queue.send(&[event(1)]).await;
    refused(
        &world.run_as(&loader, &["load", "--drain"]),
        "policy",
        &["row-level security", "user_logins"],
    );
    let file = file();
    let path = file.path().to_str().expect("a path");
    refused(
        &world.run_as(&loader, &["load", "--file", path]),
        "policy",
        &["row-level security", "user_logins"],
    );
    assert_eq!(world.queue.depth().await, (1, 0), "the message stays");
    init(&world);
    for args in [&["load", "--drain"][..], &["load", "--file", path]] {
        let output = world.run_as(&loader, args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output));
    }
    assert_eq!(world.database.count("select from user_logins").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_appears_under_a_running_load_is_named_too() {
    let world = World::new().await;
    let loader = world.database.login("loginetl_loader").await;
    let running =
        Running::start(world.command(&["load"]).env("LOGINETL_DATABASE_URL", &loader.url));
    world.queue.send(&[event(1)]).await;
    eventually("the first row", async || {
        world.database.count("select from user_logins").await == 1
    })
    .await;
    world.database.execute("alter table user_logins enable row level security").await;
    world.queue.send(&[event(2)]).await;
    refused(&running.finish(), "policy", &["row-level security", "user_logins"]);
    assert_eq!(world.database.count("select from user_logins").await, 1);
    assert_eq!(
        world.database.count("select from ingest.quarantine").await,
        0,
        "no row is to blame"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_behind_a_default_is_named_and_init_grants_it() {
    let world = World::new().await;
    let loader = world.database.login("loginetl_loader").await;
    world.database.execute("alter table user_logins add column id serial").await;
    world.queue.send(&[event(1)]).await;
    refused(&world.run_as(&loader, &["load", "--drain"]), "sequence", &["user_logins_id_seq"]);
    let file = file();
    let path = file.path().to_str().expect("a path");
    refused(&world.run_as(&loader, &["load", "--file", path]), "sequence", &["user_logins_id_seq"]);
    init(&world);
    for args in [&["load", "--drain"][..], &["load", "--file", path]] {
        let output = world.run_as(&loader, args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output));
    }
    assert_eq!(world.database.count("select distinct id from user_logins").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_trigger_that_may_not_write_its_history_is_named() {
    let (world, rotator) = with_rows(20, 5).await;
    world
        .database
        .execute(
            "create table login_history (old_row jsonb);
             create function keep_history() returns trigger language plpgsql as
                 $$ begin insert into login_history values (to_jsonb(old)); return new; end $$;
             create trigger keep_history after update on user_logins for each row execute function
               keep_history()",
        )
        .await;
    let output = rotate(&world, &rotator, &[]);
    refused(&output, "foreign code", &["keep_history", "user_logins"]);
    assert_eq!(
        world.database.count("select from user_logins where masked_ip like 'ip1.1.%'").await,
        20,
        "no row was moved"
    );
    // The remedy, and the rotation goes on.
    world.database.execute("alter function keep_history() security definer").await;
    let output = rotate(&world, &rotator, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(world.database.count("select from login_history").await, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_the_owner_of_the_functions_has_lost_is_named_and_init_gives_it_back() {
    let (world, rotator) = with_rows(20, 5).await;
    world.database.execute("revoke all on user_logins from loginetl_owner").await;
    refused(&rotate(&world, &rotator, &[]), "owner of the functions", &["loginetl_owner"]);
    assert_eq!(world.database.count("select from vault.rotation").await, 0, "nothing was begun");
    init(&world);
    let output = rotate(&world, &rotator, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_that_gives_no_rights_is_named() {
    let (world, _) = with_rows(10, 5).await;
    let hash: String =
        world.database.query("select ip_hash::text from user_logins limit 1").await[0].get(0);
    let file = file();
    let path = file.path().to_str().expect("a path");
    let recover = ["unmask", "--ip-hash", &hash, "--reason", "a test"];
    let commands = [
        ("loginetl_loader", &["load", "--drain"][..]),
        ("loginetl_loader", &["load", "--file", path]),
        ("loginetl_loader", &["quarantine", "list"]),
        ("loginetl_rotator", &["rotate-keys"]),
        ("loginetl_rotator", &["keys", "destroy", "1", "--after", "0m", "--yes"]),
        ("loginetl_unmasker", &recover),
        ("loginetl_auditor", &["audit", "list"]),
    ];
    for (number, (group, args)) in commands.into_iter().enumerate() {
        let login = world.database.login_named(group, &format!("member{number}")).await;
        // Before PostgreSQL 16 it is the login that does not inherit, since
        // then the membership.
        let user = &login.user;
        world
            .database
            .execute(&format!(
                "revoke {group} from {user}; alter role {user} noinherit; grant {group} to {user}"
            ))
            .await;
        let named = format!("is a member of {group}, but does not inherit its rights");
        refused(&world.run_as(&login, args), "inheritance", &[user, &named]);
        let checked = text(&world.run_as(&login, &["check"]));
        assert!(checked.contains("does not inherit"), "{group}: {checked}");
    }
    assert_eq!(world.database.count("select from vault.rotation").await, 0);
}

/// As managed services restore: without owners and without privileges.
fn restore(from: &Database, to: &Database) {
    let program = |name: &str, url: &str| {
        let mut command = Command::new(PathBuf::from(setting("LOGINETL_TEST_PG_BIN")).join(name));
        command.arg("-d").arg(url).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    let dump = program("pg_dump", &from.url).args(["-O", "-x"]).output().expect("pg_dump runs");
    assert!(dump.status.success(), "{}", text(&dump));
    let mut psql = program("psql", &to.url);
    let psql = psql.args(["-X", "-q"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut psql = psql.expect("psql runs");
    psql.stdin.take().expect("a pipe").write_all(&dump.stdout).expect("it reads");
    assert!(psql.wait().expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_without_privileges_is_thought_of_and_init_gives_all_back() {
    let (world, _) = with_rows(20, 5).await;
    let restored = World::bare().await;
    restore(&world.database, &restored.database);
    let loader = restored.database.login("loginetl_loader").await;
    restored.queue.send(&[event(1)]).await;
    refused(
        &restored.run_as(&loader, &["load", "--drain"]),
        "restore",
        &["permission denied for schema vault"],
    );
    init(&restored);
    let loaded = restored.run_as(&loader, &["load", "--drain"]);
    assert_eq!(loaded.status.code(), Some(0), "{}", text(&loaded));
    let rotator = restored.database.login("loginetl_rotator").await;
    let rotated = rotate(&restored, &rotator, &[]);
    assert_eq!(rotated.status.code(), Some(0), "{}", text(&rotated));
    let open = "select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in ('vault', 'ingest', 'audit')
          and has_function_privilege('public', p.oid, 'execute')";
    assert_eq!(restored.database.count(open).await, 0, "no function is everybody's");
    assert_eq!(restored.database.count("select from user_logins").await, 21);
    assert_eq!(restored.run(&["audit", "verify"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_runs_init_and_does_not_own_the_table_is_told_who_does() {
    // The group roles are there: they belong to the cluster.
    let _made_the_roles = World::new().await;
    let world = World::bare().await;
    let login = world.database.login("pg_monitor").await;
    let user = &login.user;
    world
        .database
        .execute(&format!(
            "alter role {user} createrole; grant loginetl_owner to {user}; grant create
               on schema public to {user};
             do $$ begin execute format('alter database %I owner to {user}',
               current_database()); end $$;
             create table user_logins (user_id varchar(128), device_type varchar(32),
               masked_ip varchar(256),
                 masked_device_id varchar(256), locale varchar(32), app_version integer,
                   create_date date)"
        ))
        .await;
    refused(
        &world.run_as(&login, &["init"]),
        "owner of the table",
        &["user_logins", "owner", "postgres", user],
    );
    assert_eq!(
        world.database.count("select from pg_namespace where nspname = 'vault'").await,
        0,
        "nothing was begun"
    );
    world.database.execute(&format!("alter table user_logins owner to {user}")).await;
    let output = world.run_as(&login, &["init"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    world
        .database
        .execute(&format!("reassign owned by {user} to postgres; drop owned by {user}"))
        .await;
}

//! Loading from a file or standard input: chunks of 5,000 lines, each once.

use std::io::Write as _;

use nix::sys::signal::Signal;

use crate::support::{Running, World, event, eventually, summary, text};

fn file(lines: impl Iterator<Item = String>) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    for line in lines {
        writeln!(file, "{line}").expect("written");
    }
    file.flush().expect("written");
    file
}

fn load(world: &World, path: &str) -> serde_json::Value {
    let output = world.run(&["load", "--file", path, "--format", "json"]);
    assert!(output.status.success(), "{}", text(&output));
    summary(&output)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_loaded_twice_is_loaded_once() {
    let world = World::new().await;
    let file = file((0..12_345).map(|n| if n == 7_000 { "not json".to_owned() } else { event(n) }));
    let path = file.path().to_str().expect("a path");
    let first = load(&world, path);
    assert_eq!(
        (&first["received"], &first["loaded"], &first["quarantined"]),
        (&12_345.into(), &12_344.into(), &1.into()),
        "{first}"
    );
    let second = load(&world, path);
    assert_eq!((&second["loaded"], &second["duplicates"]), (&0.into(), &12_345.into()), "{second}");
    assert_eq!(world.database.count("select from user_logins").await, 12_344);
    assert_eq!(world.database.count("select distinct user_id from user_logins").await, 12_344);
    assert_eq!(world.database.count("select from ingest.quarantine").await, 1);
    assert_eq!(
        world.database.count("select from ingest.ledger").await,
        3,
        "one ledger row a chunk"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_loaders_of_one_file_at_once_load_it_once() {
    let world = World::new().await;
    let file = file((0..20_000).map(event));
    let path = file.path().to_str().expect("a path");
    let loaders: Vec<_> =
        (0..2).map(|_| world.spawn(&["load", "--file", path, "--format", "json"])).collect();
    for loader in loaders {
        let output = loader.finish();
        assert!(output.status.success(), "{}", text(&output));
    }
    assert_eq!(world.database.count("select distinct user_id from user_logins").await, 20_000);
    assert_eq!(world.database.count("select from user_logins").await, 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_load_is_finished_by_running_it_again() {
    let world = World::new().await;
    let file = file((0..60_000).map(event));
    let path = file.path().to_str().expect("a path");
    let loader = world.spawn(&["load", "--file", path]);
    eventually("a chunk is committed", async || {
        world.database.count("select from user_logins").await > 0
    })
    .await;
    loader.signal(Signal::SIGKILL);
    load(&world, path);
    assert_eq!(world.database.count("select from user_logins").await, 60_000);
    assert_eq!(world.database.count("select distinct user_id from user_logins").await, 60_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grown_file_is_another_file() {
    let world = World::new().await;
    load(&world, file((0..10).map(event)).path().to_str().expect("a path"));
    let grown = load(&world, file((0..11).map(event)).path().to_str().expect("a path"));
    assert_eq!(grown["loaded"], 11, "as the help says");
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_a_file_too() {
    let world = World::new().await;
    let lines: String = (0..5_010).map(|n| event(n) + "\r\n").collect();
    for (loaded, duplicates) in [(5_010, 0), (0, 5_010)] {
        let output =
            world.run_with_input(&["load", "--file", "-", "--format", "json"], lines.as_bytes());
        assert!(output.status.success(), "{}", text(&output));
        let summary = summary(&output);
        assert_eq!(
            (&summary["loaded"], &summary["duplicates"]),
            (&loaded.into(), &duplicates.into()),
            "{summary}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_database_refuses_is_quarantined_and_its_chunk_loaded() {
    let world = World::new().await;
    world
        .database
        .execute(
            "alter table user_logins add constraint no_17 check (user_id not in ('u-17', \
               'u-4999'))",
        )
        .await;
    let file = file((0..5_000).map(event));
    let summary = load(&world, file.path().to_str().expect("a path"));
    assert_eq!(
        (&summary["loaded"], &summary["quarantined"]),
        (&4_998.into(), &2.into()),
        "{summary}"
    );
    assert_eq!(
        world
            .database
            .count("select from ingest.quarantine where reason = 'database_rejected'")
            .await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_a_file_needs_no_queue_and_writes_nothing() {
    let world = World::new().await;
    let file = file((0..30).map(event));
    let path = file.path().to_str().expect("a path");
    let output = world
        .command(&["load", "--file", path, "--dry-run", "--format", "json", "--max-messages", "7"])
        .env_remove("LOGINETL_QUEUE_URL")
        .output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 7);
    assert_eq!(world.database.count("select from user_logins").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_conflict_with_each_other_are_found_too() {
    let world = World::new().await;
    for constraint in ["unique (user_id)", "unique (user_id) deferrable initially deferred"] {
        world
            .database
            .execute(&format!(
                "truncate user_logins; alter table user_logins add constraint once {constraint}"
            ))
            .await;
        let file = file((0..1_000).map(|n| event(n % 998)).chain([format!("\"{constraint}\"")]));
        let summary = load(&world, file.path().to_str().expect("a path"));
        assert_eq!(
            (&summary["loaded"], &summary["quarantined"]),
            (&998.into(), &3.into()),
            "{summary}"
        );
        assert_eq!(world.database.count("select from user_logins").await, 998);
        world.database.execute("alter table user_logins drop constraint once").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_waits_for_standard_input_can_be_stopped() {
    let world = World::new().await;
    let mut loader =
        Running::start(world.command(&["load", "--file", "-"]).stdin(std::process::Stdio::piped()));
    let mut stdin = loader.child().stdin.take().expect("a pipe");
    stdin
        .write_all((0..5_100).map(|n| event(n) + "\n").collect::<String>().as_bytes())
        .expect("it reads");
    eventually("the first chunk", async || {
        world.database.count("select from user_logins").await == 5_000
    })
    .await;
    let stopped_at = std::time::Instant::now();
    let output = loader.signal(Signal::SIGTERM);
    assert!(stopped_at.elapsed() < std::time::Duration::from_secs(5));
    assert_eq!(output.status.code(), Some(4), "not all was loaded: {}", text(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("load it again"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_that_waits_for_standard_input_can_be_stopped() {
    let world = World::new().await;
    let mut waiting = Running::start(
        world.command(&["load", "--file", "-", "--dry-run"]).stdin(std::process::Stdio::piped()),
    );
    let _silent = waiting.child().stdin.take();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let stopped_at = std::time::Instant::now();
    waiting.signal(Signal::SIGTERM);
    assert!(stopped_at.elapsed() < std::time::Duration::from_secs(5));
}

/// Each of the three connections may have a chunk in hand when the budget is used up.
#[tokio::test(flavor = "multi_thread")]
async fn the_poison_budget_stops_a_file_in_the_midst() {
    let world = World::new().await;
    let bad = |n: u32| if n.is_multiple_of(50) { event(n) } else { "{\"user_id\": 7}".to_owned() };
    let file = file((0..60_000).map(bad));
    let path = file.path().to_str().expect("a path");
    let output = world.run(&["load", "--file", path, "--poison-budget", "100", "--format", "json"]);
    let summary = summary(&output);
    assert_eq!(
        (output.status.code(), &summary["poison_budget_exceeded"]),
        (Some(1), &true.into()),
        "{summary}"
    );
    let quarantined = world.database.count("select from ingest.quarantine").await;
    assert!(quarantined > 100 && quarantined <= 3 * 5_000, "{summary}");
    assert_eq!(summary["quarantined"].as_i64(), Some(quarantined), "{summary}");
}

/// A fault that passes while the refused row is looked for is borne as any other is.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_while_a_refused_row_is_looked_for_is_borne() {
    let world = World::new().await;
    world
        .database
        .execute(
            "create sequence public.rows_seen;
             grant usage on sequence public.rows_seen to public;
             create function public.hiccup() returns trigger language plpgsql as $$
             declare seen bigint := nextval('public.rows_seen');
             begin
                 if seen = 12 then raise exception 'for a moment' using errcode = '40001'; end if;
                 if new.user_id = 'u-7' then raise exception 'never' using errcode = '23514'; end
                   if;
                 return new;
             end $$;
             create trigger hiccup before insert on user_logins for each row execute function
               public.hiccup()",
        )
        .await;
    let file = file((0..10).map(event));
    let summary = load(&world, file.path().to_str().expect("a path"));
    assert_eq!((&summary["loaded"], &summary["quarantined"]), (&9.into(), &1.into()), "{summary}");
    let seen: i64 = world.database.query("select last_value from public.rows_seen").await[0].get(0);
    assert!(seen > 12 + 9, "the fault came in the midst of the search: {seen}");
    assert_eq!(world.database.count("select from user_logins").await, 9);
}

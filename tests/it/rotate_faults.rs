//! `rotate-keys` killed, cut off and refused at any point: run again, it
//! ends as a quiet one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::rotate::{
    events, every_token_opens, is_whole, rand, rotate, rows_by_key, states, world,
};
use crate::support::{Action, Login, Proxy, Running, World, eventually, text};

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_and_run_again_it_ends_as_a_quiet_one() {
    let (world, rotator) = world(3_000, 100).await;
    let mut killed = 0;
    for _ in 0..30 {
        let mut command = world.command(&["rotate-keys", "--duty", "30%"]);
        let mut running = Running::start(command.env("LOGINETL_DATABASE_URL", &rotator.url));
        tokio::time::sleep(Duration::from_millis(rand() % 400)).await;
        killed += u32::from(running.child().try_wait().expect("a state").is_none());
        drop(running);
        assert!(is_whole(&world).await, "after a kill");
    }
    assert!(killed >= 5, "{killed} were killed");
    ends_as_a_quiet_one(&world, &rotator).await;
}

/// Killed while each call to KMS is on its way, one after the other: between any two of
/// them something was committed.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_durable_step_and_run_again_it_ends_as_a_quiet_one() {
    let (world, rotator) = world(3_000, 100).await;
    let mut world = world;
    for purpose in [&[][..], &["--compromised"]] {
        for call in 0..14 {
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&calls);
            world = world.through(&Proxy::start(move |_| {
                if counted.fetch_add(1, Ordering::SeqCst) == call {
                    Action::Hang
                } else {
                    Action::Forward
                }
            }));
            let mut command =
                world.command(&[&["rotate-keys", "--duty", "100%"], purpose].concat());
            let mut running = Running::start(command.env("LOGINETL_DATABASE_URL", &rotator.url));
            eventually("it hangs or ends", async || {
                calls.load(Ordering::SeqCst) > call
                    || running.child().try_wait().expect("a state").is_some()
            })
            .await;
            drop(running);
            assert!(is_whole(&world).await, "after a kill in call {call}");
        }
    }
    world.endpoint = None;
    // What was begun is ended; another such rotation uses the keys that a
    // kill left pending.
    for _ in 0..2 {
        let output = rotate(&world, &rotator, &["--compromised"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    ends_as_a_quiet_one(&world, &rotator).await;
}

async fn ends_as_a_quiet_one(world: &World, rotator: &Login) {
    ends_as_a_quiet_one_of(world, rotator, 100, 3_000).await;
}

/// One more run: all rows under the active key, no key on its way, every token opens, the
/// log is intact.
async fn ends_as_a_quiet_one_of(world: &World, rotator: &Login, values: usize, rows: i64) {
    let output = rotate(world, rotator, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let active: String = world
        .database
        .query(
            "select key_id::text from vault.data_keys where purpose = 'mask' and state = 'active'",
        )
        .await[0]
        .get(0);
    assert_eq!(
        rows_by_key(world).await,
        [(format!("device_id {active}"), rows), (format!("ip {active}"), rows)]
    );
    let odd = "select from vault.data_keys where state in ('pending', 'retiring')";
    assert_eq!(world.database.count(odd).await, 0, "{:?}", states(world).await);
    every_token_opens(world, values).await;
    assert_eq!(
        world.run(&["audit", "verify"]).status.code(),
        Some(0),
        "what a kill left unsigned was signed by the next run"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_outlives_lost_connections_and_a_full_disk() {
    let (world, rotator) = world(12_000, 400).await;
    // A full disk, as the server reports one, until somebody makes room.
    world
        .database
        .execute(
            "create function public.full_disk() returns trigger language plpgsql as
                 $$ begin raise exception 'no space left on device' using errcode = '53100'; end $$;
             create trigger full_disk before update on user_logins for each row execute function
               public.full_disk()",
        )
        .await;
    let mut command = world.command(&["rotate-keys", "--duty", "20%", "--format", "json"]);
    let running = Running::start(command.env("LOGINETL_DATABASE_URL", &rotator.url));
    eventually("it has begun", async || {
        world.database.count("select from vault.rotation").await == 2
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(is_whole(&world).await);
    world.database.execute("drop trigger full_disk on user_logins").await;
    for _ in 0..3 {
        let theirs = format!(
            "with theirs as materialized (select pid from pg_stat_activity where usename = '{}')",
            rotator.user
        );
        world
            .database
            .execute(&format!("{theirs} select pg_terminate_backend(pid) from theirs"))
            .await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert!(is_whole(&world).await);
    }
    let output = running.finish();
    // A connection that is lost at the very end leaves the rest to the next run.
    assert!([Some(0), Some(4)].contains(&output.status.code()), "{}", text(&output));
    ends_as_a_quiet_one_of(&world, &rotator, 400, 12_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn if_kms_refuses_in_the_middle_nothing_is_lost() {
    for (target, answer, exit) in [
        ("TrentService.Decrypt", r#"{"__type": "AccessDeniedException"}"#, 3),
        ("TrentService.Encrypt", r#"{"__type": "ThrottlingException"}"#, 4),
        ("TrentService.Sign", r#"{"__type": "KMSInvalidStateException"}"#, 3),
    ] {
        let (world, rotator) = world(300, 100).await;
        let calls = AtomicUsize::new(0);
        // The first call of the kind passes: for Sign, that is the trial before anything
        // is begun.
        let refused = Proxy::start(move |called| {
            let is_refused = called == target && calls.fetch_add(1, Ordering::SeqCst) > 0;
            if is_refused { Action::Answer(400, answer) } else { Action::Forward }
        });
        let mut world = world.through(&refused);
        let output = rotate(&world, &rotator, &[]);
        assert_eq!(output.status.code(), Some(exit), "{target}: {}", text(&output));
        assert!(is_whole(&world).await);
        world.endpoint = None;
        world.load(&events(10, 100, 5_000));
        ends_as_a_quiet_one_of(&world, &rotator, 100, 310).await;
    }
}

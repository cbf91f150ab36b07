//! Settings that others have made for a role, a database or a server: they have no say,
//! or are refused by name.

mod sigterm;
mod standby;
mod trial;

use crate::rotate::{events, rotate, rows_by_key, states};
use crate::support::{World, event, json_lines, summary, text};
use trial::{NO_EVENT, ODD, Setup, Trial, feed, set};

/// A quarter of a second before each statement that writes to the table.
const SLOW_WRITES: &str = "create function slow() returns trigger language plpgsql as
        $$ begin perform pg_catalog.pg_sleep(0.25); return null; end $$;
    create trigger slow before insert or update on user_logins for each statement execute function
      slow()";

async fn everything_is_right(setup: Setup) {
    Trial::begin(&setup).await.everything_is_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_right_where_transactions_are_repeatable_read() {
    let settings = &[("default_transaction_isolation", "'repeatable read'")];
    everything_is_right(Setup { settings, ..Setup::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_right_where_transactions_are_serializable_and_deferrable() {
    let settings = &[
        ("default_transaction_isolation", "serializable"),
        ("default_transaction_deferrable", "on"),
    ];
    everything_is_right(Setup { settings, ..Setup::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_right_where_transactions_are_read_only() {
    let settings = &[("default_transaction_read_only", "on")];
    everything_is_right(Setup { settings, ..Setup::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_right_where_statements_have_a_short_time() {
    let settings = &[("statement_timeout", "'50ms'")];
    everything_is_right(Setup { settings, after: SLOW_WRITES, ..Setup::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_right_where_transactions_have_a_short_time() {
    if has_no_transaction_timeout().await {
        return;
    }
    let settings = &[("transaction_timeout", "'200ms'")];
    everything_is_right(Setup { settings, after: SLOW_WRITES, ..Setup::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_right_where_sessions_may_not_wait() {
    let settings = &[
        ("lock_timeout", "'1ms'"),
        ("idle_session_timeout", "'250ms'"),
        ("idle_in_transaction_session_timeout", "'250ms'"),
    ];
    everything_is_right(Setup { settings, has_slow_kms: true, ..Setup::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_right_where_row_level_security_is_an_error() {
    let settings = &[("row_security", "off")];
    let after = "alter table user_logins enable row level security";
    everything_is_right(Setup { settings, after, ..Setup::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_right_where_the_search_path_leads_elsewhere() {
    nothing_evil_is_called(&[("search_path", "evil, public")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_right_where_the_search_path_leads_elsewhere_first_of_all() {
    nothing_evil_is_called(&[("search_path", "evil, pg_catalog, public")]).await;
}

async fn nothing_evil_is_called(settings: &'static [(&'static str, &'static str)]) {
    let trial = Trial::begin(&Setup {
        settings,
        before: include_str!("foreign_settings/evil.sql"),
        ..Setup::default()
    })
    .await;
    trial.everything_is_right().await;
    assert_eq!(
        trial.world.database.count("select from evil.called where is_called").await,
        0,
        "something evil was called"
    );
    assert_eq!(trial.world.database.count("select from evil.user_logins").await, 0);
}

/// What changes how values are read and written as text, and one more
/// isolation: all at once.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_right_whatever_shape_text_has() {
    let settings = &[
        ("client_encoding", "latin1"),
        ("standard_conforming_strings", "off"),
        ("timezone", "'Pacific/Kiritimati'"),
        ("datestyle", "'SQL, DMY'"),
        ("intervalstyle", "sql_standard"),
        ("bytea_output", "escape"),
        ("extra_float_digits", "-15"),
        ("array_nulls", "off"),
        ("quote_all_identifiers", "on"),
        ("transform_null_equals", "on"),
        ("check_function_bodies", "off"),
        ("default_transaction_isolation", "'read uncommitted'"),
        ("synchronous_commit", "off"),
        ("jit", "on"),
        ("jit_above_cost", "0"),
    ];
    everything_is_right(Setup { settings, ..Setup::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_in_which_no_trigger_works_is_refused_by_name() {
    let trial = Trial::begin(&Setup::default()).await;
    let Trial { world, admin, loader, rotator, unmasker, auditor, .. } = &trial;
    world.load(&[event(1), event(2)]);
    world.queue.send(&[ODD.to_owned(), NO_EVENT.to_owned()]).await;
    world.drain(0);
    assert_eq!(rotate(world, rotator, &[]).status.code(), Some(0));
    world
        .database
        .execute(
            "alter table user_logins add column ip inet; insert into user_logins (ip) \
               values ('10.0.0.9')",
        )
        .await;
    world.queue.send(&[event(3)]).await;
    for login in [admin, loader, rotator, unmasker, auditor] {
        set(world, login, &[("session_replication_role", "replica")]).await;
    }
    let state = async || {
        let counts = [
            "public.user_logins",
            "ingest.quarantine",
            "ingest.ledger",
            "vault.wraps",
            "audit.log",
            "audit.signatures",
        ]
        .map(|table| format!("(select count(*) from {table})"));
        let tokens = "(select string_agg(masked_ip || masked_device_id, ' ' order by user_id) \
                      from public.user_logins)";
        let sql = format!("select concat_ws(' ', {}, {tokens})", counts.join(", "));
        (world.database.query(&sql).await[0].get::<_, String>(0), states(world).await)
    };
    let before = state().await;
    let unmask = ["unmask", "--find-ip", "10.0.0.1", "--reason", "a test"];
    for (login, args) in [
        (admin, &["init"][..]),
        (loader, &["load", "--file", "-"]),
        (loader, &["load", "--drain"]),
        (loader, &["quarantine", "retry", "--app-version", "major"]),
        (loader, &["quarantine", "purge", "--all", "--yes"]),
        (rotator, &["rotate-keys"]),
        (rotator, &["rotate-keys", "--compromised"]),
        (rotator, &["keys", "destroy", "1", "--after", "0m", "--yes"]),
        (unmasker, &unmask),
        (admin, &["backfill", "--ip-column", "ip"]),
    ] {
        let output = feed(world, login, args, &event(4));
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", text(&output));
        assert!(text(&output).contains("session_replication_role"), "{args:?}: {}", text(&output));
        assert_eq!(state().await, before, "{args:?}");
    }
    let (visible, in_flight) = world.queue.depth().await;
    assert_eq!(visible + in_flight, 1, "nothing was deleted");
    for (login, args) in [
        (loader, &["quarantine", "list"][..]),
        (auditor, &["status"]),
        (rotator, &["keys", "list"]),
        (auditor, &["audit", "list"]),
        (auditor, &["audit", "verify"]),
        (auditor, &["audit", "export", "--out", "-"]),
    ] {
        let output = world.run_as(login, args);
        let is_refused =
            output.status.code() == Some(3) && text(&output).contains("session_replication_role");
        assert!(output.status.code() == Some(0) || is_refused, "{args:?}: {}", text(&output));
    }
    let checked = world.run_as(loader, &["check"]);
    assert!(text(&checked).contains("session_replication_role"), "{}", text(&checked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_read_only_by_default_is_named_and_written_to() {
    let trial = Trial::begin(&Setup::default()).await;
    let Trial { world, loader, rotator, unmasker, .. } = &trial;
    world.database.alter("set default_transaction_read_only = on").await;
    for login in [loader, rotator, unmasker] {
        let output = world.run_as(login, &["check", "--format", "json"]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output));
        let is_named = |f: &serde_json::Value| {
            f["check"] == "settings" && f.to_string().contains("default_transaction_read_only")
        };
        assert!(json_lines(&output).iter().any(is_named), "{}", text(&output));
    }
    let noted = |output: &std::process::Output| {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            stderr.contains("default_transaction_read_only") && stderr.contains("read-only"),
            "{}",
            text(output)
        );
    };
    let loaded = feed(
        world,
        loader,
        &["load", "--file", "-", "--format", "json"],
        &events(3, 3, 0).join("\n"),
    );
    assert_eq!(
        (loaded.status.code(), &summary(&loaded)["loaded"]),
        (Some(0), &3.into()),
        "{}",
        text(&loaded)
    );
    noted(&loaded);
    let nobody = "00000000-0000-8000-8000-000000000000";
    let asked = world.run_as(unmasker, &["unmask", "--ip-hash", nobody, "--reason", "a test"]);
    assert_eq!(asked.status.code(), Some(1), "nobody has it: {}", text(&asked));
    noted(&asked);
    let rotated = rotate(world, rotator, &[]);
    assert_eq!(
        (rotated.status.code(), &summary(&rotated)["rows_moved"]),
        (Some(0), &6.into()),
        "{}",
        text(&rotated)
    );
    noted(&rotated);
    world.database.alter("reset default_transaction_read_only").await;
    assert_eq!(world.database.count("select from user_logins").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_timeout_of_the_role_does_not_end_a_rotation_of_a_large_table() {
    let trial = Trial::begin(&Setup::default()).await;
    let Trial { world, rotator, .. } = &trial;
    // Rows of an earlier loader make every look at the whole table slow.
    let old = "insert into user_logins (user_id, masked_ip, masked_device_id)
               select 'old' || i, repeat('x', 200), repeat('y', 200)
                 from generate_series(1, 300000) as i";
    world.database.execute(old).await;
    world.load(&events(200, 20, 0));
    set(world, rotator, &[("statement_timeout", "'40ms'")]).await;
    let checked = world.run_as(rotator, &["check"]);
    assert!(text(&checked).contains("statement_timeout"), "{}", text(&checked));
    let rotated = rotate(world, rotator, &[]);
    assert_eq!(
        (rotated.status.code(), &summary(&rotated)["rows_moved"]),
        (Some(0), &400.into()),
        "{}",
        text(&rotated)
    );
    assert_eq!(
        states(world).await,
        ["1 mask retired", "2 hash active", "3 seal active", "4 mask active"]
    );
    let destroyed = world.run_as(rotator, &["keys", "destroy", "1", "--after", "0m", "--yes"]);
    assert_eq!(destroyed.status.code(), Some(0), "{}", text(&destroyed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_timeout_of_the_role_ends_no_load_and_no_rotation() {
    if has_no_transaction_timeout().await {
        return;
    }
    let trial = Trial::begin(&Setup::default()).await;
    let Trial { world, loader, rotator, .. } = &trial;
    for login in [loader, rotator] {
        set(world, login, &[("transaction_timeout", "'60ms'")]).await;
    }
    let loaded = feed(
        world,
        loader,
        &["load", "--file", "-", "--format", "json"],
        &events(12_000, 200, 0).join("\n"),
    );
    assert_eq!(
        (loaded.status.code(), &summary(&loaded)["loaded"]),
        (Some(0), &12_000.into()),
        "{}",
        text(&loaded)
    );
    for flags in [&[][..], &["--compromised"]] {
        let rotated = rotate(world, rotator, flags);
        assert_eq!(
            (rotated.status.code(), &summary(&rotated)["rows_moved"]),
            (Some(0), &24_000.into()),
            "{}",
            text(&rotated)
        );
    }
    assert_eq!(rows_by_key(world).await.len(), 2, "all under one key");
}

/// Before PostgreSQL 17 there is none.
async fn has_no_transaction_timeout() -> bool {
    let world = World::bare().await;
    let is_missing =
        world.database.count("select from pg_settings where name = 'transaction_timeout'").await
            == 0;
    if is_missing {
        say("skipped: this server has no transaction_timeout");
    }
    is_missing
}

/// Whoever reads the output should know what was not tested.
pub fn say(text: &str) {
    #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
    {
        eprintln!("{text}");
    }
}

//! What the server says is passed on where it names objects, and kept back where a value
//! may be in it: whoever made the trigger, the constraint or the expression that fails,
//! no value comes out, at the most talkative log level.

use std::io::Write as _;
use std::process::Output;

use crate::support::{Login, World, event, text};

/// A user, and so a value.
const VALUE: &str = "raised-value-4711";

fn of_value() -> String {
    event(1).replace("u-1", VALUE)
}

/// As talkative as can be.
fn run(world: &World, args: &[&str]) -> Output {
    world.command(args).env("RUST_LOG", "trace").output().expect("it runs")
}

fn silent(output: &Output, what: &str) {
    for secret in [VALUE, "words of a trigger"] {
        assert!(!text(output).contains(secret), "{what}: {secret} in {}", text(output));
    }
}

fn file() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "{}\n{}", of_value(), event(2)).expect("written");
    file
}

/// An installation with a message in quarantine that is refused no more.
async fn with_a_rejected_message() -> World {
    let world = World::new().await;
    world.queue.send(&[of_value().replace("2.3.0", "1.1000")]).await;
    assert_eq!(world.drain(0)["quarantined"], 1);
    world
}

const RETRY: [&str; 4] = ["quarantine", "retry", "--app-version", "digits"];

/// A trigger that raises a value with this code, in its text and in every part that an
/// error has.
async fn raise(world: &World, code: &str) {
    world
        .database
        .execute(&format!(
            "create or replace function raising() returns trigger language plpgsql as $$
             begin
                 raise exception 'words of a trigger about %', new.user_id
                     using errcode = '{code}', detail = new.user_id, hint = new.user_id,
                       schema = new.user_id,
                           table = new.user_id, column = new.user_id, datatype = new.user_id,
                             constraint = new.user_id;
             end $$;
             create or replace trigger raising before insert
               on user_logins for each row execute function raising()"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_word_of_somebody_elses_trigger_comes_out_whatever_its_code() {
    let world = with_a_rejected_message().await;
    for code in [
        "42501", "0A000", "55000", "P0001", "22023", "23505", "23514", "25001", "3F000", "40001",
        "42P01", "53100", "57014", "58030", "P0004", "XX000",
    ] {
        raise(&world, code).await;
        let output = run(&world, &RETRY);
        silent(&output, code);
        assert_ne!(output.status.code(), Some(0), "{code}: {}", text(&output));
        assert_eq!(world.database.count("select from user_logins").await, 0, "{code}");
        assert_eq!(
            world.database.count("select from ingest.quarantine").await,
            1,
            "{code}: it stays"
        );
    }
    let file = file();
    let path = file.path().to_str().expect("a path");
    for (code, exit) in [("42501", 3), ("0A000", 3), ("55000", 3), ("P0001", 0), ("22023", 0)] {
        raise(&world, code).await;
        world.queue.send(&[of_value()]).await;
        for args in [&["load", "--drain"][..], &["load", "--file", path]] {
            let output = run(&world, args);
            silent(&output, code);
            assert_eq!(output.status.code(), Some(exit), "{code} by {args:?}: {}", text(&output));
            assert!(
                exit == 0 || text(&output).contains(code),
                "the code is told: {}",
                text(&output)
            );
        }
        assert_eq!(world.database.count("select from user_logins").await, 0, "{code}");
        // Refused rows are those of a file that was loaded; each code
        // has its turn with it.
        world.database.execute("truncate ingest.ledger").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_within_a_trigger_of_somebody_else_is_not_quoted_either() {
    let world = with_a_rejected_message().await;
    for body in [
        "execute format('select %I', new.user_id);",
        "execute format('select * from %I', new.user_id);",
        "perform new.user_id::int;",
        "perform new.user_id::regclass;",
        "perform set_config('no.' || new.user_id, new.user_id, true), \
         current_setting(new.user_id);",
        "execute 'set role ' || quote_ident(new.user_id);",
    ] {
        world
            .database
            .execute(&format!(
                "create or replace function failing() returns trigger language plpgsql as $$ begin
                   {body} return new; end $$;
                 create or replace trigger failing before insert
                   on user_logins for each row execute function failing()"
            ))
            .await;
        world.queue.send(&[of_value()]).await;
        for args in [&RETRY[..], &["load", "--drain"]] {
            silent(&run(&world, args), body);
        }
        assert_eq!(world.database.count("select from user_logins").await, 0, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_takes_a_value_for_a_name_quotes_nothing() {
    let world = with_a_rejected_message().await;
    let file = file();
    let path = file.path().to_str().expect("a path");
    for expression in [
        "user_id::regclass is not null",
        "pg_catalog.has_table_privilege(user_id, 'select')",
        "pg_catalog.current_setting(user_id) is not null",
        "user_id::regrole is not null",
        "user_id::date is not null",
    ] {
        world
            .database
            .execute(&format!("alter table user_logins add constraint odd check ({expression})"))
            .await;
        world.queue.send(&[of_value()]).await;
        for args in [&RETRY[..], &["load", "--drain"], &["load", "--file", path]] {
            silent(&run(&world, args), expression);
        }
        assert_eq!(world.database.count("select from user_logins").await, 0, "{expression}");
        world.database.execute("alter table user_logins drop constraint odd").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constraint_that_a_value_violates_is_named_without_the_value() {
    let world = with_a_rejected_message().await;
    world
        .database
        .execute(&format!(
            "alter table user_logins add constraint not_him check (user_id <> '{VALUE}')"
        ))
        .await;
    let file = file();
    let path = file.path().to_str().expect("a path");
    world.queue.send(&[of_value()]).await;
    for args in [&["load", "--drain"][..], &["load", "--file", path]] {
        let output = run(&world, args);
        silent(&output, "a check");
        assert_eq!(output.status.code(), Some(0), "it is quarantined: {}", text(&output));
        assert!(
            text(&output).contains("23514") && text(&output).contains("not_him"),
            "{}",
            text(&output)
        );
    }
    silent(&run(&world, &RETRY), "a retry");
    assert_eq!(
        world.database.count("select from user_logins").await,
        1,
        "the other row of the file"
    );
    assert_eq!(
        world
            .database
            .count("select from ingest.quarantine where reason = 'database_rejected'")
            .await,
        2
    );
}

/// Exit code, the server's own words, and no hint to look a code up.
fn passes_on(output: &Output, exit: i32, words: &str) {
    assert_eq!(output.status.code(), Some(exit), "{words}: {}", text(output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains(words) && !stderr.contains("look the SQLSTATE up"),
        "{words}: {}",
        text(output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_says_of_objects_and_settings_is_passed_on() {
    let world = World::new().await;
    let loader = world.database.login("loginetl_loader").await;
    let rotator = world.database.login("loginetl_rotator").await;
    world.queue.send(&[event(1)]).await;
    let as_login = |login: &Login, args: &[&str]| world.run_as(login, args);
    let database = &world.database;

    database.execute("revoke insert on user_logins from loginetl_loader").await;
    passes_on(
        &as_login(&loader, &["load", "--drain"]),
        3,
        "permission denied for table user_logins",
    );
    database.execute("grant insert on user_logins to loginetl_loader").await;

    database
        .execute("revoke execute on function ingest.ensure_day(date) from loginetl_loader")
        .await;
    passes_on(
        &as_login(&loader, &["load", "--drain"]),
        3,
        "permission denied for function ensure_day",
    );
    database.execute("grant execute on function ingest.ensure_day(date) to loginetl_loader").await;

    database.execute("alter function ingest.ensure_day(date) rename to elsewhere").await;
    passes_on(
        &as_login(&loader, &["load", "--drain"]),
        2,
        "function ingest.ensure_day(date) does not exist",
    );
    database.execute("alter function ingest.elsewhere(date) rename to ensure_day").await;

    database.execute("alter view vault.wrap_holders rename to elsewhere").await;
    passes_on(
        &as_login(&rotator, &["keys", "list"]),
        2,
        "relation \"vault.wrap_holders\" does not exist",
    );
    database.execute("alter view vault.elsewhere rename to wrap_holders").await;

    database
        .execute("alter table ingest.quarantine rename column receive_count to elsewhere")
        .await;
    passes_on(
        &as_login(&loader, &["quarantine", "list"]),
        2,
        "column \"receive_count\" does not exist",
    );
    database
        .execute("alter table ingest.quarantine rename column elsewhere to receive_count")
        .await;

    database.execute(&format!("alter role {} connection limit 0", loader.user)).await;
    let words = format!("too many connections for role \"{}\"", loader.user);
    passes_on(&as_login(&loader, &["quarantine", "list"]), 4, &words);
    database.execute(&format!("alter role {} connection limit -1", loader.user)).await;

    assert_eq!(as_login(&loader, &["load", "--drain"]).status.code(), Some(0), "as ever");
    assert_eq!(as_login(&rotator, &["keys", "list"]).status.code(), Some(0), "as ever");
}

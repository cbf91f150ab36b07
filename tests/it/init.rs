//! `init`: idempotent, safe twice at once, careful with tables and keys that
//! are there already.

use crate::support::{World, event, summary, text};

const SEVEN_COLUMNS: &str = "create table user_logins (user_id varchar(128),
                               device_type varchar(32), masked_ip varchar(256),
    masked_device_id varchar(256), locale varchar(32), app_version integer, create_date date)";

#[tokio::test(flavor = "multi_thread")]
async fn a_second_init_changes_nothing() {
    let world = World::new().await;
    let keys = "select key_id, purpose, state from vault.data_keys order by key_id";
    let before: Vec<String> =
        world.database.query(keys).await.iter().map(|r| format!("{r:?}")).collect();
    let again = world.run(&["init", "--format", "json"]);
    assert!(again.status.success(), "{}", text(&again));
    assert!(
        String::from_utf8_lossy(&again.stdout).contains(r#""migrations":[]"#),
        "{}",
        text(&again)
    );
    let after: Vec<String> =
        world.database.query(keys).await.iter().map(|r| format!("{r:?}")).collect();
    assert_eq!(before.len(), 3);
    assert_eq!(before, after);
    assert_eq!(world.database.count("select from vault.data_keys where state = 'active'").await, 3);
    assert_eq!(
        world.database.count("select from vault.wraps").await,
        6,
        "each key is wrapped twice"
    );
    let arns = "select distinct holder, kms_key_arn from vault.wraps";
    assert_eq!(world.database.count(arns).await, 2, "one KMS key for each holder");
}

#[tokio::test(flavor = "multi_thread")]
async fn inits_at_once_in_one_database_and_in_others_all_succeed() {
    let (one, other) = (World::bare().await, World::bare().await);
    let children: Vec<_> =
        [&one, &one, &one, &other, &other].iter().map(|world| world.spawn(&["init"])).collect();
    for child in children {
        let output = child.finish();
        assert!(output.status.success(), "{}", text(&output));
    }
    for world in [&one, &other] {
        assert_eq!(
            world.database.count("select from vault.data_keys where state = 'active'").await,
            3
        );
        assert_eq!(world.database.count("select from vault.data_keys").await, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_table_keeps_its_rows_and_gets_what_it_lacks() {
    let world = World::bare().await;
    world.database.execute(SEVEN_COLUMNS).await;
    world
        .database
        .execute("insert into user_logins values ('old', 'ios', 'x', 'y', null, 1, '2020-01-01')")
        .await;
    let output = world.run(&["init"]);
    assert!(output.status.success(), "{}", text(&output));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("added ip_hash, device_id_hash"), "{stdout}");
    assert!(stdout.contains("rows without hashes"), "{stdout}");
    assert_eq!(
        world
            .database
            .count("select from user_logins where user_id = 'old' and ip_hash is null")
            .await,
        1
    );
    world.queue.send(&[crate::support::event(1)]).await;
    assert_eq!(world.drain(0)["loaded"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_does_not_fit_is_refused_with_the_alter_to_run() {
    for (change, named) in [
        (
            "alter column masked_ip type varchar(64)",
            "alter column \"masked_ip\" type character varying(256)",
        ),
        ("alter column app_version type text", "alter column \"app_version\" type integer"),
        ("alter column locale set not null", "alter column \"locale\" drop not null"),
        ("add column extra text not null", "alter column \"extra\" drop not null"),
    ] {
        let world = World::bare().await;
        world.database.execute(SEVEN_COLUMNS).await;
        world.database.execute(&format!("alter table user_logins {change}")).await;
        let output = world.run(&["init"]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains(named), "{}", text(&output));
        assert_eq!(
            world.database.count("select from pg_namespace where nspname = 'vault'").await,
            0,
            "nothing was begun"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_and_a_changed_migration_are_refused() {
    let world = World::new().await;
    let history = "insert into vault.schema_version (version, name, applied_on, checksum) \
                     values (99, 'later', now()::text, '1')";
    world.database.execute(history).await;
    for command in [&["init"][..], &["load", "--drain"], &["quarantine", "list"]] {
        let output = world.run(command);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("newer loginetl"),
            "{}",
            text(&output)
        );
    }
    world.database.execute("delete from vault.schema_version where version = 99").await;
    world.database.execute("update vault.schema_version set checksum = '1'").await;
    let output = world.run(&["init"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_key_left_by_a_crash_is_checked_and_used() {
    let world = World::new().await;
    world
        .database
        .tamper(
            "update vault.data_keys set state = 'pending', activated_at = null \
               where purpose = 'mask'",
        )
        .await;
    let output = world.run(&["init"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(
        world.database.count("select from vault.data_keys").await,
        3,
        "no second mask key was made"
    );

    // A pending key whose wraps were swapped must not become active.
    world
        .database
        .tamper(
            "update vault.data_keys set state = 'pending', activated_at = null \
               where purpose = 'mask'",
        )
        .await;
    let swap = "update vault.wraps a set wrapped = b.wrapped from vault.wraps b
                where a.key_id = 1 and b.key_id = 3
                  and a.holder = 'ingest' and b.holder = 'ingest'";
    world.database.execute(swap).await;
    let output = world.run(&["init"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert_eq!(
        world
            .database
            .count("select from vault.data_keys where purpose = 'mask' and state = 'active'")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_kms_key_for_both_holders_is_refused() {
    let world = World::bare().await;
    let output = world.run(&["init", "--recovery-key", "alias/loginetl-ingest"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert_eq!(world.database.count("select from vault.data_keys").await, 0);
    let output = world.run(&["init"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_is_no_superuser_can_initialise() {
    let world = World::bare().await;
    let owner = world.database.login("pg_monitor").await;
    let database =
        world.database.query("select current_database()::text").await[0].get::<_, String>(0);
    world
        .database
        .execute(&format!(
            "alter role {u} createrole; alter database {database} owner to {u}",
            u = owner.user
        ))
        .await;
    world.database.execute(&format!("grant create on schema public to {}", owner.user)).await;
    let output = world.command(&["init", "--database-url", &owner.url]).output().expect("it runs");
    // The group roles may have been made by somebody else; then only an administrator of
    // theirs can admit this user.
    if !output.status.success() {
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        world.database.execute(&format!("grant loginetl_owner to {}", owner.user)).await;
        let output =
            world.command(&["init", "--database-url", &owner.url]).output().expect("it runs");
        assert!(output.status.success(), "{}", text(&output));
    }
    world
        .database
        .execute(&format!("reassign owned by {u} to postgres; drop owned by {u}", u = owner.user))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_schema_is_upgraded_and_its_keys_get_their_records() {
    let world = World::new().await;
    world.load(&[event(1)]);
    let first = include_str!("../../sql/V1__foundation.sql");
    let plan = first
        .split_once("create view vault.plan")
        .and_then(|(_, rest)| rest.split_once(';'))
        .expect("a view")
        .0;
    // Back to the first version, with its keys and rows.
    world
        .database
        .execute(
            &"drop schema audit cascade; create schema audit authorization loginetl_owner;
             alter table vault.rotation drop constraint rotation_pkey;
             drop view vault.keys, vault.census, ingest.quarantine_summary, vault.wrap_holders,
               vault.fence_holders, ingest.bodies_by_key;
             drop function vault.check_key_move, vault.check_watermark cascade;
             drop function vault.replace_active, vault.start_rotation, vault.is_unused,
               vault.finish_rotation, vault.destroy_key,
                 vault.replace_wrap;
             drop function vault.request_unmask, vault.open_request, vault.release_key,
               vault.record_outcome,
                 vault.blind_spots, vault.count_rows, vault.require_sight, vault.is_closed,
                   vault.check_release, vault.released_wrap,
                 vault.withdraw_request, vault.remember_rows, vault.are_rows_as_remembered,
                   vault.summarise_rows,
                 ingest.count_written, ingest.accepts, vault.mask_field, vault.plan_mask_run,
                 vault.commit_mask_run, vault.drop_archive, vault.runs_to_drop, vault.is_archived;
             drop table vault.fields, vault.mask_runs cascade;
             drop function vault.refuse_unmasking;
             alter table vault.rotation add constraint rotation_field_check check (field in ('ip',
               'device_id'));
             set role loginetl_owner; create view vault.plan PLAN; reset role;
             delete from vault.schema_version where version > 1"
                .replace("PLAN", plan),
        )
        .await;
    let old = world.run(&["load", "--drain"]);
    assert!(
        old.status.code() == Some(2) && text(&old).contains("run: loginetl init"),
        "{}",
        text(&old)
    );
    let output = world.run(&["init", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(summary(&output)["keys_created"], serde_json::json!([]), "the keys stay");
    let verified = world.run(&["audit", "verify"]);
    assert!(
        verified.status.success() && text(&verified).contains("3 records, 3 signed"),
        "{}",
        text(&verified)
    );
    let again = world.run(&["init"]);
    assert!(again.status.success() && text(&again).contains("nothing to do"), "{}", text(&again));
    assert_eq!(world.database.count("select from audit.log").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_a_crash_left_unsigned_is_signed_if_it_is_ours() {
    let world = World::new().await;
    let strip =
        "set session_replication_role = replica; delete from audit.signatures where seq > 1";
    world.database.execute(strip).await;
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(5));
    assert_eq!(world.run(&["init"]).status.code(), Some(0));
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0));
    // A record that is about another key than the vault's is not signed.
    world
        .database
        .execute(&format!(
            "{strip}; update audit.log set record = replace(record, '\"purpose\": \"seal\"', \
             '\"purpose\": \"mask\"') where seq = 3"
        ))
        .await;
    let output = world.run(&["init"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert_eq!(world.database.count("select from audit.signatures where seq = 3").await, 0);
}

//! Each group role gets the least: what it can do, and by trying, what it cannot.

use crate::support::{World, event, sample, text};

async fn refused(client: &tokio_postgres::Client, sql: &str) {
    let error = client.batch_execute(sql).await.expect_err(sql);
    assert_eq!(error.code().map(|c| c.code()), Some("42501"), "{sql}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_loads_and_can_neither_read_rows_nor_touch_keys() {
    let world = World::new().await;
    let loader = world.database.login("loginetl_loader").await;
    world.queue.send(&sample()).await;
    let run = |args: &[&str]| {
        world.command(args).env("LOGINETL_DATABASE_URL", &loader.url).output().expect("it runs")
    };
    for args in [
        &["load", "--drain"][..],
        &["quarantine", "list"],
        &["quarantine", "purge", "--all", "--yes"],
    ] {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
    }
    assert_eq!(world.database.count("select from user_logins").await, sample().len() as i64 - 1);
    let client = loader.client().await;
    for sql in [
        "select * from user_logins",
        "update user_logins set masked_ip = ''",
        "delete from user_logins",
        "truncate user_logins",
        "select * from vault.wraps",
        "select * from vault.data_keys",
        "update vault.data_keys set state = 'active'",
        "insert into vault.rotation (field) values ('ip')",
        "delete from ingest.ledger",
        "update ingest.quarantine set reason = ''",
        "do $$ begin lock table vault.fence in exclusive mode; end $$",
        "create table vault.mine ()",
        "create table ingest.mine ()",
        "set role loginetl_owner",
        "select * from audit.log",
        "insert into audit.log select * from audit.log",
        "select audit.sign(1, 'a', '')",
        "select vault.release_key(1, 1)",
        "select vault.record_outcome(1, '{}')",
    ] {
        refused(&client, sql).await;
    }
    let holders = client
        .query("select * from vault.ingest_keys", &[])
        .await
        .expect("the loader reads its wraps");
    assert_eq!(holders.len(), 3, "its own wraps, not those of recovery");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analyst_reads_rows_and_nothing_else() {
    let world = World::new().await;
    world.queue.send(&[event(1)]).await;
    world.drain(0);
    let analyst = world.database.login("loginetl_analyst").await;
    let client = analyst.client().await;
    assert_eq!(client.query("select * from user_logins", &[]).await.expect("rows").len(), 1);
    for sql in [
        "insert into user_logins (user_id) values ('x')",
        "update user_logins set masked_ip = ''",
        "delete from user_logins",
        "select * from vault.ingest_keys",
        "select * from vault.plan",
        "select * from ingest.quarantine",
        "select * from ingest.ledger",
        "select ingest.ensure_day('2020-01-01')",
        "select ingest.drop_old_days()",
        "select * from vault.census",
        "select * from vault.keys",
        "select * from audit.log",
        "select * from audit.state",
        "select audit.record('load.run', '{}')",
        "select vault.release_key(1, 1)",
    ] {
        refused(&client, sql).await;
    }
    let output = world
        .command(&["load", "--drain"])
        .env("LOGINETL_DATABASE_URL", &analyst.url)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}

/// Nobody but the owner writes to the log, by any statement, or changes keys.
const FORBIDDEN_TO_ALL: [&str; 12] = [
    "insert into audit.log values (99, now(), '1', 'x', null, '', 'load.run', '{}', '', '')",
    "update audit.log set record = '{}'",
    "delete from audit.log",
    "truncate audit.log cascade",
    "update audit.head set seq = 0",
    "insert into audit.signatures (seq, key_arn, signature) values (1, '', '')",
    "delete from audit.signatures",
    "alter table audit.log disable trigger all",
    "drop trigger append_only on audit.log",
    "select audit.append('unmask.outcome', '{}')",
    "select vault.open_request(1)",
    "update vault.data_keys set state = 'retired'",
];

/// What a rotator needs and nobody else.
const OF_ROTATORS: [&str; 5] = [
    "select * from vault.data_keys",
    "select * from vault.wraps",
    "select vault.finish_rotation('{}')",
    "select vault.destroy_key(1, '0', '{}')",
    "update vault.rotation set watermark = watermark",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_unmasker_sees_masked_rows_and_no_wraps_and_writes_nothing() {
    let world = World::new().await;
    world.load(&[event(1)]);
    let client = world.database.login("loginetl_unmasker").await.client().await;
    client
        .query(
            "select masked_ip, masked_device_id, ip_hash, device_id_hash, create_date \
               from user_logins",
            &[],
        )
        .await
        .expect("rows");
    client
        .query("select id, message_id, sealed from ingest.quarantine", &[])
        .await
        .expect("sealed bodies");
    for sql in FORBIDDEN_TO_ALL.into_iter().chain(OF_ROTATORS).chain([
        "select user_id from user_logins",
        "update user_logins set masked_ip = ''",
        "delete from user_logins",
        "select * from vault.ingest_keys",
        "select reason from ingest.quarantine",
        "delete from ingest.quarantine",
        "select * from ingest.ledger",
        "select * from audit.log",
        "select * from audit.signatures",
        "select audit.record('load.run', '{}')",
        "select audit.record('key.create', '{}')",
        "insert into vault.fence default values",
    ]) {
        refused(&client, sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_the_log_and_nothing_that_opens_a_value() {
    let world = World::new().await;
    world.load(&[event(1)]);
    let auditor = world.database.login("loginetl_auditor").await;
    let client = auditor.client().await;
    for table in [
        "audit.log",
        "audit.signatures",
        "audit.head",
        "vault.keys",
        "vault.census",
        "ingest.quarantine_summary",
    ] {
        client.query(&format!("select * from {table}"), &[]).await.expect("readable");
    }
    for sql in FORBIDDEN_TO_ALL.into_iter().chain(OF_ROTATORS).chain([
        "select masked_ip from user_logins",
        "select * from vault.plan",
        "select * from vault.ingest_keys",
        "select sealed from ingest.quarantine",
        "select vault.release_key(1, 1)",
        "select vault.record_outcome(1, '{}')",
        "select audit.sign(1, 'a', '')",
        "select audit.record('load.run', '{}')",
    ]) {
        refused(&client, sql).await;
    }
    for args in [
        &["load", "--drain"][..],
        &["quarantine", "list"],
        &["quarantine", "purge", "--all", "--yes"],
        &["init"],
    ] {
        assert_eq!(world.run_as(&auditor, args).status.code(), Some(3), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotator_signs_its_own_records_and_recovers_nothing() {
    let world = World::new().await;
    world.load(&[event(1)]);
    let rotator = world.database.login("loginetl_rotator").await;
    let client = rotator.client().await;
    for sql in FORBIDDEN_TO_ALL.into_iter().chain([
        "select user_id from user_logins",
        "update user_logins set user_id = ''",
        "delete from user_logins",
        "insert into user_logins (user_id) values ('x')",
        "select reason from ingest.quarantine",
        "delete from ingest.quarantine",
        "update vault.data_keys set state = 'destroyed'",
        "update vault.wraps set wrapped = ''",
        "delete from vault.wraps",
        "insert into vault.rotation (field) values ('ip')",
        "update vault.rotation set finished_at = now()",
        "select vault.replace_active('mask', 1)",
        "select * from audit.log",
        "select vault.release_key(1, 1)",
        "select vault.record_outcome(1, '{}')",
        "select audit.record('load.run', '{}')",
    ]) {
        refused(&client, sql).await;
    }
    for args in [
        &["load", "--drain"][..],
        &["quarantine", "list"],
        &["audit", "list"],
        &["audit", "verify"],
        &["init"],
    ] {
        assert_eq!(world.run_as(&rotator, args).status.code(), Some(3), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_in_no_group_is_refused_with_3() {
    let world = World::new().await;
    let nobody = world.database.login("pg_monitor").await;
    for args in [
        &["load", "--drain"][..],
        &["quarantine", "list"],
        &["init"],
        &["status"],
        &["audit", "verify"],
    ] {
        let output = world
            .command(args)
            .env("LOGINETL_DATABASE_URL", &nobody.url)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_not_executable_by_public_and_have_a_fixed_search_path() {
    let world = World::new().await;
    let loose = "select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                 where n.nspname in ('vault', 'ingest', 'audit')
                   and (not prosecdef or proconfig::text not like
                     '%search_path=pg_catalog, pg_temp%'
                        or has_function_privilege('public', p.oid, 'execute'))";
    assert_eq!(world.database.count(loose).await, 0);
}

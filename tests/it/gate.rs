//! The gate, attacked with SQL: no key without a committed, signed request and a
//! committed release; no record that is not one's own to write.

use loginetl::audit::{Group, RecordKind};
use tokio_postgres::Client;

use crate::support::{Database, Login, World, event};

/// An unmasker with a database full of keys.
pub async fn unmasker() -> (World, Login, Client) {
    let world = World::new().await;
    world.load(&[event(1)]);
    let login = world.database.login("loginetl_unmasker").await;
    let client = login.client().await;
    (world, login, client)
}

/// The SQLSTATE with which a statement is refused.
pub async fn refusal(client: &Client, sql: &str) -> String {
    let error = client.batch_execute(sql).await.expect_err(sql);
    error.code().unwrap_or_else(|| panic!("{sql}: {error}")).code().to_owned()
}

const REQUEST: &str =
    r#"select seq from vault.request_unmask('unmask', '{"reason": "a test"}', '{1,2}')"#;

/// A committed request of keys 1 and 2.
pub async fn request(client: &Client) -> i64 {
    client.query_one(REQUEST, &[]).await.expect("a request").get(0)
}

/// Any bytes will do: the database knows no public key.
pub async fn sign(client: &Client, seq: i64) {
    client
        .batch_execute(&format!("select audit.sign({seq}, 'arn', decode('00', 'hex'))"))
        .await
        .expect("a signature");
}

/// Records a release, and gives nothing.
pub fn release(seq: i64, key: i64) -> String {
    format!("select vault.release_key({seq}, {key})")
}

/// The wrap of a key whose release is committed.
pub fn wrap(seq: i64, key: i64) -> String {
    format!(
        "select purpose, check_value, kms_key_arn, wrapped from vault.released_wrap({seq}, {key})"
    )
}

/// The wrap by the honest way.
async fn take(client: &Client, seq: i64, key: i64) -> Vec<u8> {
    client.batch_execute(&release(seq, key)).await.expect("a release");
    client.query_one(&wrap(seq, key), &[]).await.expect("a wrap").get("wrapped")
}

async fn kinds(database: &Database) -> Vec<String> {
    database
        .query("select kind from audit.log order by seq")
        .await
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_and_signed_request_releases_the_keys_it_names() {
    let (world, _, client) = unmasker().await;
    let seq = request(&client).await;
    sign(&client, seq).await;
    for key in [1, 2] {
        assert_eq!(refusal(&client, &wrap(seq, key)).await, "LG001", "nothing is released yet");
        assert!(!take(&client, seq, key).await.is_empty());
    }
    assert_eq!(
        kinds(&world.database).await[4..],
        ["unmask.request", "unmask.release", "unmask.release"]
    );
    let again = client
        .query_one(&wrap(seq, 1), &[])
        .await
        .expect("the wrap of a release may be asked for again");
    assert_eq!(again.get::<_, String>("purpose"), "mask");
    assert_eq!(kinds(&world.database).await.len(), 7, "handing out is no record");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_may_be_rolled_back_releases_nothing() {
    let (world, _, client) = unmasker().await;
    let attacks = [
        // The trap: ask and take in one transaction, then undo the record.
        "begin; do $$ declare s bigint; begin
             select seq into s from vault.request_unmask('unmask', '{\"reason\": \"x\"}', '{1}');
             perform audit.sign(s, 'arn', '\\x00');
             perform vault.release_key(s, 1);
             perform vault.released_wrap(s, 1); end $$",
        "begin; savepoint a; do $$ declare s bigint; begin
             select seq into s from vault.request_unmask('unmask', '{\"reason\": \"x\"}', '{1}');
             perform vault.release_key(s, 1); end $$",
        "with asked as (select seq from vault.request_unmask('unmask', '{\"reason\": \"x\"}',
           '{1}'))
         select vault.release_key(seq, 1) from asked",
    ];
    for attack in attacks {
        assert_eq!(refusal(&client, attack).await, "LG001", "{attack}");
        client.batch_execute("rollback").await.expect("the end of the attack");
    }
    // A committed request whose signature is in the transaction that takes the key, also
    // in a savepoint of it.
    let seq = request(&client).await;
    for begin in ["begin", "begin; savepoint a"] {
        let attack =
            format!("{begin}; select audit.sign({seq}, 'arn', '\\x00'); {}", release(seq, 1));
        assert_eq!(refusal(&client, &attack).await, "LG001", "{attack}");
        client.batch_execute("rollback").await.expect("the end of the attack");
    }
    assert_eq!(refusal(&client, &release(seq, 1)).await, "LG001", "without a signature");
    assert_eq!(refusal(&client, &wrap(seq, 1)).await, "LG001", "without a signature");
    assert!(!kinds(&world.database).await.contains(&"unmask.release".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_serves_its_own_login_for_its_own_keys_until_it_is_answered() {
    let (world, _, client) = unmasker().await;
    let second = world.database.login_named("loginetl_unmasker", "second").await.client().await;
    let seq = request(&client).await;
    sign(&client, seq).await;
    assert_eq!(refusal(&second, &release(seq, 1)).await, "LG001", "another login");
    assert_eq!(
        refusal(&second, &format!("select audit.sign({seq}, 'a', '\\x00')")).await,
        "LG001",
        "another's record"
    );
    assert_eq!(
        refusal(&second, &format!("select vault.record_outcome({seq}, '{{}}')")).await,
        "LG001",
        "another's outcome"
    );
    assert_eq!(refusal(&client, &release(seq, 3)).await, "LG001", "a key that it does not name");
    assert_eq!(refusal(&client, &release(seq, 99)).await, "LG001");
    assert_eq!(refusal(&client, &release(seq + 1000, 1)).await, "LG001", "no request at all");
    assert_eq!(refusal(&client, &release(1, 1)).await, "LG001", "a record of another kind");
    assert_eq!(
        refusal(&client, &format!("select audit.sign({seq}, 'a', '\\x01')")).await,
        "23505",
        "one signature"
    );
    client.batch_execute(&release(seq, 2)).await.expect("a release");
    assert_eq!(refusal(&second, &wrap(seq, 2)).await, "LG001", "another login");
    assert_eq!(refusal(&client, &wrap(seq, 1)).await, "LG001", "a key that was not released");
    assert_eq!(refusal(&client, &wrap(seq, 3)).await, "LG001", "a key that it does not name");
    world.database.tamper("update vault.data_keys set state = 'destroyed' where key_id = 2").await;
    assert_eq!(refusal(&client, &release(seq, 2)).await, "LG001", "a destroyed key");
    assert_eq!(refusal(&client, &wrap(seq, 2)).await, "LG001", "a destroyed key");
    client.batch_execute(&release(seq, 1)).await.expect("a release");
    client
        .batch_execute(&format!("select vault.record_outcome({seq}, '{{}}')"))
        .await
        .expect("an outcome");
    assert_eq!(refusal(&client, &release(seq, 1)).await, "LG001", "after the outcome");
    assert_eq!(refusal(&client, &wrap(seq, 1)).await, "LG001", "after the outcome");
    assert_eq!(
        refusal(&client, &format!("select vault.record_outcome({seq}, '{{}}')")).await,
        "LG001",
        "a second outcome"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_good_for_five_minutes_by_the_wall_clock() {
    let (world, login, client) = unmasker().await;
    world.database.log_behind(240).await;
    let seq = request(&client).await;
    sign(&client, seq).await;
    take(&client, seq, 1).await;
    client.batch_execute(&release(seq, 2)).await.expect("four minutes are fine");
    // What was released in time is handed out in time, or not at all.
    world
        .database
        .tamper(&format!("update audit.log set at = at - interval '61 seconds' where seq = {seq}"))
        .await;
    assert_eq!(
        refusal(&client, &wrap(seq, 2)).await,
        "LG001",
        "five minutes and a second are too much"
    );
    // A transaction that began a while ago does not keep its own time.
    client.batch_execute("begin; select now()").await.expect("a transaction");
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    world.database.log_behind(301).await;
    let beside = login.client().await;
    let seq = request(&beside).await;
    sign(&beside, seq).await;
    assert_eq!(
        refusal(&beside, &release(seq, 1)).await,
        "LG001",
        "five minutes and a second are too much"
    );
    assert_eq!(refusal(&client, &release(seq, 1)).await, "LG001", "in an older transaction too");
}

#[tokio::test(flavor = "multi_thread")]
async fn shadowing_and_overriding_get_no_key() {
    let (_world, _, client) = unmasker().await;
    client
        .batch_execute(
            "create temp table log (like pg_catalog.pg_class); create temp table data_keys (x int);
               create temp table head (x int);
             create function pg_temp.pg_has_role(name, text,
               text) returns boolean language sql as 'select true';
             create function pg_temp.clock_timestamp() returns timestamptz language sql as
               'select ''2000-01-01''::timestamptz';
             create function pg_temp.pg_current_xact_id() returns xid8 language sql as
               'select ''1''::xid8';
             create function pg_temp.sha256(bytea) returns bytea language sql as
               'select ''\\x00''::bytea';
             set search_path = pg_temp, audit, vault, pg_catalog, public",
        )
        .await
        .expect("anybody may do that");
    let seq = request(&client).await;
    assert_eq!(refusal(&client, &release(seq, 1)).await, "LG001", "unsigned");
    for sql in [
        "create function vault.release_key(text) returns text language sql as 'select 1'",
        "create or replace function vault.open_request(bigint) returns void language sql as ''",
        "create function audit.evil() returns void language sql as ''",
        "alter function vault.release_key(bigint, bigint) owner to current_user",
        "grant execute on function audit.append(text, text) to current_user",
        "set role loginetl_owner",
        "set session authorization postgres",
    ] {
        let code = refusal(&client, sql).await;
        assert!(["42501", "42P13", "42723"].contains(&code.as_str()), "{sql}: {code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_commits_its_record() {
    let world = World::new().await;
    for group in ["loginetl_analyst", "loginetl_loader", "loginetl_rotator", "loginetl_auditor"] {
        let login = world.database.login(group).await;
        let client = login.client().await;
        let row = client
            .query_one(&REQUEST.replace("seq", "granted, seq"), &[])
            .await
            .expect("an answer, and no error");
        assert!(!row.get::<_, bool>(0), "{group}");
        let seq: i64 = row.get(1);
        let logged = world
            .database
            .query(&format!("select kind, db_user from audit.log where seq = {seq}"))
            .await;
        assert_eq!(
            (logged[0].get::<_, String>(0), logged[0].get::<_, String>(1)),
            ("unmask.denied".to_owned(), login.user.clone())
        );
        assert!(
            ["42501", "LG001"].contains(&refusal(&client, &release(seq, 1)).await.as_str()),
            "{group}"
        );
    }
    let nobody = world.database.login("pg_monitor").await;
    assert_eq!(refusal(&nobody.client().await, REQUEST).await, "42501");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_record_has_its_writers() {
    let world = World::new().await;
    let may = [
        ("loginetl_loader", &["load.run", "quarantine.retry", "quarantine.purge"][..]),
        (
            "loginetl_rotator",
            &[
                "key.create",
                "key.rewrap",
                "key.destroy",
                "rotate.start",
                "rotate.end",
                "rotate.interrupted",
            ],
        ),
        ("loginetl_unmasker", &[]),
        ("loginetl_analyst", &[]),
        ("loginetl_auditor", &[]),
        (
            "loginetl_owner",
            &[
                "load.run",
                "quarantine.retry",
                "quarantine.purge",
                "key.create",
                "key.rewrap",
                "key.destroy",
                "rotate.start",
                "rotate.end",
                "rotate.interrupted",
            ],
        ),
    ];
    for (name, kinds) in may {
        let group = Group::from_name(name).expect("a group");
        let client = world.database.login(name).await.client().await;
        for kind in RecordKind::ALL {
            let written = client
                .batch_execute(&format!("select audit.record('{}', '{{}}')", kind.name()))
                .await;
            assert_eq!(written.is_ok(), kinds.contains(&kind.name()), "{group} and {kind:?}");
            assert_eq!(
                written.is_ok(),
                kind.writers().contains(&group) && kind.is_free(),
                "{group} and {kind:?}"
            );
        }
        assert_eq!(
            refusal(&client, "select audit.record('made.up', '{}')").await,
            "42501",
            "{group}"
        );
        if group != Group::Owner {
            assert_eq!(
                refusal(&client, "select audit.append('load.run', '{}')").await,
                "42501",
                "{group}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_sense_is_refused_and_leaves_nothing() {
    let (world, _, client) = unmasker().await;
    let before = kinds(&world.database).await.len();
    for (asked, details, keys) in [
        ("'unmask'", "'{}'", "'{1}'"),
        ("'unmask'", "'{\"reason\": \"  \"}'", "'{1}'"),
        ("'unmask'", "'[]'", "'{1}'"),
        ("'unmask'", "'nonsense'", "'{1}'"),
        ("'unmask'", "null", "'{1}'"),
        ("'unmask'", "'{\"reason\": \"x\"}'", "null"),
        ("'key.create'", "'{\"reason\": \"x\"}'", "'{1}'"),
        ("null", "'{\"reason\": \"x\"}'", "'{1}'"),
    ] {
        let sql = format!("select vault.request_unmask({asked}, {details}, {keys})");
        let code = refusal(&client, &sql).await;
        assert!(code.starts_with("22"), "{sql}: {code}");
    }
    let long = format!(
        "select vault.request_unmask('unmask', '{{\"reason\": \"{}\"}}', '{{1}}')",
        "x".repeat(501)
    );
    assert!(refusal(&client, &long).await.starts_with("22"));
    assert_eq!(kinds(&world.database).await.len(), before);
    // What the client says of itself does not override what the database knows.
    let sql = "select seq from vault.request_unmask( \
               'unmask', '{\"reason\": \"x\", \"key_ids\": [3]}', '{1}')";
    let seq: i64 = client.query_one(sql, &[]).await.expect("a request").get(0);
    sign(&client, seq).await;
    assert_eq!(refusal(&client, &release(seq, 3)).await, "LG001");
    take(&client, seq, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_and_an_outcome_do_not_pass_each_other() {
    let (world, login, client) = unmasker().await;
    let beside = login.client().await;
    for is_released in [false, true] {
        let seq = request(&client).await;
        sign(&client, seq).await;
        if is_released {
            client.batch_execute(&release(seq, 1)).await.expect("a release");
        }
        let holder = world.database.client().await;
        holder.batch_execute("begin; select from audit.head for update").await.expect("the head");
        let outcome = format!("select vault.record_outcome({seq}, '{{}}')");
        let key = if is_released { wrap(seq, 1) } else { release(seq, 1) };
        let half_a_second = || tokio::time::sleep(std::time::Duration::from_millis(500));
        let later = async {
            half_a_second().await;
            beside.batch_execute(&key).await
        };
        let (first, second, ()) = tokio::join!(client.batch_execute(&outcome), later, async {
            half_a_second().await;
            half_a_second().await;
            holder.batch_execute("rollback").await.expect("free again");
        });
        first.expect("the outcome came first");
        assert_eq!(
            second.expect_err("no key after the outcome").code().map(|c| c.code()),
            Some("LG001")
        );
    }
    for isolation in ["repeatable read", "serializable"] {
        let seq = request(&client).await;
        sign(&client, seq).await;
        for key in [release(seq, 1), wrap(seq, 1)] {
            let sql = format!("begin isolation level {isolation}; {key}");
            assert_eq!(refusal(&client, &sql).await, "LG001", "{isolation}");
            client.batch_execute("rollback").await.expect("the end");
            client.batch_execute(&release(seq, 1)).await.expect("in read committed it may");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_function_of_ones_own_sees_what_a_view_hides() {
    let world = World::new().await;
    let loader = world.database.login("loginetl_loader").await.client().await;
    let leak = "create table if not exists pg_temp.seen (b bytea);
        create function pg_temp.leak(b bytea) returns boolean language plpgsql cost 0.00000001
            as $$ begin insert into pg_temp.seen values (b); return true; end $$;
        select key_id from vault.ingest_keys where pg_temp.leak(wrapped)";
    loader.batch_execute(leak).await.expect("anybody may do that");
    let seen: i64 =
        loader.query_one("select count(*) from pg_temp.seen", &[]).await.expect("a count").get(0);
    assert_eq!(seen, 3, "the three ingest wraps, and no recovery wrap");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_setting_of_a_session_breaks_the_chain() {
    let (world, _, client) = unmasker().await;
    for setting in [
        "timezone = 'UTC+5'",
        "timezone = 'Asia/Kathmandu'",
        "standard_conforming_strings = off",
        "bytea_output = 'escape'",
        "datestyle = 'sql, dmy'",
        "intervalstyle = 'sql_standard'",
        "application_name = 'caf\u{e9} \u{1}'",
        "client_encoding = 'latin1'",
        "synchronous_commit = off",
    ] {
        client.batch_execute(&format!("set {setting}")).await.expect(setting);
        let seq = request(&client).await;
        sign(&client, seq).await;
    }
    for zone in ["UTC", "UTC+5"] {
        let url =
            format!("{}&options=-c%20timezone%3D{}", world.database.url, zone.replace('+', "%2B"));
        let output = world
            .command(&["audit", "verify"])
            .env("LOGINETL_DATABASE_URL", url)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            !said.contains("does not have its hash") && said.contains("head 13:"),
            "{zone}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_login_writes_has_a_shape_and_a_size() {
    let (world, _, client) = unmasker().await;
    let seq = request(&client).await;
    sign(&client, seq).await;
    let before = kinds(&world.database).await.len();
    let large = format!(
        "select vault.record_outcome({seq}, json_build_object('x', repeat('x', 200000))::text)"
    );
    let expanding = "select vault.request_unmask('unmask', \
                     (select '{\"reason\":\"x\",\"a\":[' || string_agg('1e131071', ',') || ']}' \
                       from generate_series(1, 10)), '{}')";
    for sql in [
        &format!("select vault.record_outcome({seq}, '[]')"),
        &format!("select vault.record_outcome({seq}, '7')"),
        &format!("select vault.record_outcome({seq}, null)"),
        &large,
        expanding,
        "select vault.request_unmask('unmask', '{\"reason\": \"\\t\\n\"}', '{}')",
        "select vault.request_unmask('unmask', '{\"reason\": {}}', '{}')",
        "select vault.request_unmask('unmask', '{\"reason\": \"at 192.0.2.7\"}', '{}')",
        "select vault.request_unmask('unmask', '[\"reason\"]', '{}')",
    ] {
        let code = refusal(&client, sql).await;
        assert!(code.starts_with("22"), "{sql}: {code}");
    }
    let other = request(&client).await;
    for signature in [
        format!("select audit.sign({other}, repeat('k', 5000), '\\x00')"),
        format!("select audit.sign({other}, 'k', decode(repeat('00', 300), 'hex'))"),
        format!("select audit.sign({other}, 'k', '')"),
    ] {
        assert!(refusal(&client, &signature).await.starts_with("22"), "{signature}");
    }
    assert_eq!(kinds(&world.database).await.len(), before + 1);
}

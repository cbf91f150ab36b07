//! The words of the schema are those of the program: what a constraint or a function
//! takes, and nothing else.

use std::collections::BTreeSet;

use loginetl::audit::{Group, RecordKind};
use loginetl::token::{Holder, KeyState, Purpose};

use crate::gate::refusal;
use crate::support::{Database, World};

/// What a column's check constraint lists.
async fn allowed(database: &Database, table: &str, column: &str) -> BTreeSet<String> {
    let sql = format!(
        "select pg_get_constraintdef(c.oid) from pg_constraint c join pg_attribute a \
           on a.attrelid = c.conrelid \
         where c.conrelid = '{table}'::regclass and c.contype = 'c' \
           and c.conkey = array[a.attnum] and a.attname = '{column}'"
    );
    let definition: String = database.query(&sql).await[0].get(0);
    definition.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

fn names<const N: usize>(words: [&'static str; N]) -> BTreeSet<String> {
    words.map(str::to_owned).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn states_purposes_holders_and_groups_are_those_of_the_schema() {
    let world = World::new().await;
    let database = &world.database;
    assert_eq!(
        allowed(database, "vault.data_keys", "state").await,
        names(KeyState::ALL.map(KeyState::name))
    );
    assert_eq!(
        allowed(database, "vault.data_keys", "purpose").await,
        names(Purpose::ALL.map(Purpose::name))
    );
    assert_eq!(
        allowed(database, "vault.wraps", "holder").await,
        names(Holder::ALL.map(Holder::name))
    );
    // Logins of other tests begin with the name of their database.
    let roles = database
        .query(r"select rolname::text from pg_roles where rolname like 'loginetl\_%'")
        .await;
    let roles: BTreeSet<String> = roles.iter().map(|row| row.get(0)).collect();
    assert!(roles.is_superset(&names(Group::ALL.map(Group::name))), "{roles:?}");
}

/// Names of the kinds for which something is so.
fn kinds(is_so: impl Fn(RecordKind) -> bool) -> BTreeSet<String> {
    RecordKind::ALL
        .into_iter()
        .filter(|kind| is_so(*kind))
        .map(|kind| kind.name().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kinds_that_are_signed_are_signed_by_the_database_too() {
    let world = World::new().await;
    // A superuser may append anything; nobody else may call this function.
    let client = world.database.client().await;
    let mut records = Vec::new();
    for name in RecordKind::ALL.map(RecordKind::name).into_iter().chain(["made.up"]) {
        let row = client
            .query_one("select seq from audit.append($1, '{}')", &[&name])
            .await
            .expect("a record");
        records.push((name.to_owned(), row.get::<_, i64>(0)));
    }
    let unsigned =
        client.query("select kind from audit.own_unsigned()", &[]).await.expect("a list");
    let unsigned: BTreeSet<String> = unsigned.iter().map(|row| row.get(0)).collect();
    assert_eq!(unsigned, kinds(RecordKind::is_signed_later), "what a later run signs");
    let mut signed = BTreeSet::new();
    for (name, seq) in records {
        let sql = format!("select audit.sign({seq}, 'arn', decode('00', 'hex'))");
        if client.batch_execute(&sql).await.is_ok() {
            signed.insert(name);
        } else {
            assert_eq!(refusal(&client, &sql).await, "LG001", "{name}");
        }
    }
    assert_eq!(signed, kinds(RecordKind::is_signed), "what is signed");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_the_gate_write_kinds_of_the_gate() {
    let world = World::new().await;
    let login = world.database.login("loginetl_unmasker").await;
    let client = login.client().await;
    for kind in RecordKind::ALL.into_iter().filter(|kind| kind.is_request()) {
        let ask = r#"select seq from vault.request_unmask($1, '{"reason": "a test"}', '{1}')"#;
        let seq: i64 = client.query_one(ask, &[&kind.family()]).await.expect("a request").get(0);
        crate::gate::sign(&client, seq).await;
        client
            .batch_execute(&format!("select vault.release_key({seq}, 1)"))
            .await
            .expect("a release");
        client
            .batch_execute(&format!("select vault.record_outcome({seq}, '{{}}')"))
            .await
            .expect("an outcome");
        let seq: i64 = client.query_one(ask, &[&kind.family()]).await.expect("a request").get(0);
        client
            .batch_execute(&format!("select vault.withdraw_request({seq}, '{{}}')"))
            .await
            .expect("a withdrawal");
    }
    let sql = format!("select distinct kind from audit.log where db_user = '{}'", login.user);
    let written: BTreeSet<String> =
        world.database.query(&sql).await.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        written,
        kinds(|kind| kind.is_of_gate() && kind.writers().contains(&Group::Unmasker))
    );
}

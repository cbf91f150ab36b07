//! What must be there, and who may what: whatever is broken, `check` names it, `init`
//! puts it right and says so, and rows, keys and the log are what they were. So it is
//! after a restore, a new table, a publication and an upgrade.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::rotate::{events, is_whole, rotate, states};
use crate::support::{Login, World, event, json_lines, setting, summary, text};
use crate::table::{administrator, dismiss, load_as};

/// What breaks it, and the words that stand together in one line of `check` and in one of
/// `init`; the first is what is broken.
type Breakage = (&'static str, &'static [&'static str]);

const COLUMNS_AND_INDEXES: &[Breakage] = &[
    ("drop index user_logins_ip_hash", &["user_logins_ip_hash"]),
    ("alter table user_logins reset (fillfactor)", &["user_logins fillfactor"]),
    ("drop index vault.one_active_key", &["one_active_key"]),
    (
        "drop index vault.one_pending_key; create index one_pending_key \
           on vault.data_keys (purpose)",
        &["one_pending_key"],
    ),
    (
        "drop index vault.one_rotation; create unique index one_rotation \
           on vault.rotation (to_key, field)",
        &["one_rotation"],
    ),
    ("alter table ingest.quarantine alter id drop identity", &["ingest.quarantine id"]),
    ("alter table ingest.quarantine alter field type varchar(40)", &["ingest.quarantine field"]),
    ("alter table ingest.quarantine alter reason drop not null", &["ingest.quarantine reason"]),
    (
        "alter table vault.rotation alter watermark set default gen_random_uuid()",
        &["vault.rotation watermark"],
    ),
    ("alter table vault.wraps alter wrapped drop not null", &["vault.wraps wrapped"]),
    ("alter table audit.log alter record drop not null", &["audit.log record"]),
    ("alter table audit.signatures alter xid drop default", &["audit.signatures xid"]),
    ("drop sequence vault.key_ids", &["vault.key_ids"]),
    ("alter table vault.data_keys replica identity nothing", &["vault.data_keys identity"]),
];

const CONSTRAINTS_AND_TRIGGERS: &[Breakage] = &[
    ("alter table vault.rotation drop constraint rotation_pkey", &["rotation_pkey"]),
    (
        "alter table vault.data_keys drop constraint data_keys_state_check",
        &["data_keys_state_check"],
    ),
    ("alter table vault.wraps drop constraint wraps_pkey", &["wraps_pkey"]),
    ("alter table vault.wraps drop constraint wraps_key_id_fkey", &["wraps_key_id_fkey"]),
    (
        "alter table vault.data_keys drop constraint data_keys_pkey cascade",
        &["wraps_key_id_fkey", "data_keys_pkey"],
    ),
    (
        "alter table audit.head drop constraint head_one_check, \
           add constraint head_one_check check (true)",
        &["head_one_check"],
    ),
    ("alter table audit.signatures drop constraint signatures_pkey", &["signatures_pkey"]),
    (
        "alter table audit.log drop constraint log_pkey cascade",
        &["log_pkey", "signatures_seq_fkey"],
    ),
    ("alter table ingest.ledger drop constraint ledger_pkey", &["ledger_pkey"]),
    ("drop trigger append_only on audit.log", &["append_only audit.log"]),
    ("alter table audit.log disable trigger append_only", &["append_only audit.log"]),
    (
        "alter table audit.signatures enable replica trigger append_only",
        &["append_only audit.signatures"],
    ),
    (
        "create or replace trigger stays before delete on audit.head execute function \
           audit.refuse_change()",
        &["stays audit.head"],
    ),
    ("alter table vault.rotation disable trigger all", &["only_on vault.rotation"]),
    (
        "drop function vault.check_watermark() cascade",
        &["only_on vault.rotation", "vault.check_watermark"],
    ),
];

const FUNCTIONS_AND_VIEWS: &[Breakage] = &[
    ("drop function audit.own_unsigned()", &["audit.own_unsigned"]),
    ("drop function vault.blind_spots(oid, text[])", &["vault.blind_spots"]),
    (
        "create or replace function vault.is_unused(wanted bigint) returns boolean language sql \
           security definer \
         set search_path = pg_catalog, pg_temp set row_security = on as 'select true'",
        &["vault.is_unused"],
    ),
    (
        "create or replace function audit.refuse_change() returns trigger language plpgsql as \
           'begin return null; end'",
        &["audit.refuse_change"],
    ),
    ("alter function vault.release_key(bigint, bigint) security invoker", &["vault.release_key"]),
    (
        "alter function vault.request_unmask(text, text, bigint[]) set search_path = public",
        &["vault.request_unmask"],
    ),
    ("alter function audit.append(text, text) reset all", &["audit.append"]),
    ("drop view vault.census", &["vault.census"]),
    ("alter view vault.keys reset (security_barrier)", &["vault.keys"]),
    (
        "create or replace view vault.ingest_keys with (security_barrier) as select k.key_id, \
           k.purpose, k.check_value, \
         w.kms_key_arn, w.wrapped from vault.data_keys k join vault.wraps w on w.key_id = k.key_id",
        &["vault.ingest_keys"],
    ),
    ("alter schema vault owner to postgres", &["schema vault owner"]),
    ("alter table vault.wraps owner to postgres", &["vault.wraps owner"]),
    ("alter table audit.log owner to postgres", &["audit.log owner"]),
    ("alter table ingest.ledger owner to postgres", &["ingest.ledger owner"]),
    ("alter table vault.schema_version owner to postgres", &["vault.schema_version owner"]),
    ("alter view vault.plan owner to postgres", &["vault.plan owner"]),
    ("alter sequence vault.key_ids owner to postgres", &["vault.key_ids owner"]),
    (
        "alter function vault.finish_rotation(text) owner to postgres",
        &["vault.finish_rotation owner"],
    ),
];

/// Alone, and together with what they stand on.
const COMMENTS_AND_CHECKSUM: &[Breakage] = &[
    ("comment on table vault.fence is null", &["comment vault.fence"]),
    ("comment on view vault.plan is null", &["vault.plan"]),
    (
        "comment on view vault.field_plans is null; comment on view vault.plan is null",
        &["vault.field_plans"],
    ),
    ("comment on view vault.field_plans is null", &["vault.field_plans changed"]),
    ("comment on column audit.log.record is 'another'", &["comment audit.log.record"]),
    ("comment on function audit.append is null", &["comment audit.append"]),
    (
        "comment on trigger stays on audit.head is null; comment on schema vault is null",
        &["comment stays", "comment schema vault"],
    ),
    ("delete from vault.schema_version where version = 0", &["functions not as this build"]),
    (
        "update vault.schema_version set checksum = 'another' where version = 0",
        &["functions not as this build"],
    ),
    (
        "comment on view vault.keys is null; create or replace view vault.keys with \
           (security_barrier) as select key_id, purpose, \
         state, created_at, activated_at, retired_at, now() as destroyed_at from vault.data_keys",
        &["vault.keys"],
    ),
    (
        "comment on trigger only_on on vault.rotation is null; \
           alter table vault.rotation disable trigger only_on",
        &["only_on"],
    ),
    (
        "comment on function vault.is_closed is null; \
           create function vault.is_closed(text) returns boolean language sql as 'select true'",
        &["vault.is_closed text"],
    ),
    (
        "comment on column vault.fence_holders.pid is 'somebody \
           else''s'; drop view vault.fence_holders",
        &["vault.fence_holders"],
    ),
];

const GRANTS: &[Breakage] = &[
    ("revoke insert on user_logins from loginetl_loader", &["user_logins loginetl_loader insert"]),
    ("revoke all on user_logins from loginetl_owner", &["user_logins loginetl_owner select"]),
    (
        "revoke select on user_logins from loginetl_analyst",
        &["user_logins loginetl_analyst select"],
    ),
    (
        "revoke update (masked_ip) on user_logins from loginetl_rotator",
        &["user_logins loginetl_rotator masked_ip"],
    ),
    (
        "revoke select (create_date) on user_logins from loginetl_unmasker",
        &["user_logins loginetl_unmasker create_date"],
    ),
    ("revoke all on vault.wraps from loginetl_owner", &["vault.wraps loginetl_owner"]),
    (
        "revoke execute on function audit.append(text, text) from loginetl_owner",
        &["audit.append loginetl_owner"],
    ),
    ("revoke all on schema audit from loginetl_owner", &["audit loginetl_owner usage"]),
    ("revoke usage on schema vault from loginetl_loader", &["vault loginetl_loader usage"]),
    (
        "revoke usage on sequence vault.key_ids from loginetl_rotator",
        &["vault.key_ids loginetl_rotator"],
    ),
    (
        "revoke execute on function vault.request_unmask from loginetl_auditor",
        &["vault.request_unmask loginetl_auditor"],
    ),
    (
        "revoke update (watermark) on vault.rotation from loginetl_rotator",
        &["vault.rotation loginetl_rotator watermark"],
    ),
    ("grant select on vault.wraps to public", &["vault.wraps public"]),
    ("grant select on vault.wraps to loginetl_unmasker", &["vault.wraps loginetl_unmasker"]),
    ("grant insert, delete on audit.log to loginetl_rotator", &["audit.log loginetl_rotator"]),
    (
        "grant select (sealed) on ingest.quarantine to loginetl_auditor",
        &["ingest.quarantine loginetl_auditor sealed"],
    ),
    ("grant all on sequence vault.key_ids to public", &["vault.key_ids public"]),
    (
        "grant execute on function audit.append(text, text) to loginetl_unmasker",
        &["audit.append loginetl_unmasker"],
    ),
    (
        "grant execute on function vault.released_wrap(bigint, bigint) to public",
        &["vault.released_wrap public"],
    ),
    ("grant create on schema vault to public", &["vault public create"]),
];

/// With row-level security on, in this order.
const POLICIES: &[Breakage] = &[
    ("alter table user_logins enable row level security", &["user_logins"]),
    ("drop policy loginetl_select on user_logins", &["loginetl_select"]),
    ("drop policy loginetl_insert on user_logins", &["loginetl_insert"]),
    ("alter policy loginetl_update on user_logins using (locale = 'DE')", &["loginetl_update"]),
    ("alter policy loginetl_select on user_logins to loginetl_rotator", &["loginetl_select"]),
];

/// Rows, keys, the log and the rest that no repair may touch.
const TABLES: &str = "public.user_logins vault.data_keys vault.wraps vault.rotation audit.log \
                      audit.head audit.signatures ingest.quarantine ingest.ledger ingest.days";

/// A digest of each table, made of `row` for each of its rows.
async fn digest(world: &World, row: &str) -> Vec<String> {
    let mut digests = Vec::new();
    for table in TABLES.split(' ') {
        let digest = format!(
            "select coalesce(md5(string_agg({row}, ',' order by {row})), 'empty') from {table} as t"
        );
        digests.push(format!(
            "{table} {}",
            world.database.query(&digest).await[0].get::<_, String>(0)
        ));
    }
    digests
}

/// The exit code of `check`, and what it says is not as it should be.
fn faults(world: &World) -> (Option<i32>, Vec<String>) {
    let output = world.run(&["check", "--format", "json"]);
    let is_fault = |found: &Value| found["result"] == "warning" || found["result"] == "failed";
    (
        output.status.code(),
        json_lines(&output).iter().filter(|f| is_fault(f)).map(|f| f["text"].to_string()).collect(),
    )
}

/// An installation with rows, a message in quarantine, and a rotation behind
/// it; and its rotator.
async fn lived_in() -> (World, Login) {
    let world = World::new().await;
    world.queue.redrive_after(10).await;
    world.load(&[events(40, 20, 0), vec!["nonsense".to_owned()]].concat());
    let rotator = world.database.login("loginetl_rotator").await;
    let rotated = rotate(&world, &rotator, &[]);
    assert_eq!(rotated.status.code(), Some(0), "{}", text(&rotated));
    assert_eq!(faults(&world), (Some(0), vec![]));
    (world, rotator)
}

/// Everybody's work is done in it.
async fn works(world: &World, rotator: &Login) {
    let loader = world.database.login_named("loginetl_loader", "late").await;
    let loaded = load_as(world, &loader, &[event(501), "no event".to_owned(), event(502)]);
    let counts = |of: &Value| (of["loaded"].as_i64(), of["quarantined"].as_i64());
    assert!(
        loaded.status.success() && counts(&summary(&loaded)) == (Some(2), Some(1)),
        "{}",
        text(&loaded)
    );
    for flags in [&[][..], &["--compromised"]] {
        let rotated = rotate(world, rotator, flags);
        assert_eq!(rotated.status.code(), Some(0), "{}", text(&rotated));
    }
    assert!(
        is_whole(world).await
            && world.database.count("select from vault.data_keys where state = 'retiring'").await
                == 0
    );
    let token: String =
        world.database.query("select masked_ip from user_logins where user_id = 'u-501'").await[0]
            .get(0);
    let unmasker = world.database.login("loginetl_unmasker").await;
    let opened = world.run_as(
        &unmasker,
        &["unmask", "--token", &token, "--reason", "a test", "--format", "json"],
    );
    assert!(
        opened.status.success() && summary(&opened)["value"] == "10.0.1.245",
        "{}",
        text(&opened)
    );
    let auditor = world.database.login("loginetl_auditor").await;
    let verified = world.run_as(&auditor, &["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
}

/// Breaks it, and has it named by `check` and put right by `init`.
async fn mend(world: &World, broken: &[Breakage]) {
    let sql = broken.iter().map(|(sql, _)| *sql).collect::<Vec<_>>().join("; ");
    let before = digest(world, "t::text").await;
    world.database.execute(&sql).await;
    let (exit, told) = faults(world);
    let init = world.run(&["init"]);
    assert!(init.status.success(), "{sql}: {}", text(&init));
    let said: Vec<String> =
        String::from_utf8_lossy(&init.stdout).lines().map(str::to_owned).collect();
    let names = |lines: &[String], words: &str| {
        lines
            .iter()
            .map(|line| line.to_lowercase())
            .any(|line| words.split(' ').all(|word| line.contains(word)))
    };
    for words in broken.iter().flat_map(|(_, named)| *named) {
        assert!(
            exit != Some(0) && names(&told, words),
            "{sql}: check ends {exit:?} without {words} in {told:?}"
        );
        assert!(names(&said, words), "{sql}: init does not say {words} in {said:?}");
    }
    assert_eq!(faults(world), (Some(0), vec![]), "{sql}: after {said:?}");
    assert_eq!(digest(world, "t::text").await, before, "{sql}: after {said:?}");
    let again = world.run(&["init"]);
    assert!(
        again.status.success() && text(&again).contains("nothing to do"),
        "{sql}: {}",
        text(&again)
    );
}

async fn each_is_named_and_mended(breakages: &[Breakage]) {
    let (world, rotator) = lived_in().await;
    for breakage in breakages {
        mend(&world, std::slice::from_ref(breakage)).await;
    }
    works(&world, &rotator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_column_or_index_is_named_and_mended() {
    each_is_named_and_mended(COLUMNS_AND_INDEXES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_constraint_or_trigger_is_named_and_mended() {
    each_is_named_and_mended(CONSTRAINTS_AND_TRIGGERS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_function_view_or_owner_is_named_and_mended() {
    each_is_named_and_mended(FUNCTIONS_AND_VIEWS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_that_is_lost_or_another_is_named_and_mended() {
    each_is_named_and_mended(COMMENTS_AND_CHECKSUM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_lost_or_too_much_is_named_and_mended() {
    each_is_named_and_mended(GRANTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_for_our_groups_come_with_row_level_security_and_are_mended() {
    each_is_named_and_mended(POLICIES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_things_broken_at_once_are_both_named_and_mended() {
    let all = [COLUMNS_AND_INDEXES, CONSTRAINTS_AND_TRIGGERS, FUNCTIONS_AND_VIEWS, GRANTS].concat();
    let (world, rotator) = lived_in().await;
    let (mut seed, mut tried) = (20_u64, 0);
    while tried < 24 {
        let mut one = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            all[(seed >> 33) as usize % all.len()]
        };
        let pair = [one(), one()];
        // Of two faults of one thing the second may hide the first, or find it gone.
        let [first, second] = pair.map(|(_, named)| named.join(" "));
        if !first.split(' ').any(|word| second.split(' ').any(|other| word == other)) {
            mend(&world, &pair).await;
            tried += 1;
        }
    }
    works(&world, &rotator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_does_not_begin_while_the_owner_of_its_functions_sees_no_rows() {
    let (world, rotator) = lived_in().await;
    let before = digest(&world, "t::text").await;
    world.database.execute("revoke all on user_logins from loginetl_owner").await;
    let checked = world.run_as(&rotator, &["check"]);
    assert!(
        text(&checked).contains("loginetl_owner") && checked.status.code() != Some(0),
        "{}",
        text(&checked)
    );
    let refused = rotate(&world, &rotator, &[]);
    assert!(
        refused.status.code() == Some(3) && text(&refused).contains("loginetl_owner"),
        "{}",
        text(&refused)
    );
    assert_eq!(digest(&world, "t::text").await, before, "nothing was begun");
    assert_eq!(world.run(&["init"]).status.code(), Some(0));
    works(&world, &rotator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_made_anew_or_swapped_is_made_ready_again() {
    let swap = "create table other (like user_logins including all); insert into other select * \
                  from user_logins; \
                alter table user_logins rename to former; alter table other rename to user_logins";
    let anew = "drop table user_logins; create table user_logins (id bigserial primary key, \
                  user_id varchar(128), \
                device_type varchar(32), masked_ip varchar(256), masked_device_id varchar(256), \
                  locale varchar(32), \
                app_version integer, create_date date)";
    for (sql, rows) in [(anew, 0), (swap, 40), ("drop table user_logins", 0)] {
        let (world, rotator) = lived_in().await;
        let keys = states(&world).await;
        world.database.execute(sql).await;
        assert_ne!(faults(&world).0, Some(0), "{sql}");
        let init = world.run(&["init"]);
        assert!(
            init.status.success() && text(&init).contains("user_logins"),
            "{sql}: {}",
            text(&init)
        );
        assert_eq!((faults(&world), states(&world).await), ((Some(0), vec![]), keys), "{sql}");
        let indexed = "select distinct attname from pg_index join pg_attribute \
                         on attrelid = indrelid and attnum = indkey[0] \
                       where indisvalid and indrelid = 'user_logins'::regclass \
                         and attname ~ '^(ip|device_id)_hash$'";
        assert_eq!(world.database.count(indexed).await, 2, "{sql}");
        assert_eq!(
            world
                .database
                .count("select from vault.census where key_id = '4' and row_count = 40")
                .await,
            rows / 20
        );
        works(&world, &rotator).await;
    }
}

/// Copies what `pg_dump` takes with these flags into another database, as this login,
/// with these settings.
fn copy(from: &str, to: &str, flags: &str, settings: &str) {
    let programs = setting("LOGINETL_TEST_PG_BIN");
    let dump = Command::new(Path::new(&programs).join("pg_dump"))
        .args(flags.split(' '))
        .arg(from)
        .output()
        .expect("pg_dump runs");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), dump.stdout).expect("written");
    let mut psql = Command::new(Path::new(&programs).join("psql"));
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", to, "-f"]).arg(file.path());
    let restored =
        psql.env("PGOPTIONS", settings).stdin(Stdio::null()).output().expect("psql runs");
    assert!(restored.status.success(), "{}", text(&restored));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_without_owners_and_privileges_is_made_whole_by_one_init() {
    let (source, _) = lived_in().await;
    for is_managed in [false, true] {
        let world = World::bare().await;
        world.queue.redrive_after(10).await;
        let managed = if is_managed { Some(administrator(&world).await) } else { None };
        let url = managed.as_ref().map_or(&world.database.url, |login| &login.url);
        copy(&source.database.url, url, "--no-owner --no-privileges", "");
        let before = digest(&source, "t::text").await;
        let (exit, told) = faults(&world);
        assert!(exit != Some(0) && told.iter().any(|line| line.contains("owner")), "{told:?}");
        let init =
            world.command(&["init"]).env("LOGINETL_DATABASE_URL", url).output().expect("it runs");
        assert_eq!(init.status.code(), Some(0), "{}", text(&init));
        let open = "select from pg_proc where pronamespace::regnamespace::text in ('vault', \
                      'ingest', 'audit') \
                    and has_function_privilege('public', oid, 'execute')";
        assert_eq!(world.database.count(open).await, 0, "PUBLIC may execute nothing");
        assert_eq!(faults(&world), (Some(0), vec![]));
        assert_eq!(digest(&world, "t::text").await, before);
        works(&world, &world.database.login("loginetl_rotator").await).await;
        if let Some(login) = managed {
            dismiss(&world, &login).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_would_refuse_a_rotation_gets_the_identity_that_it_needs() {
    for (publication, wanted) in [
        ("create publication everything for all tables", "f"),
        ("create publication logins for table user_logins", "f"),
        ("create publication house for tables in schema public", "f"),
        ("create publication news for all tables with (publish = 'insert')", "d"),
        (
            "alter table user_logins add id bigserial primary key; \
               create publication keyed for all tables",
            "d",
        ),
    ] {
        let (world, rotator) = lived_in().await;
        if let Err(error) = world.database.client().await.batch_execute(publication).await {
            assert!(
                publication.contains("schema"),
                "only PostgreSQL 14 does not know {publication}: {error}"
            );
            continue;
        }
        if wanted == "f" {
            let (exit, told) = faults(&world);
            let is_told = told.iter().any(|line| {
                line.contains("user_logins") && line.to_lowercase().contains("replica identity")
            });
            assert!(exit != Some(0) && is_told, "{publication}: {told:?}");
            let refused = rotate(&world, &rotator, &[]);
            assert!(
                refused.status.code() != Some(0) && text(&refused).contains("replica identity"),
                "{}",
                text(&refused)
            );
        }
        let init = world.run(&["init"]);
        let said = text(&init).to_lowercase();
        let costs = said.contains("replica identity full")
            && (said.contains("wal") || said.contains("cost"));
        assert!(init.status.success() && costs == (wanted == "f"), "{publication}: {said}");
        let identity =
            "select relreplident::text from pg_class where oid = 'public.user_logins'::regclass";
        assert_eq!(
            world.database.query(identity).await[0].get::<_, String>(0),
            wanted,
            "{publication}"
        );
        assert_eq!(faults(&world), (Some(0), vec![]), "{publication}");
        works(&world, &rotator).await;
    }
    // The publication may have been there first.
    let world = World::bare().await;
    world.database.execute("create publication everything for all tables").await;
    let init = world.run(&["init"]);
    assert_eq!(init.status.code(), Some(0), "{}", text(&init));
    works(&world, &world.database.login("loginetl_rotator").await).await;
}

/// The migrations as they were released with version 4, and what their
/// checksums were then.
const RELEASED: [(i32, &str, &str, &str); 4] = [
    (1, "foundation", "16117058644389960220", include_str!("../../sql/V1__foundation.sql")),
    (2, "audit", "6353050171894095183", include_str!("../../sql/V2__audit.sql")),
    (3, "rotation", "7469379434468353407", include_str!("../../sql/V3__rotation.sql")),
    (4, "unused_keys", "15024351266973157883", include_str!("../../sql/V4__unused_keys.sql")),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_former_version_is_upgraded_without_touching_a_row() {
    let (source, _) = lived_in().await;
    let world = World::bare().await;
    world.queue.redrive_after(10).await;
    world.database.execute(include_str!("../../sql/bootstrap.sql")).await;
    let history = "version int4 primary key, name varchar(255), applied_on varchar(255), \
                   checksum varchar(255)";
    world.database.execute(&format!("create table vault.schema_version ({history})")).await;
    for (version, name, checksum, sql) in RELEASED {
        let row = format!("{version}, '{name}', '2025-11-28T07:21:39.950882191Z', '{checksum}'");
        world
            .database
            .execute(&format!(
                "begin; {sql}; insert into vault.schema_version values ({row}); commit"
            ))
            .await;
    }
    // The rows of a database of today: their columns are those of then.
    world.database.tamper("truncate ingest.days, audit.head").await;
    let data = "--data-only -t vault.* -t ingest.* -t audit.* -t public.user_logins -T \
                vault.schema_version -T vault.fields -T vault.mask_runs";
    copy(&source.database.url, &world.database.url, data, "-c session_replication_role=replica");
    assert_eq!(
        digest(&world, "t::text").await,
        digest(&source, "t::text").await,
        "the same in both"
    );

    let loader = world.database.login("loginetl_loader").await;
    let early = load_as(&world, &loader, &[event(500)]);
    assert!(
        early.status.code() == Some(2) && text(&early).contains("run: loginetl init"),
        "{}",
        text(&early)
    );
    let place = "format('%s %s %s %s', t.tableoid, t.ctid, t.xmin, t)";
    let before = digest(&world, place).await;
    let init = world.run(&["init"]);
    assert!(init.status.success() && text(&init).contains("V5"), "{}", text(&init));
    assert_eq!(digest(&world, place).await, before, "no row was written anew: {}", text(&init));
    assert_eq!(faults(&world), (Some(0), vec![]));
    let again = world.run(&["init"]);
    assert!(again.status.success() && text(&again).contains("nothing to do"), "{}", text(&again));
    assert_eq!(
        world.database.count("select from pg_proc where proname = 'release_key'").await,
        1,
        "the former one is gone"
    );
    works(&world, &world.database.login("loginetl_rotator").await).await;
}

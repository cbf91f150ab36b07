//! A table `user_logins` that stood there before `init`, in the shapes that others give
//! it: `init` takes it as it is, or says what is wrong with a statement that runs on this
//! very table. No row and no value is lost on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Output, Stdio};

use tokio_postgres::Client;

use crate::rotate::rotate;
use crate::support::{Login, World, event, json_lines, text};

/// An older table.
const USUAL: &str = "user_id varchar(128), device_type varchar(32), masked_ip varchar(256), \
                     masked_device_id varchar(256), locale varchar(32), app_version integer, \
                     create_date date";

/// The older table, with some columns defined in another way, and more in it.
fn table(others: &[(&str, &str)], more: &str) -> String {
    let definition = |column: &'static str| {
        let (name, usual) = column.split_once(' ').expect("a type");
        let other = others.iter().find(|(other, _)| *other == name);
        format!("{name} {}", other.map_or(usual, |(_, definition)| *definition))
    };
    let columns =
        USUAL.split(", ").map(definition).chain((!more.is_empty()).then(|| more.to_owned()));
    format!("create table user_logins ({})", columns.collect::<Vec<_>>().join(", "))
}

/// Loads events from standard input as another login.
pub fn load_as(world: &World, login: &Login, events: &[String]) -> Output {
    let mut command = world.command(&["load", "--file", "-", "--format", "json"]);
    let mut child = command
        .env("LOGINETL_DATABASE_URL", &login.url)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // Whoever is refused does not read.
    let _ = child.stdin.take().expect("a pipe").write_all(events.join("\n").as_bytes());
    child.wait_with_output().expect("it ends")
}

/// A login that is no superuser, may make roles and owns the database: what managed
/// services hand out.
pub async fn administrator(world: &World) -> Login {
    // Whoever makes the group roles of a cluster is an administrator of theirs; here
    // others have made them.
    drop(World::new().await);
    let login = world.database.login_named("pg_monitor", "administrator").await;
    let user = &login.user;
    world.database.alter(&format!("owner to {user}")).await;
    let rights = format!(
        "alter role {user} createrole; grant loginetl_owner to {user}; grant create \
           on schema public to {user}"
    );
    world.database.execute(&rights).await;
    login
}

/// So that the role can be dropped with the database.
pub async fn dismiss(world: &World, login: &Login) {
    world
        .database
        .execute(&format!("reassign owned by {u} to postgres; drop owned by {u}", u = login.user))
        .await;
}

/// What stands behind `run: ` on a line of its own, commands of ours excepted.
fn statements(output: &Output) -> Vec<String> {
    let printed = [&output.stdout, &output.stderr]
        .map(|stream| String::from_utf8_lossy(stream).into_owned())
        .join("\n");
    let statement = |line: &str| Some(line.split_once("run: ")?.1.to_owned());
    printed
        .lines()
        .filter_map(statement)
        .filter(|statement| !statement.starts_with("loginetl "))
        .collect()
}

/// Runs what `init` prints until it is content, at most three times; what it printed.
async fn follow(what: &str, init: impl Fn() -> Output, client: &Client) -> Vec<String> {
    let mut printed = Vec::new();
    for _ in 0..=3 {
        let output = init();
        if output.status.success() {
            return printed;
        }
        assert!(matches!(output.status.code(), Some(2 | 3)), "{what}: {}", text(&output));
        let statements = statements(&output);
        assert!(!statements.is_empty(), "{what}: nothing to run in {}", text(&output));
        for statement in &statements {
            let run = client.batch_execute(statement).await;
            run.unwrap_or_else(|e| {
                panic!("{what}: {statement}: {e:?}, printed in {}", text(&output))
            });
        }
        printed.extend(statements);
    }
    panic!("{what}: no end of statements: {printed:?}");
}

/// Each row as the set of its values, in whatever columns. What another type spells
/// differently is spelled alike, and a version is the number that a load makes of it.
async fn values(world: &World) -> Vec<BTreeSet<String>> {
    let version = "(v[1]::bigint * 1000 + v[2]::bigint) * 1000 + coalesce(v[4], '0')::bigint || ''";
    let spelled = format!(
        "select l.ctid::text, coalesce({version}, regexp_replace(rtrim(c.value), \
           '(T00:00:00|/32)$', '')) from user_logins l \
         cross join jsonb_each_text(to_jsonb(l)) as c \
         left join regexp_match(c.value, '^(\\d+)[.](\\d+)([.](\\d+))?$') as v on true \
           where c.value is not null"
    );
    let mut rows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for value in world.database.query(&spelled).await {
        rows.entry(value.get(0)).or_default().insert(value.get(1));
    }
    rows.into_values().collect()
}

/// Two files of three events: whatever has to be unique is unique.
async fn loads(what: &str, world: &World) {
    let loader = world.database.login("loginetl_loader").await;
    for from in [1, 4] {
        let output = load_as(world, &loader, &[event(from), event(from + 1), event(from + 2)]);
        assert_eq!(output.status.code(), Some(0), "{what}: {}", text(&output));
    }
    assert_eq!(
        world.database.count("select from public.user_logins where ip_hash is not null").await,
        6,
        "{what}"
    );
}

/// A table made by this SQL, with rows in it: `init` is followed to its end, everything
/// is kept, and a loader loads.
async fn settle(sql: &str) -> (World, Vec<String>) {
    let world = World::bare().await;
    world.database.execute(sql).await;
    let before = values(&world).await;
    let printed = follow(sql, || world.run(&["init"]), &world.database.client().await).await;
    let mut after = values(&world).await;
    assert_eq!(before.len(), after.len(), "{sql}: rows, after {printed:?}");
    for row in before {
        let same = after.iter().position(|kept| row.is_subset(kept));
        let same =
            same.unwrap_or_else(|| panic!("{sql}: {row:?} is not in {after:?}, after {printed:?}"));
        after.swap_remove(same);
    }
    loads(sql, &world).await;
    (world, printed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_may_use_what_computes_the_defaults_of_columns() {
    let elsewhere = "create schema elsewhere; create sequence elsewhere.numbers; ";
    for (before, more) in [
        ("", "id serial primary key"),
        ("", "id bigserial not null, made_at timestamptz not null default now()"),
        ("", "id bigint generated always as identity primary key"),
        ("", "id integer not null generated by default as identity"),
        (elsewhere, "number bigint not null default nextval('elsewhere.numbers')"),
        (elsewhere, "\"a number\" text not null default 'row ' || nextval('elsewhere.numbers')"),
        ("", "twice text generated always as (locale || locale) stored"),
    ] {
        let insert = "insert into user_logins (user_id, locale) values ('u', 'DE')";
        let (world, printed) = settle(&format!("{before}{}; {insert}", table(&[], more))).await;
        assert_eq!(printed, Vec::<String>::new(), "{more}: nothing is wrong with it");
        world.queue.send(&[event(9)]).await;
        let loader = world.database.login_named("loginetl_loader", "drain").await;
        let output = world.run_as(&loader, &["load", "--drain"]);
        assert_eq!(output.status.code(), Some(0), "{more}: {}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_loader_may_not_compute_a_default_with_is_named_and_a_sequence_is_given_back() {
    let function = "create function numbering() returns integer language sql as 'select 1'";
    for (before, more, named, lost) in [
        (
            "select 1",
            "id serial primary key",
            "user_logins_id_seq",
            "all on sequence user_logins_id_seq from loginetl_loader",
        ),
        (
            function,
            "id integer not null default numbering()",
            "numbering",
            "execute on function numbering() from public",
        ),
    ] {
        let (world, _) = settle(&format!("{before}; {}", table(&[], more))).await;
        world.database.execute(&format!("revoke {lost}")).await;
        let loader = world.database.login_named("loginetl_loader", "second").await;
        let refused = load_as(&world, &loader, &[event(7)]);
        assert!(
            refused.status.code() == Some(3) && text(&refused).contains(named),
            "{}",
            text(&refused)
        );
        assert_eq!(world.database.count("select from user_logins").await, 6, "nothing was written");
        let checked = world.run(&["check", "--format", "json"]);
        let told = json_lines(&checked)
            .iter()
            .any(|f| f["result"] != "ok" && f["text"].to_string().contains(named));
        assert!(told || named == "numbering", "{}", text(&checked));
        let init = world.run(&["init"]);
        assert!(init.status.success(), "{}", text(&init));
        assert!(
            text(&init).contains(named) || named == "numbering",
            "it says what it gave back: {}",
            text(&init)
        );
        if named == "numbering" {
            world
                .database
                .execute("grant execute on function numbering() to loginetl_loader")
                .await;
        }
        let loaded = load_as(&world, &loader, &[event(7)]);
        assert_eq!(loaded.status.code(), Some(0), "{}", text(&loaded));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_column_of_ours_becomes_one_that_can_be_written() {
    for (column, definition) in [
        ("create_date", "date generated always as (date '2024-01-01') stored"),
        ("app_version", "integer generated always as (7) stored"),
        ("locale", "varchar(32) not null generated always as (upper(user_id)) stored"),
        ("masked_ip", "varchar(64) generated always as ('198.51.100.' || user_id) stored"),
        ("create_date", "date generated always as (date '2024-01-01') virtual"),
        ("device_type", "text generated always as ('type ' || user_id) virtual"),
    ] {
        let sql = format!(
            "{}; insert into user_logins (user_id) values ('1'), ('2')",
            table(&[(column, definition)], "")
        );
        let world = World::bare().await;
        if world.database.client().await.batch_execute(&sql).await.is_err() {
            assert!(definition.ends_with("virtual"), "only PostgreSQL 18 knows those");
            continue;
        }
        let refused = world.run(&["init"]);
        assert!(
            refused.status.code() == Some(2) && text(&refused).contains(column),
            "{definition}: {}",
            text(&refused)
        );
        assert_eq!(
            world.database.count("select from pg_namespace where nspname = 'vault'").await,
            0,
            "nothing was begun"
        );
        settle(&sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_are_text_are_kept_whatever_they_say() {
    for (definition, versions, is_cast) in [
        ("varchar", "('a', '7'), ('b', '12'), ('c', null)", true),
        ("text", "('a', '0.96'), ('b', '2.3.0'), ('c', '10.0')", false),
        (
            "text",
            "('a', '2.3.0'), ('b', 'unknown'), ('c', ''), ('d', '99999999999'), ('e', null)",
            false,
        ),
        ("text not null", "('a', '2.3.0'), ('b', '7')", false),
        ("text not null, primary key (user_id, app_version)", "('a', '2.3.0'), ('b', '7')", false),
        ("text default 'unknown'", "('a', '7')", false),
    ] {
        let insert = format!("insert into user_logins (user_id, app_version) values {versions}");
        let (world, printed) =
            settle(&format!("{}; {insert}", table(&[("app_version", definition)], ""))).await;
        let numbers =
            world.database.count("select from user_logins where app_version in (7, 12)").await;
        assert!(
            !is_cast || numbers == 2,
            "{definition}: what can be cast stands where it stood, after {printed:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_another_type_are_kept_to_the_last_digit() {
    let (short, long) = ("'198.51.100.7'", format!("'{}'", "x".repeat(300)));
    for (column, of_type, value) in [
        ("app_version", "bigint", "3000000000"),
        ("app_version", "numeric", "2.5"),
        ("app_version", "smallint", "7"),
        ("create_date", "timestamp", "'2024-05-06 00:00'"),
        ("create_date", "timestamp", "'2024-05-06 10:30:01.5'"),
        ("create_date", "timestamptz", "'2024-05-06 10:30+00'"),
        ("create_date", "text", "'the day before'"),
        ("masked_ip", "text", short),
        ("masked_ip", "text", &long),
        ("masked_ip", "varchar(400) not null", &long),
        ("masked_ip", "inet", short),
        ("masked_ip", "char(15)", short),
        ("masked_device_id", "uuid", "'5f2b9c8e-1111-4222-8333-944455556666'"),
        ("user_id", "bigint", "42"),
    ] {
        let other = if of_type.contains("not null") { "" } else { ", ('two', null)" };
        let insert = format!(
            "insert into user_logins (device_type, {column}) values ('one', {value}){other}"
        );
        settle(&format!("{}; {insert}", table(&[(column, of_type)], ""))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_a_default_gets_one_or_gives_way() {
    let referenced = "create table notes (login bigint not null references user_logins); \
                        insert into notes values (2)";
    for (columns, names, rows, more) in [
        (
            "id integer not null, primary key (id)",
            "id, user_id",
            "(1, 'a'), (2, 'b'), (3, 'c')",
            "select 1",
        ),
        (
            "id bigint primary key",
            "id, user_id",
            "(1, 'a'), (2, 'b'), (900000000000, 'c')",
            referenced,
        ),
        ("id integer not null unique", "id, user_id", "(5, 'a'), (6, 'b')", "select 1"),
        (
            "id uuid primary key",
            "id, user_id",
            "('5f2b9c8e-1111-4222-8333-944455556666', 'a')",
            "select 1",
        ),
        ("id text primary key", "id, user_id", "('first', 'a'), ('second', 'b')", "select 1"),
        ("id varchar(8) primary key", "id, user_id", "('first', 'a')", "select 1"),
        (
            "\"an \"\"odd\"\" id\" bigint primary key",
            "\"an \"\"odd\"\" id\", user_id",
            "(1, 'a')",
            "select 1",
        ),
        ("tenant integer not null", "tenant, user_id", "(1, 'a'), (1, 'b')", "select 1"),
        (
            "tenant integer, id integer, primary key (tenant, id)",
            "tenant, id",
            "(1, 10), (1, 20)",
            "select 1",
        ),
        (
            "primary key (user_id, locale)",
            "user_id, locale",
            "('u', 'DE'), ('u', 'FR')",
            "select 1",
        ),
        ("id integer, primary key (id, locale)", "id, locale", "(1, 'DE'), (2, 'FR')", "select 1"),
    ] {
        let sql = format!(
            "{}; insert into user_logins ({names}) values {rows}; {more}",
            table(&[], columns)
        );
        let (_, printed) = settle(&sql).await;
        assert!(!printed.is_empty(), "{columns}: an insert without it fails");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_something_depends_on_is_left_to_it() {
    let trigger = "create function same() returns trigger language plpgsql \
                   as 'begin return new; end'; \
                   create trigger seldom before update on user_logins for each row \
                   when (old.app_version <> '7') execute function same()";
    for dependent in [
        "create view recent as select user_id, app_version from user_logins",
        "create materialized view counted as select app_version, count(*) from user_logins \
           group by 1",
        "alter table user_logins add check (app_version like '%7%')",
        "create index by_version on user_logins (lower(app_version))",
        "create index of_seven on user_logins (user_id) where app_version = '7'",
        "alter table user_logins add twice text generated always as (app_version || app_version) \
           stored",
        "create policy sevens on user_logins using (app_version = '7')",
        "create function newest() returns text begin atomic select max(app_version) \
           from user_logins; end",
        trigger,
    ] {
        let rows = "insert into user_logins (user_id, app_version) values ('a', '7'), ('b', null)";
        settle(&format!("{}; {rows}; {dependent}", table(&[("app_version", "text")], ""))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_faults_of_a_table_are_told_at_once_and_a_name_that_is_taken_is_not_taken_again() {
    let others = [
        ("app_version", "text not null"),
        ("locale", "varchar(32) not null"),
        ("masked_ip", "text"),
    ];
    let faulty = table(&others, "extra integer not null");
    let world = World::bare().await;
    world.database.execute(&faulty).await;
    let refused = world.run(&["init"]);
    assert!(statements(&refused).len() >= 4, "each on a line of its own: {}", text(&refused));
    let row = "insert into user_logins (user_id, app_version, locale, extra) \
                 values ('a', '2.3.0', 'DE', 1)";
    let (world, printed) = settle(&format!("{faulty}; {row}")).await;
    for column in ["app_version", "locale", "masked_ip", "extra"] {
        assert!(
            printed.iter().any(|statement| statement.contains(column)),
            "{column}: {printed:?}"
        );
    }
    let again = "alter table user_logins drop column app_version; \
                   alter table user_logins add column app_version text; \
                 update user_logins set app_version = '0.96'";
    world.database.execute(again).await;
    let before = values(&world).await;
    follow(again, || world.run(&["init"]), &world.database.client().await).await;
    let after = values(&world).await;
    assert!(
        before.iter().all(|row| after.iter().any(|kept| row.is_subset(kept))),
        "{before:?} and {after:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_compared_letter_by_letter_whatever_the_collation() {
    let collation = "create collation unlettered (provider = icu, locale = 'und-u-ks-level2', \
                       deterministic = false)";
    let knows_icu =
        World::bare().await.database.client().await.batch_execute(collation).await.is_ok();
    for column in ["masked_ip", "masked_device_id", "user_id"].into_iter().filter(|_| knows_icu) {
        let definition =
            format!("varchar({}) collate unlettered", if column == "user_id" { 128 } else { 256 });
        let rows = format!("insert into user_logins ({column}) values ('some'), ('SOME')");
        let (world, _) =
            settle(&format!("{collation}; {}; {rows}", table(&[(column, &definition)], ""))).await;
        let rotator = world.database.login("loginetl_rotator").await;
        let output = rotate(&world, &rotator, &[]);
        assert_eq!(output.status.code(), Some(0), "{column}: {}", text(&output));
        let moved = "select from user_logins where (masked_ip || masked_device_id) collate \"C\" \
                       ~ '^ip1[.]4[.].*dev1[.]4[.]'";
        assert_eq!(world.database.count(moved).await, 6, "{column}");
    }
}

/// How many rows stand in all tables but ours and the server's.
async fn rows_anywhere(world: &World) -> i64 {
    let tables = "select c.oid::regclass::text from pg_class c where relkind in ('r', 'm') \
                  and relnamespace::regnamespace::text !~ \
                    '^(vault|ingest|audit|information_schema|pg_.*)$'";
    let mut rows = 0;
    for table in world.database.query(tables).await {
        rows +=
            world.database.count(&format!("select from only {}", table.get::<_, String>(0))).await;
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_no_ordinary_one_gives_way() {
    let columns = table(&[], "");
    let base = columns.replace("user_logins", "base");
    let rows = "insert into base (user_id, locale) values ('a', 'DE'), ('b', 'FR')";
    let own = rows.replace("base", "user_logins");
    let (by_locale, one_of) = ("partition by list (locale); create table", "partition of");
    for (sql, word) in [
        (format!("{}; {own}", columns.replace(" table", " unlogged table")), "unlogged"),
        (format!("{columns} {by_locale} others {one_of} user_logins default; {own}"), "partition"),
        (format!("{base} {by_locale} user_logins {one_of} base default; {rows}"), "partition"),
        (format!("{base}; {rows}; create view user_logins as select * from base"), "view"),
        (
            format!("{base}; {rows}; create materialized view user_logins as select * from base"),
            "view",
        ),
        (format!("{columns}; create table base () inherits (user_logins); {rows}; {own}"), "child"),
    ] {
        let world = World::bare().await;
        world.database.execute(&sql).await;
        let before = rows_anywhere(&world).await;
        let refused = world.run(&["init"]);
        assert!(
            matches!(refused.status.code(), Some(2 | 3)) && text(&refused).contains(word),
            "{sql}: {}",
            text(&refused)
        );
        let printed = follow(&sql, || world.run(&["init"]), &world.database.client().await).await;
        assert_eq!(rows_anywhere(&world).await, before, "{sql}: {printed:?}");
        loads(&sql, &world).await;
        let logged = "select from pg_class where oid = 'public.user_logins'::regclass \
                        and relkind = 'r' and relpersistence = 'p'";
        assert_eq!(world.database.count(logged).await, 1, "{sql}: {printed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_a_schema_public_is_told_to_make_one() {
    for without in ["drop schema public cascade", "alter schema public rename to house"] {
        let world = World::bare().await;
        world.database.execute(without).await;
        let refused = world.run(&["init"]);
        assert_eq!(refused.status.code(), Some(2), "{without}: {}", text(&refused));
        assert!(
            statements(&refused).contains(&"create schema public".to_owned()),
            "{without}: {}",
            text(&refused)
        );
        assert_eq!(
            world.database.count("select from pg_namespace where nspname = 'vault'").await,
            0,
            "nothing was begun"
        );
        follow(without, || world.run(&["init"]), &world.database.client().await).await;
        loads(without, &world).await;
        let analyst = world.database.login("loginetl_analyst").await.client().await;
        assert_eq!(
            analyst
                .query("select from public.user_logins", &[])
                .await
                .expect("an analyst reads")
                .len(),
            6,
            "{without}"
        );
    }
    // Closed to everybody, and with a table of that name in another schema.
    let elsewhere =
        table(&[("app_version", "text")], "").replace("user_logins", "house.user_logins");
    let closed = format!(
        "revoke all on schema public from public; create schema house; {elsewhere}; {}",
        table(&[], "")
    );
    let (_, printed) = settle(&closed).await;
    assert_eq!(printed, Vec::<String>::new(), "the table of another schema is none of ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_runs_init_need_not_own_the_table_but_must_be_a_member_of_who_does() {
    let world = World::bare().await;
    let managed = administrator(&world).await;
    let holder = world.database.login_named("pg_monitor", "holder").await;
    world
        .database
        .execute(&format!("{}; alter table user_logins owner to {}", table(&[], ""), holder.user))
        .await;
    let init = || world.run_as(&managed, &["init"]);
    let refused = init();
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert!(
        text(&refused).contains("owner") && text(&refused).contains(&holder.user),
        "{}",
        text(&refused)
    );
    assert_eq!(
        world.database.count("select from pg_namespace where nspname = 'vault'").await,
        0,
        "nothing was begun"
    );
    let faulty = table(
        &[("app_version", "text"), ("create_date", "timestamp not null")],
        "id integer primary key",
    );
    let row = "insert into user_logins (id, app_version, create_date) \
                 values (1, '2.3.0', '2024-05-06 10:30')";
    let again = format!(
        "drop table user_logins; {faulty}; {row}; alter table user_logins owner to {}",
        holder.user
    );
    world.database.execute(&format!("{again}; grant {} to {}", holder.user, managed.user)).await;
    let before = values(&world).await;
    let printed = follow("as a member", init, &managed.client().await).await;
    assert!(printed.len() >= 3 && before[0].is_subset(&values(&world).await[0]), "{printed:?}");
    assert!(text(&init()).contains("nothing to do"), "{}", text(&init()));
    loads("as a member", &world).await;
    dismiss(&world, &holder).await;
    dismiss(&world, &managed).await;
}

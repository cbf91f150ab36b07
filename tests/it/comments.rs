//! Comments: whatever is loginetl's says what it is, a comment of somebody else on the
//! rows stays, and a view's comment still tells whether the view was replaced.

use crate::support::{World, json_lines, summary, text};

/// What stands in our schemas and on the rows without a comment. Columns of views say by
/// their names what they are.
const SILENT: &str = "
    with relations as (
        select c.oid, format('%I.%I', n.nspname, c.relname) as name, c.relkind
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'S') and (n.nspname in ('vault', 'ingest', 'audit')
          or c.relname = 'user_logins')
          and c.relname !~ '^ledger_[0-9]+$' and c.relname <> 'quarantine_id_seq'
    )
    select nspname::text as name from pg_namespace
    where nspname in ('vault', 'ingest', 'audit') and obj_description(oid, 'pg_namespace') is null
    union all
    select name from relations where coalesce(obj_description(oid, 'pg_class'),
      'made by') ~ '^[(]?made by'
    union all
    select name || '.' || attname from relations r join pg_attribute a on attrelid = oid
    where r.relkind in ('r', 'p') and attnum > 0 and not attisdropped
      and col_description(oid, attnum) is null
    union all
    select name || '.' || tgname from relations r join pg_trigger g on tgrelid = r.oid
    where not tgisinternal and obj_description(g.oid, 'pg_trigger') is null
    union all
    select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = pronamespace
    where nspname in ('vault', 'ingest', 'audit') and obj_description(p.oid, 'pg_proc') is null";

async fn silent(world: &World) -> Vec<String> {
    world.database.query(SILENT).await.iter().map(|row| row.get(0)).collect()
}

/// What `check` warns of.
fn warnings(world: &World) -> Vec<String> {
    let output = world.run(&["check", "--format", "json"]);
    json_lines(&output)
        .iter()
        .filter(|f| f["check"] == "structure" && f["result"] == "warning")
        .map(|f| f["text"].to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_says_what_it_is_and_says_it_again_when_all_was_lost() {
    let world = World::new().await;
    assert_eq!(silent(&world).await, Vec::<String>::new());
    assert_eq!(warnings(&world), Vec::<String>::new());
    // As after a restore of a dump that was made without comments.
    world
        .database
        .execute(
            "do $$ declare lost record; begin
                 for lost in select format('%s %s', case relkind when 'v' then 'view'
                   when 'S' then 'sequence' else 'table' end,
                                           oid::regclass) as name
                             from pg_class where relkind in ('r', 'p', 'v', 'S')
                               and relnamespace::regnamespace::text in ('vault', 'ingest', 'audit')
                             union all select 'function ' || oid::regprocedure from pg_proc
                             where pronamespace::regnamespace::text in ('vault', 'ingest', 'audit')
                             union all select 'column user_logins.user_id'
                 loop execute format('comment on %s is null', lost.name); end loop;
             end $$",
        )
        .await;
    assert!(silent(&world).await.len() > 50);
    let told = warnings(&world);
    assert!(
        told.iter().any(|line| line.contains("comments on ")) && told.len() < 20,
        "one line for many: {told:?}"
    );
    let init = world.run(&["init", "--format", "json"]);
    assert_eq!(
        (init.status.code(), &summary(&init)["left"]),
        (Some(0), &serde_json::json!([])),
        "{}",
        text(&init)
    );
    assert_eq!((silent(&world).await, warnings(&world)), (vec![], vec![]));
    let again = world.run(&["init"]);
    assert!(text(&again).contains("nothing to do"), "{}", text(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_of_somebody_else_on_the_rows_stays() {
    let world = World::bare().await;
    let table = "create table user_logins (user_id varchar(128), locale varchar(32),
                   id bigserial primary key);
                 comment on table user_logins is 'ours'; comment
                   on column user_logins.locale is 'de, en'";
    world.database.execute(table).await;
    for _ in 0..2 {
        let init = world.run(&["init"]);
        assert_eq!(init.status.code(), Some(0), "{}", text(&init));
        let said = "select obj_description('user_logins'::regclass, 'pg_class'),
                      string_agg(col_description(attrelid, attnum), '|' order by attnum)
                    from pg_attribute where attrelid = 'user_logins'::regclass
                      and attname in ('locale', 'id', 'user_id')";
        let said = &world.database.query(said).await[0];
        assert_eq!(said.get::<_, String>(0), "ours");
        let columns: String = said.get(1);
        assert!(columns.starts_with("The user, ") && columns.ends_with("|de, en"), "{columns}");
    }
    assert_eq!(silent(&world).await, ["public.user_logins.id"], "a column of somebody else");
    assert_eq!(warnings(&world), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_says_only_what_earlier_builds_wrote_is_no_other_view() {
    let world = World::new().await;
    let earlier = "do $$ begin execute format('comment on view vault.keys is %L',
                       'made by loginetl init, ' || md5(pg_get_viewdef('vault.keys'::regclass)));
                         end $$";
    world.database.execute(earlier).await;
    assert_eq!(warnings(&world), ["\"comment on view vault.keys is missing or another\""]);
    assert_eq!(world.run(&["init"]).status.code(), Some(0));
    assert_eq!((warnings(&world), silent(&world).await), (vec![], vec![]));
    // One that was replaced keeps its comment, and is found.
    let replaced = "create or replace view vault.keys with (security_barrier) as select key_id,
                      purpose, state, created_at,
                        activated_at, retired_at, now() as destroyed_at from vault.data_keys";
    world.database.execute(replaced).await;
    let told = warnings(&world);
    assert!(
        told.len() == 1 && told[0].contains("vault.keys") && told[0].contains("changed"),
        "{told:?}"
    );
    assert_eq!(world.run(&["init"]).status.code(), Some(0));
    assert_eq!((warnings(&world), silent(&world).await), (vec![], vec![]));
}

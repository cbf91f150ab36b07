//! The table: unchanged without the third field, with it complete, and refused by name
//! where it does not fit.

use super::{CLEAR, NINE_COLUMNS, UNMASKED, columns, mask, world};
use crate::support::{World, event, json_lines, summary, text};

/// An older table, with another `user_id`.
fn older(user_id: &str, more: &str) -> String {
    format!(
        "create table user_logins (user_id {user_id}, device_type varchar(32),
           masked_ip varchar(256),
             masked_device_id varchar(256), locale varchar(32), app_version integer,
             create_date date{more})"
    )
}

fn is_clean(world: &World) {
    let output = world.run(&["check", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_it_the_table_has_its_nine_columns() {
    let world = World::new().await;
    world.queue.redrive_after(10).await;
    assert_eq!(columns(&world).await, NINE_COLUMNS);
    is_clean(&world);
    world.load(&[event(1)]);
    assert_eq!(world.database.count("select from user_logins where user_id = 'u-1'").await, 1);
    let output = world.run(&["init", "--format", "json"]);
    assert_eq!(summary(&output)["masked_fields"], serde_json::json!(["ip", "device_id"]));
    assert_eq!(columns(&world).await, NINE_COLUMNS);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_it_check_is_content_and_what_is_missing_is_named_and_mended() {
    let world = world().await;
    world.queue.redrive_after(10).await;
    is_clean(&world);
    let index = "select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from pg_index i
                 join pg_class c on c.oid = i.indexrelid join pg_namespace n
                   on n.oid = c.relnamespace
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
                 where i.indrelid = 'user_logins'::regclass and a.attname = 'user_id_hash'";
    let index: String = world.database.query(index).await[0].get(0);
    world.database.execute(&format!("drop index {index}")).await;
    let checked = world.run(&["check", "--format", "json"]);
    assert_ne!(checked.status.code(), Some(0), "{}", text(&checked));
    let is_named = |text: &serde_json::Value| text.to_string().contains("user_id_hash");
    let named = json_lines(&checked).iter().any(|f| f["result"] != "ok" && is_named(&f["text"]));
    assert!(named, "{}", text(&checked));
    let mended = world.run(&["init"]);
    assert_eq!(mended.status.code(), Some(0), "{}", text(&mended));
    assert!(text(&mended).contains("user_id_hash"), "it says so: {}", text(&mended));
    is_clean(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_id_that_may_not_be_null_is_refused_with_the_alter_to_run() {
    let world = World::bare().await;
    world.database.execute(&older("varchar(128) not null", "")).await;
    let plain = world.run(&["init"]);
    assert_eq!(plain.status.code(), Some(0), "each login has one: {}", text(&plain));
    world.load(&[event(1)]);
    let refused = world.run(&["init", "--mask-user-id"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    let alter = "alter column \"user_id\" drop not null";
    assert!(text(&refused).contains(alter), "{}", text(&refused));
    assert_eq!(columns(&world).await, NINE_COLUMNS, "nothing was begun");
    assert_eq!(world.database.count("select from audit.log where kind = 'field.mask'").await, 0);
    world.load(&[event(2)]);
    assert_eq!(world.database.count(CLEAR).await, 2, "loaders go on");
    world.database.execute(&format!("alter table user_logins {alter}")).await;
    mask(&world);
    world.load(&[event(3)]);
    assert_eq!((world.database.count(CLEAR).await, world.database.count(UNMASKED).await), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_id_in_the_primary_key_is_refused_by_name() {
    let world = World::bare().await;
    let key = ", constraint one_a_day primary key (user_id, create_date)";
    world.database.execute(&older("varchar(128)", key)).await;
    let plain = world.run(&["init"]);
    assert_eq!(plain.status.code(), Some(0), "{}", text(&plain));
    let refused = world.run(&["init", "--mask-user-id"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    for named in ["user_id", "one_a_day"] {
        assert!(text(&refused).contains(named), "{named}: {}", text(&refused));
    }
    assert_eq!(columns(&world).await, NINE_COLUMNS, "nothing was begun");
    world
        .database
        .execute(
            "alter table user_logins drop constraint one_a_day;
             alter table user_logins alter column user_id drop not null",
        )
        .await;
    mask(&world);
    world.load(&[event(1)]);
    assert_eq!((world.database.count(CLEAR).await, world.database.count(UNMASKED).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_refuses_a_null_user_id_is_named_before_anything_is_masked() {
    let world = World::new().await;
    world
        .database
        .execute("alter table user_logins add constraint known check (user_id is not null)")
        .await;
    world
        .database
        .execute("alter table user_logins add constraint short check (length(user_id) < 200)")
        .await;
    world
        .database
        .execute(
            "create unique index one_a_day on user_logins (user_id, \
               create_date) nulls not distinct",
        )
        .await;
    let refused = world.run(&["init", "--mask-user-id"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    let (known, one_a_day) =
        ("alter table public.user_logins drop constraint known", "drop index public.one_a_day");
    assert!(
        text(&refused).contains(known) && text(&refused).contains(one_a_day),
        "{}",
        text(&refused)
    );
    assert!(!text(&refused).contains("short"), "what takes a null stays: {}", text(&refused));
    assert_eq!(columns(&world).await, NINE_COLUMNS, "nothing was begun");
    world.database.execute(&format!("{known}; {one_a_day}")).await;
    mask(&world);
    world.load(&[event(1), event(2)]);
    assert_eq!((world.database.count(CLEAR).await, world.database.count(UNMASKED).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_field_that_somebody_takes_out_is_named_and_keeps_its_keys() {
    let world = world().await;
    world.queue.redrive_after(10).await;
    world.load(&[event(1)]);
    world.database.tamper("delete from vault.fields where field = 'user_id'").await;
    let unused =
        "select vault.is_unused((select key_id from vault.data_keys where purpose = 'mask'))";
    world
        .database
        .execute("update user_logins set masked_ip = null, masked_device_id = null")
        .await;
    assert!(
        !world.database.query(unused).await[0].get::<_, bool>(0),
        "a token of it is under the key still"
    );
    let checked = world.run(&["check", "--format", "json"]);
    let is_named = |line: &serde_json::Value| {
        line["text"].to_string().contains("field user_id was masked for good")
    };
    assert!(json_lines(&checked).iter().any(is_named), "{}", text(&checked));
    let mended = world.run(&["init"]);
    assert!(text(&mended).contains("field user_id was masked for good"), "{}", text(&mended));
    world.load(&[event(2)]);
    assert_eq!(world.database.count(CLEAR).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_a_trigger_keeps_out_is_not_called_masked() {
    let world = World::new().await;
    world
        .database
        .execute(
            "create function public.nothing() returns trigger language plpgsql as
               'begin return null; end';
             create trigger nothing before insert on vault.fields for each row execute function
               public.nothing()",
        )
        .await;
    let refused = world.run(&["init", "--mask-user-id"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert!(text(&refused).contains("vault.fields"), "{}", text(&refused));
    assert_eq!(columns(&world).await, NINE_COLUMNS, "nothing was begun");
}

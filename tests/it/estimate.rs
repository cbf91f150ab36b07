//! A large table is sampled: the true counts lie within what is said of them, whatever
//! lies where. What decides, and `--exact`, counts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{World, json_lines, summary, text};

/// Rows in blocks that are nearly empty: 36,000 in 10,000 blocks. Keys lie in order; ten
/// rows and two hundred without a hash lie together, some rows lie scattered, a tenth was
/// moved to the end, and there are holes.
const FILL: &str = "\
    drop index user_logins_ip_hash, user_logins_device_id_hash;
    alter table user_logins set (fillfactor = 10, autovacuum_enabled = off);
    insert into user_logins (user_id, masked_ip, masked_device_id, ip_hash, device_id_hash)
    select 'u-' || n, 'ip1.' || key || '.' || md5(n::text),
           'dev1.' || case when n % 3 = 0 then 8 else key end || '.' || md5(n::text)
             || md5(n::text),
           case when key <> 0 then md5(n::text)::uuid end, md5(n::text)::uuid
    from (select n, case when n <= 20000 then 1 when n <= 20010 then 2 when n <= 24000 then 4
                         when n <= 24200 then 0 else 5 end as key
          from generate_series(1, 38000) n) as rows;
    update user_logins set masked_ip = 'ip1.6.' || md5(user_id)
      where hashtext(user_id) % 5 = 0 and masked_ip like 'ip1.5.%';
    update user_logins set masked_ip = 'ip1.9.x' where hashtext(user_id) % 997 = 0;
    delete from user_logins where user_id ~ '^u-(5|12)...$'";

const MANY_MESSAGES: &str = "\
    alter table ingest.quarantine set (fillfactor = 10, autovacuum_enabled = off);
    insert into ingest.quarantine (message_id, source, received_at, row_day, reason, seal_key_id,
      sealed)
    select gen_random_uuid(), 'queue', now(), current_date,
           case when n <= 20000 then 'not_json' when n <= 20005 then 'too_long'
             else 'missing_field' end,
           3, sha256(n::text::bytea) || sha256(n::text::bytea)
    from generate_series(1, 50000) n";

async fn large() -> World {
    let world = World::new().await;
    world.database.execute(FILL).await;
    let blocks = "select from generate_series(1, pg_relation_size('user_logins') / 8192)";
    assert!(world.database.count(blocks).await > 9_000);
    world
}

/// Figure and margin of a key, and whether it was seen at all.
fn holds(key: &Value, field: &str, truth: i64) -> bool {
    let (count, margin) = (key["rows"][field].as_i64(), key["rows_margin"][field].as_i64());
    let (Some(count), Some(margin)) = (count, margin) else { panic!("no figure in {key}") };
    (count - truth).abs() <= margin
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_keys_list_sample_a_large_table_and_count_it_when_asked() {
    let world = large().await;
    let auditor = world.database.login("loginetl_auditor").await;
    let read = |args: &[&str]| world.run_as(&auditor, args);
    let (rough, exact) = (
        summary(&read(&["status", "--format", "json"])),
        summary(&read(&["status", "--format", "json", "--exact"])),
    );
    assert_eq!((&rough["rows_are"], &exact["rows_are"]), (&json!("estimated"), &json!("counted")));
    assert_eq!(exact["keys"][0]["rows"], json!({"ip": 17_985, "device_id": 12_001}));
    assert!(exact["keys"][0].get("rows_margin").is_none() && exact["rows_sample"].is_null());
    for field in ["ip", "device_id"] {
        let truth = exact["keys"][0]["rows"][field].as_i64().expect("a count");
        assert!(holds(&rough["keys"][0], field, truth), "{rough}");
        assert!(rough["keys"][0]["rows_margin"][field].as_i64() < Some(truth / 4), "{rough}");
    }
    assert_eq!(exact["unknown_keys"], json!(["0", "2", "4", "5", "6", "8", "9"]));
    let seen = rough["unknown_keys"].as_array().expect("keys");
    assert!(["4", "5", "6", "8"].iter().all(|key| seen.contains(&json!(key))), "{rough}");
    let sample = &rough["rows_sample"];
    assert!((30..=3_000).contains(&sample["blocks"].as_i64().expect("a number")), "{sample}");
    assert!(sample["of_blocks"].as_i64() > Some(9_000), "{sample}");
    assert!(sample["unseen_at_most"].as_i64() > Some(0), "{sample}");

    let shown = text(&read(&["status"]));
    assert!(shown.contains("┆ ~1") && shown.contains(" ± "), "{shown}");
    assert!(shown.contains("\nrows            estimated from "), "{shown}");
    let counted = text(&read(&["status", "--exact"]));
    assert!(counted.contains("┆ 17985 ") && !counted.contains('±'), "{counted}");

    let keys = json_lines(&read(&["keys", "list", "--format", "json"]));
    let margin = keys[0]["in_use_margin"].as_i64().expect("a margin");
    let in_use = keys[0]["in_use"].as_i64().expect("a figure");
    assert!((in_use - 17_985 - 12_001).abs() <= margin, "{}", keys[0]);
    assert_eq!(keys[0]["in_use_is"], "estimated");
    let keys = json_lines(&read(&["keys", "list", "--format", "json", "--exact"]));
    assert_eq!((&keys[0]["in_use"], &keys[0]["in_use_is"]), (&json!(29_986), &json!("counted")));
    assert!(text(&read(&["keys", "list"])).contains("\nrows            estimated from "));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_true_count_lies_within_the_margin_whatever_blocks_are_drawn() {
    let world = large().await;
    let client = world.database.client().await;
    let key = |row: &tokio_postgres::Row| (row.get(0), row.get(1));
    type Key = (Option<String>, Option<String>);
    let truth = client.query("select * from vault.count_rows()", &[]).await.expect("counts");
    let truth: BTreeMap<Key, i64> = truth.iter().map(|row| (key(row), row.get(2))).collect();
    let (mut looks, mut beyond, mut sums) = (0, Vec::new(), BTreeMap::<Key, i64>::new());
    // What stops early has read some parts of the table and not others.
    let ways = [(300, "0"), (3_000, "10 ms"), (300, "1 min")];
    for (seed, (most_blocks, longest)) in (1..=120).map(|seed| (seed, ways[seed % 3])) {
        let seeded = format!("select setseed({seed} / 1000.0)");
        client.batch_execute(&seeded).await.expect("a seed");
        let look = format!(
            "select field, key_id, row_count, margin, blocks
             from vault.estimate_rows({most_blocks}, '{longest}')"
        );
        let lines = client.query(&look, &[]).await.expect("estimates");
        let figures: BTreeMap<Key, (i64, i64)> =
            lines.iter().map(|row| (key(row), (row.get(2), row.get(3)))).collect();
        let blocks: i64 = lines[0].get(4);
        assert!(blocks == 300 || longest != "1 min", "{blocks} in {longest}");
        let unseen = figures[&(None, None)];
        for (key, truth) in &truth {
            let (count, margin) = *figures.get(key).unwrap_or(&unseen);
            looks += 1;
            if (count - truth).abs() > margin {
                beyond.push(format!("{key:?}: {truth} and not {count} ± {margin}, seed {seed}"));
            }
            if longest == "1 min" {
                *sums.entry(key.clone()).or_default() += count;
            }
        }
    }
    // One in a thousand may lie beyond.
    assert!(looks == 120 * 13 && beyond.len() <= 3, "{} of {looks}: {beyond:#?}", beyond.len());
    // On the average there is no error: of a large key less than a sixtieth.
    for (key, truth) in truth.iter().filter(|(_, truth)| **truth > 10_000) {
        let mean = sums[key] / 40;
        assert!((mean - truth).abs() < truth / 60, "{key:?}: {mean} and not {truth}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_quarantine_is_sampled_too() {
    let world = World::new().await;
    world.database.execute(MANY_MESSAGES).await;
    let auditor = world.database.login("loginetl_auditor").await;
    let rough = summary(&world.run_as(&auditor, &["status", "--format", "json"]));
    assert_eq!(
        (&rough["rows_are"], &rough["quarantine_is"]),
        (&json!("counted"), &json!("estimated"))
    );
    for (reason, truth) in [("not_json", 20_000), ("missing_field", 29_995)] {
        let lines = rough["quarantine"].as_array().expect("lines");
        let line = lines.iter().find(|line| line["reason"] == reason).expect("a line");
        let figure = |name: &str| line[name].as_i64().expect("a number");
        assert!((figure("messages") - truth).abs() <= figure("messages_margin"), "{line}");
    }
    let shown = text(&world.run_as(&auditor, &["status"]));
    assert!(
        shown.contains("not_json, the oldest seen of ")
            && shown.contains(
                "\nquarantine      \
        ~"
            )
    );
    let exact = summary(&world.run_as(&auditor, &["status", "--format", "json", "--exact"]));
    let counted: Vec<(&Value, &Value)> = exact["quarantine"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| (&line["reason"], &line["messages"]))
        .collect();
    let expected = [("missing_field", 29_995), ("not_json", 20_000), ("too_long", 5)]
        .map(|(r, n)| (json!(r), json!(n)));
    assert_eq!(counted, expected.iter().map(|(r, n)| (r, n)).collect::<Vec<_>>());
    let keys = json_lines(&world.run_as(&auditor, &["keys", "list", "--format", "json"]));
    let figure = |name: &str| keys[2][name].as_i64().expect("a number");
    assert!((figure("in_use") - 50_000).abs() <= figure("in_use_margin"), "{}", keys[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sampled_is_counted_and_what_is_hidden_is_refused() {
    let world = large().await;
    let are = || summary(&world.run(&["status", "--format", "json"]))["rows_are"].clone();
    assert_eq!(are(), "estimated");
    world.database.execute("create table more () inherits (user_logins)").await;
    assert_eq!(are(), "counted", "its rows lie elsewhere too");
    world.database.execute("drop table more").await;
    world
        .database
        .execute(
            "create access method elsewhere type table handler heap_tableam_handler;
             alter table user_logins set access method elsewhere",
        )
        .await;
    assert_eq!(are(), "counted", "nobody knows how it lays out rows");
    world.database.execute("alter table user_logins set access method heap").await;
    world
        .database
        .execute(
            "alter table user_logins enable row level security;
             create policy part on user_logins using (user_id > 'u-2')",
        )
        .await;
    let hidden = "select * from vault.estimate_rows(300, '1 s')";
    let client = world.database.client().await;
    let error = client.query(hidden, &[]).await.expect_err("hidden rows");
    assert_eq!(error.code().map(|code| code.code()), Some("LG007"));
    let output = world.run(&["status"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_decides_stands_on_a_sample() {
    let world = World::new().await;
    let standing = "\
        select p.proname::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in ('vault', 'ingest', 'audit')
          and p.prosrc ~ 'estimate_|sample_blocks|is_sampled' order by 1";
    let functions = world.database.query(standing).await;
    let functions: Vec<String> = functions.iter().map(|row| row.get(0)).collect();
    assert_eq!(functions, ["estimate_quarantine", "estimate_rows"]);
    let views = "select from pg_views where definition ~ 'estimate_|sample_blocks|is_sampled'";
    assert_eq!(world.database.count(views).await, 0);
}

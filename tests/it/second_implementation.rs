//! Every token that a load made, opened by another language and library from the
//! documented formats alone.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio_postgres::Row;

use crate::support::{World, sample, setting};

/// The bodies to load: the demo's sample, or a file of your own in LOGINETL_TEST_BODIES.
pub fn bodies() -> Vec<String> {
    match std::env::var("LOGINETL_TEST_BODIES") {
        Ok(path) => std::fs::read_to_string(path)
            .expect("the file is readable")
            .lines()
            .map(str::to_owned)
            .collect(),
        Err(_) => sample(),
    }
}

/// (user, address, device) of each body that is a login, as sent but for the
/// spelling of addresses.
pub fn sent(bodies: &[String]) -> Vec<(String, String, String)> {
    let text = |value: &Value, name: &str| value[name].as_str().map(str::to_owned);
    let of = |body: &String| {
        let value: Value = serde_json::from_str(body).ok()?;
        let address: IpAddr = text(&value, "ip")?.parse().ok()?;
        Some((
            text(&value, "user_id")?,
            address.to_canonical().to_string(),
            text(&value, "device_id")?,
        ))
    };
    let mut all: Vec<_> = bodies.iter().filter_map(of).collect();
    all.sort();
    all
}

/// What the second implementation finds in the rows, by these columns:
/// `user_id`, tokens, hashes.
pub async fn opened(world: &World, columns: &str) -> Vec<(String, String, String)> {
    let wraps = "select key_id, purpose, holder, kms_key_arn, encode(wrapped, 'hex')
                 from vault.wraps join vault.data_keys using (key_id)";
    let text = |row: &Row, column: usize| row.get::<_, Option<String>>(column);
    let wraps = world.database.query(wraps).await;
    let wrap = |row: &Row| {
        json!([row.get::<_, i64>(0), text(row, 1), text(row, 2), text(row, 3), text(row, 4)])
    };
    let wraps: Vec<Value> = wraps.iter().map(wrap).collect();
    let rows = world.database.query(&format!("select {columns} from user_logins")).await;
    let row = |row: &Row| (0..row.len()).map(|column| Value::from(text(row, column))).collect();
    let rows: Vec<Value> = rows.iter().map(row).collect();
    let input = json!({"wraps": wraps, "rows": rows}).to_string();

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/open_tokens.py");
    let mut command = Command::new(setting("LOGINETL_TEST_PYTHON"));
    let mut child =
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the second implementation agrees");
    let mut opened: Vec<_> = serde_json::from_slice(&output.stdout).expect("JSON");
    opened.sort();
    opened
}

#[tokio::test(flavor = "multi_thread")]
async fn another_implementation_opens_every_token_to_the_value_sent() {
    let world = World::new().await;
    let bodies = bodies();
    world.queue.send(&bodies).await;
    let summary = world.drain(0);
    assert_eq!(summary["loaded"], sent(&bodies).len(), "{summary}");
    assert_eq!(summary["quarantined"], bodies.len() - sent(&bodies).len(), "{summary}");
    let columns = "user_id, masked_ip, masked_device_id, ip_hash::text, device_id_hash::text";
    assert_eq!(opened(&world, columns).await, sent(&bodies));

    let by_locale: BTreeMap<bool, i64> = world
        .database
        .query("select locale is null, count(*) from user_logins group by 1")
        .await
        .iter()
        .map(|r| (r.get(0), r.get(1)))
        .collect();
    let nulls = bodies
        .iter()
        .filter_map(|b| serde_json::from_str::<Value>(b).ok())
        .filter(|v| v.get("user_id").is_some() && v["locale"].is_null())
        .count();
    assert_eq!(by_locale.get(&true).copied().unwrap_or(0), nulls as i64);
}

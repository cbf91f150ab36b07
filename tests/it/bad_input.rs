//! Bad input never stops a load and never disappears: each becomes a row, or a
//! quarantined message with a reason.

use std::collections::BTreeMap;

use crate::support::{Action, Proxy, World, event, text};

/// Every kind of bad body, with the reason it must get; `None` becomes a row.
fn cases() -> Vec<(String, Option<&'static str>)> {
    let with = |field: &str, json: &str| {
        let mut fields: BTreeMap<&str, String> = [
            ("user_id", r#""u""#),
            ("app_version", r#""2.3.0""#),
            ("ip", r#""192.0.2.7""#),
            ("device_id", r#""d""#),
            ("locale", r#""DE""#),
            ("device_type", r#""ios""#),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into();
        if json.is_empty() {
            fields.remove(field)
        } else {
            fields.insert(field, json.to_owned())
        };
        format!(
            "{{{}}}",
            fields
                .iter()
                .map(|(name, value)| format!(r#""{name}": {value}"#))
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    let quoted = |text: &str| format!("\"{text}\"");
    let mut cases = vec![
        ("not json".to_owned(), Some("not_json")),
        ("[1, 2]".to_owned(), Some("wrapped_in_array")),
        (r#""a text""#.to_owned(), Some("not_an_object")),
        ("null".to_owned(), Some("not_an_object")),
        ("17".to_owned(), Some("not_an_object")),
        ("true".to_owned(), Some("not_an_object")),
        (r#"{"foo": "oops_wrong_msg_type", "bar": "123"}"#.to_owned(), Some("missing_field")),
        (with("ip", ""), Some("missing_field")),
        (with("user_id", "null"), Some("null_field")),
        (with("device_id", "17"), Some("wrong_type")),
        (with("locale", "[]"), Some("wrong_type")),
        (with("user_id", &quoted(&"x".repeat(129))), Some("too_long")),
        (with("device_type", &quoted(&"x".repeat(33))), Some("too_long")),
        (with("locale", &quoted(&"ü".repeat(33))), Some("too_long")),
        (with("locale", &quoted(&"ü".repeat(32))), None),
        (with("user_id", r#""a\u0000b""#), Some("nul_character")),
        (with("locale", ""), None),
        (with("device_type", "null"), None),
        (with("device_id", &quoted("")), Some("empty")),
        (with("device_id", &quoted(&"d".repeat(159))), None),
        (with("device_id", &quoted(&"d".repeat(160))), Some("too_long")),
        (with("device_id", &quoted("\u{202e}דוגמה 🦀 \\n\\u00e9")), None),
        (with("ip", r#""192.0.2.7", "ip": "192.0.2.8""#), Some("duplicate_field")),
        (with("extra", &format!("{}{}", "[".repeat(3_000), "]".repeat(3_000))), None),
        (with("ip", &format!("{}{}", "[".repeat(3_000), "]".repeat(3_000))), Some("wrong_type")),
        (with("extra", &quoted(&"x".repeat(1_048_576 - 200))), None),
        ("x".repeat(1_048_576), Some("not_json")),
        (with("create_date", &quoted("2023-02-29")), Some("invalid_date")),
        (with("timestamp", &quoted("yesterday")), Some("invalid_date")),
    ];
    for version in ["1", "a.b", "1.2.3.4"] {
        cases.push((with("app_version", &quoted(version)), Some("invalid_app_version")));
    }
    for version in ["1.1000", "2148.0"] {
        cases.push((with("app_version", &quoted(version)), Some("app_version_out_of_range")));
    }
    cases.push((with("app_version", &quoted("")), Some("empty")));
    for address in ["1.2.3", "256.1.1.1", "fe80::1%eth0"] {
        cases.push((with("ip", &quoted(address)), Some("invalid_ip")));
    }
    cases
}

async fn reasons(world: &World) -> Vec<String> {
    let rows = world.database.query("select reason from ingest.quarantine order by reason").await;
    rows.iter().map(|row| row.get(0)).collect()
}

fn expected() -> Vec<String> {
    let mut reasons: Vec<_> =
        cases().into_iter().filter_map(|(_, reason)| reason.map(str::to_owned)).collect();
    reasons.sort();
    reasons
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_message_becomes_a_row_or_a_reason() {
    let world = World::new().await;
    for (body, _) in cases() {
        world.queue.send(&[body]).await;
    }
    let summary = world.drain(0);
    assert_eq!(summary["received"], cases().len(), "{summary}");
    assert_eq!(reasons(&world).await, expected());
    assert_eq!(
        world.database.count("select from user_logins").await,
        cases().iter().filter(|c| c.1.is_none()).count() as i64
    );
    assert_eq!(world.queue.depth().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_line_becomes_a_row_or_a_reason() {
    let world = World::new().await;
    let mut content: Vec<u8> =
        cases().iter().flat_map(|(body, _)| format!("{body}\n").into_bytes()).collect();
    content.extend(b"\xff\xfe not utf-8\n\n   \n");
    let output = world.run_with_input(&["load", "--file", "-"], &content);
    assert!(output.status.success(), "{}", text(&output));
    let mut expected = expected();
    expected.push("not_utf8".to_owned());
    expected.sort();
    assert_eq!(reasons(&world).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_ids_and_times_of_messages_are_taken_as_they_come() {
    type Change = Box<dyn Fn(String) -> String + Send + Sync>;
    let replaced = |name: &'static str, value: &'static str| -> Change {
        Box::new(move |body| {
            let Ok(mut answer) = serde_json::from_str::<serde_json::Value>(&body) else {
                return body;
            };
            for message in answer["Messages"].as_array_mut().into_iter().flatten() {
                match name {
                    "MessageId" => message["MessageId"] = value.into(),
                    _ if value.is_empty() => {
                        drop(message.as_object_mut().map(|m| m.remove("Attributes")))
                    }
                    _ => message["Attributes"]["SentTimestamp"] = value.into(),
                }
            }
            answer.to_string()
        })
    };
    let cases = [
        ("MessageId", "not-a-uuid", None),
        ("SentTimestamp", "1700000000", Some("2023-11-14")),
        ("SentTimestamp", "99", Some("1970-01-01")),
        ("SentTimestamp", "", Some("1970-01-01")),
    ];
    for (name, value, ledger_day) in cases {
        let change = std::sync::Arc::new(replaced(name, value));
        let proxy = Proxy::start(move |target| {
            let change = std::sync::Arc::clone(&change);
            if target == "AmazonSQS.ReceiveMessage" {
                Action::Rewrite(Box::new(move |body| change(body)))
            } else {
                Action::Forward
            }
        });
        let world = World::new().await.through(&proxy);
        world.queue.send(&[event(1)]).await;
        let summary = world.drain(0);
        assert_eq!(summary["loaded"], 1, "{name} {value}: {summary}");
        let row_day =
            if value == "1700000000" { "'2023-11-14'" } else { "(now() at time zone 'utc')::date" };
        assert_eq!(
            world
                .database
                .count(&format!("select from user_logins where create_date = {row_day}"))
                .await,
            1,
            "{name} {value}"
        );
        if let Some(day) = ledger_day {
            assert_eq!(
                world
                    .database
                    .count(&format!("select from ingest.ledger where sent_day = '{day}'"))
                    .await,
                1,
                "{name} {value}"
            );
        } else {
            // Whatever the id is, a message that carries it again is the same message.
            world.queue.send(&[event(2)]).await;
            assert_eq!(world.drain(0)["duplicates"], 1, "{name} {value}");
            assert_eq!(world.database.count("select from user_logins").await, 1);
        }
    }
}

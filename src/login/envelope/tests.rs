//! The rules of envelopes, one test a rule: what is opened, what is not and why, and
//! which day a row gets.

use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::login::{Body, LoginEvent, NearNames, Reading, parse};
use crate::token::{Field, Plaintext};

const ROW_DAY: Date = date(2026, 1, 2);
const EVENT: &str = concat!(
    r#"{"user_id":"u","app_version":"2.3.0","ip":"192.0.2.7","#,
    r#""device_id":"d\u00e9 \"1\"","locale":"DE"}"#
);

fn read(body: &str, envelopes: Envelopes) -> Result<LoginEvent, Rejection> {
    let reading = Reading { envelopes, ..Reading::default() };
    parse(&Body::new(body.as_bytes().to_vec()), ROW_DAY, reading, &NearNames::default())
}

fn reason(body: &str) -> Option<RejectReason> {
    read(body, Envelopes::Auto).err().map(|rejection| rejection.reason)
}

fn sns(message: &str) -> String {
    json!({
        "Type": "Notification",
        "MessageId": "a",
        "TopicArn": "arn:aws:sns:us-east-1:000000000000:logins",
        "Message": message,
        "Timestamp": "2024-02-29T23:59:59.999Z",
        "SignatureVersion": "1",
    })
    .to_string()
}

fn eventbridge(detail: &str) -> String {
    format!(
        "{{\"version\":\"0\",\"id\":\"a\",\"detail-type\":\"login\",\"source\":\"app\",\
         \"time\":\"2023-11-14T22:13:20Z\",\"detail\":{detail}}}"
    )
}

fn with(event: &str, field: &str, value: Value) -> String {
    let mut members: Value = serde_json::from_str(event).unwrap_or_default();
    members[field] = value;
    members.to_string()
}

#[test]
fn an_event_in_an_envelope_is_the_event_itself() {
    for body in [
        sns(EVENT),
        eventbridge(EVENT),
        sns(&eventbridge(EVENT)),
        sns(&sns(&eventbridge(EVENT))),
        eventbridge(&sns(EVENT)),
    ] {
        let event = read(&body, Envelopes::Auto)
            .unwrap_or_else(|rejection| panic!("{body}: {rejection:?}"));
        assert_eq!(
            (event.user_id.as_deref(), event.app_version, event.locale.as_deref()),
            (Some("u"), 2_003_000, Some("DE"))
        );
        let texts =
            event.values.map(|_, value| String::from_utf8(value.into_text().expose().to_vec()));
        let text = |field| texts.get(field).cloned();
        assert_eq!(
            (text(Field::DeviceId), text(Field::Ip)),
            (Some(Ok("dé \"1\"".to_owned())), Some(Ok("192.0.2.7".to_owned())))
        );
    }
    let plain_text = r#"{"Type" : "Notification" , "Message" : "{}", "x": [1, {"Message": 2}]}"#;
    assert_eq!(reason(plain_text), Some(RejectReason::MissingField), "what is in it is no event");
    assert_eq!(
        reason(&sns(&sns(&sns(&sns(EVENT))))),
        Some(RejectReason::SnsNotification),
        "three are opened, not more"
    );
}

#[test]
fn only_a_body_without_required_fields_is_looked_at() {
    for field in ["user_id", "app_version", "ip", "device_id"] {
        for body in [sns(EVENT), eventbridge(EVENT)] {
            assert_eq!(
                reason(&with(&body, field, Value::Null)),
                reason(&format!(r#"{{"{field}": null}}"#)),
                "{field}"
            );
        }
        let behind = format!(r#"{{ "Type": "Notification", "Message": "{{}}", "{field}": null }}"#);
        assert_eq!(reason(&behind), reason(&format!(r#"{{"{field}": null}}"#)), "{field}");
    }
    assert!(read(&with(EVENT, "Type", "Notification".into()), Envelopes::None).is_ok());
    assert!(read(&with(EVENT, "detail", json!({})), Envelopes::EventBridge).is_ok());
}

#[test]
fn an_envelope_that_is_not_to_be_opened_has_a_reason_of_its_own() {
    use Envelopes::{EventBridge, None, Sns};
    let reason =
        |body: &str, envelopes| read(body, envelopes).err().map(|rejection| rejection.reason);
    for (body, opens, closed, own) in [
        (sns(EVENT), Sns, [None, EventBridge], RejectReason::SnsNotification),
        (eventbridge(EVENT), EventBridge, [None, Sns], RejectReason::EventBridgeEvent),
    ] {
        assert_eq!(reason(&body, opens), Option::None);
        closed.into_iter().for_each(|envelopes| assert_eq!(reason(&body, envelopes), Some(own)));
    }
    assert_eq!(reason(&sns(&eventbridge(EVENT)), Sns), Some(RejectReason::EventBridgeEvent));
}

#[test]
fn what_is_wrong_in_an_envelope_is_told_of_the_event() {
    for (field, value, own) in [
        ("ip", json!("x"), RejectReason::InvalidIp),
        ("app_version", json!("1"), RejectReason::InvalidAppVersion),
        ("locale", json!(7), RejectReason::WrongType),
        ("timestamp", json!("soon"), RejectReason::InvalidDate),
    ] {
        for body in [
            sns(&with(EVENT, field, value.clone())),
            eventbridge(&with(EVENT, field, value.clone())),
        ] {
            let rejection = read(&body, Envelopes::Auto).err();
            assert_eq!(rejection.map(|r| (r.reason, r.field)), Some((own, Some(field))), "{field}");
        }
    }
    assert_eq!(reason(&sns("hello")), Some(RejectReason::NotJson));
    assert_eq!(reason(&sns("[]")), Some(RejectReason::WrappedInArray));
    assert_eq!(
        reason(r#"{"Type":"Notification","Message":"\ud800"}"#),
        Some(RejectReason::NotJson)
    );
}

#[test]
fn other_messages_of_aws_have_reasons_of_their_own() {
    let s3 = concat!(
        r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","#,
        r#""s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#
    );
    let s3_by_bus = eventbridge(r#"{"bucket":{"name":"b"}}"#).replace(r#""app""#, r#""aws.s3""#);
    for (body, own) in [
        (s3.to_owned(), RejectReason::S3Notification),
        (sns(s3), RejectReason::S3Notification),
        (s3_by_bus, RejectReason::S3Notification),
        (
            r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#.to_owned(),
            RejectReason::S3TestEvent,
        ),
        (
            r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3Key":"k"}]"#.to_owned(),
            RejectReason::ExtendedClientPointer,
        ),
        (
            r#" [ "com.amazon.sqs.javamessaging.MessageS3Pointer", {}]"#.to_owned(),
            RejectReason::ExtendedClientPointer,
        ),
        (
            r#"{"Type":"SubscriptionConfirmation","Message":"You have chosen","Token":"t"}"#
                .to_owned(),
            RejectReason::SnsConfirmation,
        ),
        (format!("[{EVENT},{EVENT}]"), RejectReason::WrappedInArray),
        (format!("{EVENT}{EVENT}"), RejectReason::SeveralObjects),
        (format!("{EVENT}\n{EVENT}\n"), RejectReason::SeveralObjects),
        (r#"{"Records":[{"eventSource":"aws:sqs"}]}"#.to_owned(), RejectReason::MissingField),
        (r#"{"Records":[]}"#.to_owned(), RejectReason::MissingField),
        (format!("{EVENT} [1]"), RejectReason::NotJson),
        (format!("{EVENT}{{"), RejectReason::NotJson),
        ("[2026-01-01] started".to_owned(), RejectReason::NotJson),
    ] {
        assert_eq!(reason(&body), Some(own), "{body}");
    }
}

#[test]
fn compressed_bodies_are_known_as_bytes_and_in_base64() {
    let of = |bytes: &[u8]| {
        parse(&Body::new(bytes.to_vec()), ROW_DAY, Reading::default(), &NearNames::default()).err()
    };
    let reason = |bytes: &[u8]| of(bytes).map(|rejection| rejection.reason);
    // gzip, zlib (four levels) and zstd of "{}", two of them in base64, and gzip that was
    // taken for text.
    for compressed in [
        &b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\
           \xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00"[..],
        b"\x78\x9c\xab\xae\x05\x00\x01\x75\x00\xf9",
        b"\x78\x01\xab\xae\x05\x00\x01\x75\x00\xf9",
        b"\x78\x5e\xab\xae\x05\x00\x01\x75\x00\xf9",
        b"\x78\xda\xab\xae\x05\x00\x01\x75\x00\xf9",
        b"\x28\xb5\x2f\xfd\x04\x00\x11\x00\x00\x7b\x7d\xfb\xf1\x4c\x29",
        b"H4sIAAAAAAAC/6uuBQBDv6ajAgAAAA==",
        b"eJyrrgUAAXUA+QAAAAAAAAAA",
        "\u{1f}\u{fffd}\u{8}\0\0".as_bytes(),
    ] {
        assert_eq!(reason(compressed), Some(RejectReason::Compressed), "{compressed:?}");
    }
    assert_eq!(
        reason(sns("H4sIAAAAAAAC/6uuBQBDv6ajAgAAAA==").as_bytes()),
        Some(RejectReason::Compressed)
    );
    for text in ["H4sI", "H4sI and so on, which is no base64", "eJw", "x^ power", "KLUv"] {
        assert_eq!(reason(text.as_bytes()), Some(RejectReason::NotJson), "{text}");
    }
    assert_eq!(reason(b"\xff\xfe{"), Some(RejectReason::NotUtf8));
}

#[test]
fn the_day_is_the_events_own_then_the_envelopes_then_that_of_the_message() {
    let day = |body: &str| read(body, Envelopes::Auto).ok().map(|event| event.create_date);
    assert_eq!(day(&sns(EVENT)), Some(date(2024, 2, 29)));
    assert_eq!(day(&eventbridge(EVENT)), Some(date(2023, 11, 14)));
    assert_eq!(
        day(&sns(&eventbridge(EVENT))),
        Some(date(2023, 11, 14)),
        "the inner one is nearer to the event"
    );
    let own = with(EVENT, "create_date", "2020-05-05".into());
    assert_eq!(
        (day(&sns(&own)), day(&eventbridge(&own))),
        (Some(date(2020, 5, 5)), Some(date(2020, 5, 5)))
    );
    let own = with(EVENT, "timestamp", 1_600_000_000.into());
    assert_eq!(day(&sns(&own)), Some(date(2020, 9, 13)));
    for absurd in [
        Value::Null,
        json!(17),
        json!("yesterday"),
        json!("1970-01-01T00:00:00Z"),
        json!("2999-01-01T00:00:00Z"),
        json!(""),
    ] {
        assert_eq!(day(&with(&sns(EVENT), "Timestamp", absurd.clone())), Some(ROW_DAY), "{absurd}");
        assert_eq!(
            day(&with(&eventbridge(EVENT), "time", absurd.clone())),
            Some(ROW_DAY),
            "{absurd}"
        );
    }
}

#[test]
fn names_are_almost_known_in_the_event_and_not_in_its_envelope() {
    let near = NearNames::default();
    let read = |body: String| {
        parse(&Body::new(body.into_bytes()), ROW_DAY, Reading::default(), &near).is_ok()
    };
    let event = with(&with(EVENT, "Timestamp", "x".into()), "device_ids", "x".into());
    assert!(read(sns(EVENT)) && read(eventbridge(EVENT)));
    assert_eq!(near.counts(), []);
    assert!(read(sns(&event)) && read(eventbridge(&event)));
    let counts: Vec<_> = near
        .counts()
        .into_iter()
        .map(|one| (one.name.into_string(), one.almost, one.count))
        .collect();
    assert_eq!(counts, [("Timestamp".to_owned(), "timestamp", 2)], "device_id itself is there too");
    assert!(!read(EVENT.replace("\"ip\"", "\"IP\"")));
    assert_eq!(near.counts().len(), 2, "also of an event that is rejected for it");
}

proptest! {
    #[test]
    fn an_envelope_changes_nothing_but_the_day(
        user in ".{0,5}",
        device in any::<String>(),
        ip in "[0-9.:a-f]{1,9}|192\\.0\\.2\\.[0-9]",
        extra in any::<String>(),
    ) {
        let event = json!({
            "user_id": user, "app_version": "1.2", "ip": ip, "device_id": device, "extra": extra
        });
        let event = event.to_string();
        let plain = read(&event, Envelopes::None);
        for body in [sns(&event), eventbridge(&event), sns(&eventbridge(&event))] {
            match (&plain, read(&body, Envelopes::Auto)) {
                (Ok(plain), Ok(opened)) => {
                    prop_assert_eq!(&plain.user_id, &opened.user_id);
                    for (field, value) in plain.values.iter() {
                        let opened = opened.values.get(field).map(Plaintext::expose);
                        prop_assert_eq!(Some(value.expose()), opened);
                    }
                }
                (Err(plain), Err(opened)) => prop_assert_eq!(*plain, opened),
                _ => prop_assert!(false, "accepted in one form alone"),
            }
        }
    }
}

//! The rules of parsing, one test a rule.

use jiff::civil::date;
use proptest::prelude::*;

use super::*;

const ROW_DAY: Date = date(2026, 1, 2);

fn parse_text(text: &str) -> Result<LoginEvent, Rejection> {
    parse_bytes(text.as_bytes())
}

fn parse_bytes(bytes: &[u8]) -> Result<LoginEvent, Rejection> {
    parse(&Body::new(bytes.to_vec()), ROW_DAY, Reading::default(), &NearNames::default())
}

fn with(field: &str, json: &str) -> String {
    let fields = [
        ("user_id", r#""u-1""#),
        ("app_version", r#""2.3.0""#),
        ("device_type", r#""ios""#),
        ("ip", r#""192.0.2.7""#),
        ("locale", r#""DE""#),
        ("device_id", r#""d-1""#),
    ];
    let mut members: Vec<String> = fields
        .iter()
        .filter(|(name, _)| *name != field)
        .map(|(name, value)| format!(r#""{name}": {value}"#))
        .collect();
    if !json.is_empty() {
        members.push(format!(r#""{field}": {json}"#));
    }
    format!("{{{}}}", members.join(", "))
}

fn rejected(text: &str) -> (RejectReason, Option<&'static str>) {
    match parse_text(text) {
        Ok(_) => panic!("{text} was accepted"),
        Err(rejection) => (rejection.reason, rejection.field),
    }
}

#[test]
fn what_is_no_json_object_is_rejected_as_a_whole() {
    for text in
        ["", " ", "hello", "{", r#"{"ip": }"#, r#"{"a":1} x"#, "{'a': 1}", "\u{feff}\u{feff}{}"]
    {
        assert_eq!(rejected(text).0, RejectReason::NotJson, "{text:?}");
    }
    for text in ["null", "1", "true", r#""text""#] {
        assert_eq!(rejected(text), (RejectReason::NotAnObject, None), "{text:?}");
    }
    for text in ["[]", r#"[{"ip": "192.0.2.7"}]"#] {
        assert_eq!(rejected(text), (RejectReason::WrappedInArray, None), "{text:?}");
    }
    assert_eq!(
        parse_bytes(&[0xff, 0xfe, b'{']).err().map(|r| r.reason),
        Some(RejectReason::NotUtf8)
    );
}

#[test]
fn a_byte_order_mark_before_an_event_is_no_part_of_it() {
    assert!(parse_text(&format!("\u{feff}{}", with("", ""))).is_ok());
}

#[test]
fn required_fields_must_be_texts() {
    for field in ["user_id", "app_version", "ip", "device_id"] {
        assert_eq!(rejected(&with(field, "")), (RejectReason::MissingField, Some(field)));
        assert_eq!(rejected(&with(field, "null")), (RejectReason::NullField, Some(field)));
        assert_eq!(rejected(&with(field, r#""""#)), (RejectReason::Empty, Some(field)));
        for wrong in ["1", "1.5", "true", "[]", "{}", r#"{"ip": "192.0.2.7"}"#] {
            assert_eq!(rejected(&with(field, wrong)), (RejectReason::WrongType, Some(field)));
        }
    }
}

#[test]
fn optional_fields_may_be_null_or_absent_and_nothing_else() {
    for field in ["device_type", "locale"] {
        for none in ["", "null"] {
            assert!(parse_text(&with(field, none)).is_ok(), "{field} {none}");
        }
        assert_eq!(rejected(&with(field, "7")), (RejectReason::WrongType, Some(field)));
    }
    let event = parse_text(&with("locale", "null")).ok();
    assert!(event.is_some_and(|e| e.locale.is_none() && e.device_type.as_deref() == Some("ios")));
}

#[test]
fn widths_count_characters_and_u0000_is_rejected() {
    for (field, width) in [("user_id", 128), ("device_type", 32), ("locale", 32)] {
        assert!(parse_text(&with(field, &format!(r#""{}""#, "ü".repeat(width)))).is_ok());
        assert_eq!(
            rejected(&with(field, &format!(r#""{}""#, "x".repeat(width + 1)))),
            (RejectReason::TooLong, Some(field))
        );
    }
    for field in ["user_id", "device_type", "locale", "ip", "device_id"] {
        assert_eq!(
            rejected(&with(field, r#""a\u0000b""#)),
            (RejectReason::NulCharacter, Some(field))
        );
    }
    assert_eq!(
        rejected(&with("device_id", &format!(r#""{}""#, "x".repeat(160)))),
        (RejectReason::TooLong, Some("device_id"))
    );
}

#[test]
fn a_field_that_stands_twice_is_rejected_and_others_may() {
    assert_eq!(
        rejected(&with("ip", r#""192.0.2.7", "ip": "192.0.2.8""#)),
        (RejectReason::DuplicateField, Some("ip"))
    );
    assert_eq!(
        rejected(&with("locale", r#"null, "loc\u0061le": "DE""#)),
        (RejectReason::DuplicateField, Some("locale"))
    );
    assert!(parse_text(&with("extra", r#"1, "extra": 2"#)).is_ok());
}

#[test]
fn deep_nesting_is_no_danger() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(
        parse_text(&with("extra", &deep)).is_ok(),
        "an unknown field may be as deep as it likes"
    );
    assert_eq!(rejected(&with("ip", &deep)), (RejectReason::WrongType, Some("ip")));
    assert_eq!(rejected(&deep), (RejectReason::WrappedInArray, None));
    assert_eq!(rejected(&"{\"a\":".repeat(100_000)).0, RejectReason::NotJson);
}

#[test]
fn the_day_is_create_date_then_timestamp_then_that_of_the_message() {
    let day = |text: &str| parse_text(text).ok().map(|e| e.create_date);
    assert_eq!(day(&with("", "")), Some(ROW_DAY));
    assert_eq!(
        day(&with("create_date", r#""2024-02-29", "timestamp": 1700000000"#)),
        Some(date(2024, 2, 29))
    );
    for timestamp in [
        "1700000000",
        "1700000000000",
        r#""1700000000""#,
        r#""2023-11-14T22:13:20Z""#,
        "1700000000.9",
    ] {
        assert_eq!(day(&with("timestamp", timestamp)), Some(date(2023, 11, 14)), "{timestamp}");
    }
    assert_eq!(day(&with("timestamp", "null")), Some(ROW_DAY));
    for (field, wrong) in
        [("create_date", r#""2023-02-29""#), ("timestamp", "-1"), ("timestamp", r#""soon""#)]
    {
        assert_eq!(rejected(&with(field, wrong)), (RejectReason::InvalidDate, Some(field)));
    }
    for (field, wrong) in
        [("create_date", "20240229"), ("timestamp", "true"), ("timestamp", "1e300")]
    {
        assert_eq!(rejected(&with(field, wrong)), (RejectReason::WrongType, Some(field)));
    }
}

proptest! {
    #[test]
    fn no_body_panics_and_no_rejection_is_long(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let _ = parse_bytes(&bytes);
    }

    #[test]
    fn a_rejection_never_quotes_its_value(canary in "[a-z]{12}") {
        for field in ["app_version", "ip", "timestamp", "create_date"] {
            let Err(rejection) = parse_text(&with(field, &format!("\"{canary}\""))) else {
                panic!("a canary is no {field}")
            };
            let shown = format!("{rejection:?}");
            prop_assert!(!shown.contains(&canary));
        }
    }
}

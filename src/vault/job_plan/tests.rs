//! A plan is used as it was printed, or not at all.

use super::*;

fn text() -> String {
    let key = |id: u32| KeyId::new(id).unwrap_or_else(|| panic!("a key id"));
    let row = |id: u32, purpose: Purpose| KeyRow {
        key_id: key(id),
        purpose,
        check_value: vec![7; 16],
        kms_key_arn: "arn:aws:kms:eu-central-1:000000000000:key/1".to_owned(),
        wrapped: vec![9; 40],
    };
    let to = ValueKeys { mask: key(1), hash: key(2) };
    let at = |text: &str| text.parse().unwrap_or_else(|_| panic!("a time"));
    let plan = JobPlan {
        run: Uuid::nil(),
        archive: "logins".to_owned(),
        location: "s3://lake/\"é\"".to_owned(),
        made_at: at("2026-07-20T12:00:00Z"),
        expires_at: at("2026-07-21T12:00:00Z"),
        is_rewrite: false,
        day: jiff::civil::date(2026, 7, 20),
        app_version: AppVersionEncoding::Digits,
        envelopes: Envelopes::Sns,
        fields: Fields::always().map(|_, ()| to),
        keys: vec![row(1, Purpose::Mask), row(2, Purpose::Hash)],
    };
    let (text, digest) = plan.text();
    format!("{text}{DIGEST}{}{MAC}{}{END}", hex::encode(digest), "00".repeat(MAC_LEN))
}

fn problem(text: &str) -> Option<PlanProblem> {
    UnprovenPlan::parse(text).err()
}

#[test]
fn a_plan_is_read_as_it_was_printed_and_no_byte_may_differ() {
    let text = text();
    let plan = UnprovenPlan::parse(&text).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!((plan.archive(), plan.wraps().len()), ("logins", 2));
    assert_eq!(plan.plan.text().0, text[..plan.plan.text().0.len()]);
    for end in ["\n", "\r\n", "\n\n"] {
        assert_eq!(problem(&format!("{text}{end}")), None, "{end:?}");
    }
    for wrong in ["", "{", "x", BEGIN, &text[..text.len() - 1]] {
        assert!(problem(wrong).is_some(), "{wrong}");
    }
    let mac_begins = text.len() - END.len() - 2 * MAC_LEN;
    for place in (0..text.len()).filter(|place| text.is_char_boundary(*place)) {
        let Some(old) = text.as_bytes().get(place).filter(|byte| byte.is_ascii()) else {
            continue;
        };
        let new = if *old == b'1' { '2' } else { '1' };
        let changed = format!("{}{new}{}", &text[..place], &text[place + 1..]);
        // That of a MAC, only the keys can tell.
        let is_of_mac = (mac_begins..text.len() - END.len()).contains(&place);
        assert_eq!(problem(&changed).is_none(), is_of_mac, "{place}: {changed}");
    }
}

/// With a digest that fits: who has no key could make the MAC of none.
#[test]
fn a_plan_without_a_key_or_a_field_is_none() {
    let text = text();
    let (body, _) = text.split_once(DIGEST).unwrap_or_else(|| panic!("a digest"));
    for (whole, wanting) in [
        ("\"purpose\":\"hash\"", "\"purpose\":\"seal\""),
        ("\"mask\":1,\"hash\":2", "\"mask\":1,\"hash\":1"),
        ("{\"field\":\"device_id\",\"mask\":1,\"hash\":2}", ""),
        ("\"field\":\"device_id\"", "\"field\":\"user_id\""),
    ] {
        let body = body.replace(whole, wanting).replace("},]", "}]");
        let digest = hex::encode(Digest::of(body.as_bytes()));
        let made = format!("{body}{DIGEST}{digest}{MAC}{}{END}", "00".repeat(MAC_LEN));
        assert_eq!(problem(&made), Some(PlanProblem::NotAPlan), "{wanting}");
    }
}

#[test]
fn a_plan_of_another_build_is_told_from_a_changed_one() {
    let newer = text().replace("{\"loginetl_plan\":1,", "{\"loginetl_plan\":2,\"more\":[],");
    assert_eq!(problem(&newer), Some(PlanProblem::Changed));
    let (body, _) = newer.split_once(DIGEST).unwrap_or_else(|| panic!("a digest"));
    let digest = hex::encode(Digest::of(body.as_bytes()));
    let newer = format!("{body}{DIGEST}{digest}{MAC}{}{END}", "00".repeat(MAC_LEN));
    assert_eq!(problem(&newer), Some(PlanProblem::Version(2)));
}

#[test]
fn a_plan_has_its_time_and_its_job() {
    let plan = UnprovenPlan::parse(&text()).unwrap_or_else(|problem| panic!("{problem}"));
    let at = |text: &str| -> Timestamp { text.parse().unwrap_or_else(|_| panic!("a time")) };
    let (late, expiry) = (at("2026-07-21T12:00:01Z"), at("2026-07-21T12:00:00Z"));
    assert_eq!(plan.check(expiry, false), Ok(()));
    assert_eq!(plan.check(late, false), Err(PlanProblem::Expired { at: expiry, now: late }));
    assert_eq!(plan.check(expiry, true), Err(PlanProblem::Masks));
}

//! Every short life that a request can have, in the log of an honest vault and in others.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::*;

/// What may follow a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Release,
    Outcome,
    OutcomeOfOtherSignature,
    Withdrawal,
}

const EVENTS: [Event; 4] =
    [Event::Release, Event::Outcome, Event::OutcomeOfOtherSignature, Event::Withdrawal];
const REQUEST: i64 = 7;
const SIGNATURE: &[u8] = b"signature";
const AT: &str = "2026-01-31T12:00:00.000000Z";

fn record(seq: i64, kind: RecordKind, db_user: &str, details: String) -> Record {
    Record {
        seq,
        at: AT.to_owned(),
        xid: "1".to_owned(),
        db_user: db_user.to_owned(),
        client: None,
        application_name: String::new(),
        kind: kind.name().to_owned(),
        details,
        prev_hash: Vec::new(),
        hash: Vec::new(),
        key_arn: None,
        signature: None,
        signed_at: None,
    }
}

fn request(is_signed: bool, kind: RecordKind) -> Record {
    let signature = is_signed.then(|| SIGNATURE.to_vec());
    Record { signature, ..record(REQUEST, kind, "ann", "{}".to_owned()) }
}

fn answer(seq: i64, event: Event, db_user: &str, is_signed: bool, is_find: bool) -> Record {
    let digest = |of: &[u8]| {
        let mut digest = Digest::default();
        digest.update(of);
        hex::encode(digest.current())
    };
    let (kind, signature) = match event {
        Event::Release => (RecordKind::UnmaskRelease, None),
        Event::Withdrawal => (RecordKind::UnmaskWithdrawal, None),
        Event::Outcome => (RecordKind::UnmaskOutcome, is_signed.then(|| digest(SIGNATURE))),
        Event::OutcomeOfOtherSignature => (RecordKind::UnmaskOutcome, Some(digest(b"another"))),
    };
    let kind = if is_find && kind.is_outcome() { RecordKind::FindOutcome } else { kind };
    record(
        seq,
        kind,
        db_user,
        serde_json::json!({ "request": REQUEST, "request_signature": signature }).to_string(),
    )
}

/// All sequences of events of up to four, each with a login.
fn lives() -> Vec<Vec<(Event, &'static str)>> {
    let each: Vec<_> =
        EVENTS.into_iter().flat_map(|event| [(event, "ann"), (event, "bob")]).collect();
    let (mut all, mut longest) = (vec![Vec::new()], vec![Vec::new()]);
    for _ in 0..4 {
        longest = longest
            .iter()
            .flat_map(|life| each.iter().map(|one| [&life[..], &[*one]].concat()))
            .collect();
        all.extend(longest.iter().cloned());
    }
    all
}

/// What is wrong with the event after `before`, all of one request, and whose number the
/// problem has.
fn expected(
    before: &[(Event, &str)],
    event: Event,
    db_user: &str,
    is_signed: bool,
    seq: i64,
) -> Option<(i64, Trouble)> {
    let own = || before.iter().filter(|(_, by)| *by == "ann").map(|(event, _)| *event);
    let (is_closed, is_released) =
        (own().any(|event| event != Event::Release), own().any(|event| event == Event::Release));
    if db_user != "ann" || is_closed {
        return Some((seq, Trouble::NoRequest));
    }
    match event {
        Event::Withdrawal => {
            is_released.then_some((seq, Trouble::WithdrawnAfterRelease { request: REQUEST }))
        }
        // It is told once that a request has no signature and got a key or an outcome all
        // the same.
        _ if !is_signed => (!is_released).then_some((REQUEST, Trouble::NoSignature)),
        Event::OutcomeOfOtherSignature => {
            Some((REQUEST, Trouble::AnotherSignature { outcome: seq }))
        }
        Event::Release | Event::Outcome => None,
    }
}

#[test]
fn every_answer_belongs_to_one_open_request_of_its_login() {
    for (is_signed, is_find) in [(true, false), (false, false), (true, true), (false, true)] {
        for life in lives() {
            let mut requests = Requests::default();
            let kind = if is_find { RecordKind::FindRequest } else { RecordKind::UnmaskRequest };
            assert_eq!(requests.follow(&request(is_signed, kind)), None);
            for (number, (event, db_user)) in life.iter().enumerate() {
                let seq = REQUEST + 1 + number as i64;
                let found = requests.follow(&answer(seq, *event, db_user, is_signed, is_find));
                let found = found.map(|problem| (problem.seq, problem.trouble));
                let expected = expected(&life[..number], *event, db_user, is_signed, seq);
                assert_eq!(found, expected, "signed: {is_signed}, {life:?}, at {number}");
            }
            let own = || life.iter().filter(|(_, by)| *by == "ann").map(|(event, _)| *event);
            let is_open = own().all(|event| event == Event::Release);
            assert_eq!(requests.count_open(), usize::from(is_open), "{life:?}");
            let open = |minutes: i64, millis: i64| {
                let now = AT.parse::<Timestamp>().unwrap();
                let later =
                    SignedDuration::from_mins(minutes) + SignedDuration::from_millis(millis);
                requests.find_overdue(now.checked_add(later).unwrap()).collect::<Vec<_>>()
            };
            assert!(open(5, 0).is_empty(), "a young one is no finding");
            let kind = kind.name().to_owned();
            let trouble = Trouble::Open { is_released: own().next().is_some() };
            let problem = Problem { seq: REQUEST, kind, db_user: "ann".to_owned(), trouble };
            assert_eq!(open(5, 1), if is_open { vec![problem] } else { Vec::new() }, "{life:?}");
        }
    }
}

#[test]
fn an_answer_that_names_no_request_is_told() {
    for details in ["{}", "[]", "", r#"{"request":"7"}"#, r#"{"request":8}"#] {
        let mut requests = Requests::default();
        requests.follow(&request(true, RecordKind::UnmaskRequest));
        for kind in
            RecordKind::ALL.into_iter().filter(|kind| kind.is_of_gate() && !kind.is_request())
        {
            let problem = requests.follow(&record(9, kind, "ann", details.to_owned()));
            let is_answer = kind != RecordKind::UnmaskDenied;
            assert_eq!(
                problem.map(|p| p.trouble),
                is_answer.then_some(Trouble::NoRequest),
                "{} {details}",
                kind.name()
            );
        }
        assert_eq!(requests.count_open(), 1, "it is still open");
    }
}

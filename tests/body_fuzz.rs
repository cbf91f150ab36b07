//! The parser of bodies meets bytes of strangers: it never panics, tells no value, and an
//! envelope changes no answer.
//!
//! Bodies are events, envelopes and other messages, changed at random places.
//! LOGINETL_FUZZ_BODIES says how many are tried; the seed is that of the run's number, so
//! that what fails fails again. `make soak` tries for a minute.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use jiff::civil::{Date, date};

use loginetl::login::{Body, Envelopes, NearNames, Reading, Rejection, parse};

const FEW: u64 = 20_000;
const ROW_DAY: Date = date(2026, 1, 2);
/// Stands in each value of each seed, and nowhere else.
const CANARY: &str = "canary";

const SEEDS: [&str; 10] = [
    concat!(
        r#"{"user_id":"canary","app_version":"2.3.0","device_type":"ios","#,
        r#""ip":"192.0.2.7","locale":"DE","device_id":"canary-1"}"#
    ),
    concat!(
        r#"{"user_id":"canary\u00e9\n","app_version":"2.3","ip":"::1","#,
        r#""device_id":"\"canary\"","timestamp":1700000000.5,"Locale":"canary"}"#
    ),
    concat!(
        r#"{"user_id":"canary","app_version":"canary","ip":"canary","#,
        r#""device_id":"canary","create_date":"canary","IP":"canary"}"#
    ),
    concat!(
        r#"{"Type":"Notification","TopicArn":"canary","#,
        r#""Message":"canary \\ \ud83e\udd80","Timestamp":"2024-02-29T00:00:00.000Z"}"#
    ),
    concat!(
        r#"{"version":"0","detail-type":"canary","source":"aws.s3","#,
        r#""time":"2024-02-29T00:00:00Z","detail":{"ip":"canary"}}"#
    ),
    concat!(
        r#"{"Records":[{"eventSource":"aws:s3","#,
        r#""s3":{"bucket":{"name":"canary"},"object":{"key":"canary"}}}]}"#
    ),
    r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"canary"}"#,
    concat!(
        r#"["software.amazon.payloadoffloading.PayloadS3Pointer","#,
        r#"{"s3BucketName":"canary","s3Key":"canary"}]"#
    ),
    "H4sIAAAAAAAC/6uuBQBDv6ajAgAAAA==",
    "canary, and no JSON",
];
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "\\u",
    "\\ud800",
    "\\\"",
    "null",
    "1e400",
    "-0",
    "\0",
    "\u{fffd}",
    "\"ip\":",
    "\"Type\":",
    "\"Message\":",
    "\"detail\":",
    "\"Notification\"",
    "\"device_ids\":7,",
    "{\"a\":",
    " ",
];

/// xorshift64*: good enough to choose, and the same everywhere.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit.max(1)
    }
}

/// One of the seeds, perhaps in envelopes, changed at up to three places.
fn body(chance: &mut Chance) -> Vec<u8> {
    let mut body = SEEDS[chance.below(SEEDS.len())].to_owned();
    for _ in 0..chance.below(3) {
        body = if chance.below(2) == 0 { sns(&body) } else { eventbridge(&body) };
    }
    let mut body = body.into_bytes();
    for _ in 0..chance.below(4) {
        change(&mut body, chance);
    }
    body
}

fn change(body: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(body.len() + 1);
    let until = (at + chance.below(12)).min(body.len());
    let piece = match chance.below(6) {
        0 => vec![],
        1 => vec![chance.next() as u8],
        2 => body[at..until].repeat(2),
        3 => SEEDS[chance.below(SEEDS.len())].as_bytes().to_vec(),
        4 => return body.truncate(at),
        _ => PIECES[chance.below(PIECES.len())].as_bytes().to_vec(),
    };
    body.splice(at..until, piece);
}

fn sns(message: &str) -> String {
    format!(
        r#"{{"Type":"Notification","Message":{},"Timestamp":"2024-02-29T23:59:59.999Z"}}"#,
        serde_json::Value::from(message)
    )
}

fn eventbridge(detail: &str) -> String {
    format!(
        "{{\"version\":\"0\",\"detail-type\":\"login\",\"source\":\"app\",\
         \"time\":\"2023-11-14T22:13:20Z\",\"detail\":{detail}}}"
    )
}

fn answer(body: &[u8], envelopes: Envelopes) -> Result<(), Rejection> {
    let near = NearNames::default();
    let reading = Reading { envelopes, ..Reading::default() };
    let answer = parse(&Body::new(body.to_vec()), ROW_DAY, reading, &near).map(drop);
    let told = format!("{answer:?} {:?}", near.counts());
    assert!(!told.contains(CANARY) && told.len() < 1_000, "{told}");
    answer
}

/// Tries one body in every way.
pub fn try_one(chance: &mut Chance) {
    let body = body(chance);
    let plain = answer(&body, Envelopes::Auto);
    let _ =
        answer(&body, [Envelopes::None, Envelopes::Sns, Envelopes::EventBridge][chance.below(3)]);
    let Ok(text) = std::str::from_utf8(&body) else { return };
    // One envelope more than are opened would make a difference.
    if text.matches("Message").count() + text.matches("detail").count() < 3 {
        assert_eq!(answer(sns(text).as_bytes(), Envelopes::Auto), plain, "{text:?} in an envelope");
    }
}

#[test]
fn no_body_panics_tells_a_value_or_is_another_in_an_envelope() {
    let count =
        std::env::var("LOGINETL_FUZZ_BODIES").map_or(FEW, |text| text.parse().expect("a number"));
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(count);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            scope.spawn(move || {
                (worker..count).step_by(workers as usize).for_each(|n| try_one(&mut Chance::new(n)))
            });
        }
    });
}

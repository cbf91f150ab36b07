//! What messages say: login events made from a seed, and their JSON as an
//! answer carries it.
//!
//! Invariants: the same seed and number make the same event; the MD5 of a message is
//! computed once, and that of large events continues from one state of their common
//! padding, which all of them share in memory.

use std::fmt::Write as _;
use std::sync::Arc;

use hyper::body::Bytes;
use md5::{Digest as _, Md5};
use serde::Deserialize;
use uuid::Uuid;

use super::faults::Random;
use super::protocol::Answer;

/// Events at least this large share their padding and are put together when
/// they are received.
const LARGE: usize = 4 * 1024;
/// More than an event has without its padding.
const REST: usize = 512;
const PADDING: &str = r#"{"padding": ""#;

/// What to fill a queue with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Messages {
    pub count: u32,
    pub seed: u64,
    /// The length of each body, padded by a member that no loader knows; nothing: as
    /// short as it gets.
    pub bytes: Option<usize>,
    /// How many distinct users, each with a device of its own; nothing: one a message.
    pub users: Option<u32>,
    /// How many distinct addresses; nothing: one a message.
    pub ips: Option<u32>,
    /// Message groups, of FIFO queues.
    pub groups: u32,
    /// The envelope of each event; nothing: none.
    pub envelope: Option<Envelope>,
}

/// What an event is handed on in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Envelope {
    /// A notification of SNS, without raw message delivery.
    Sns,
    /// An event of EventBridge.
    #[value(name = "eventbridge")]
    EventBridge,
}

impl Envelope {
    fn around(self, event: &str, id: Uuid) -> String {
        match self {
            Self::Sns => format!(
                "{{\"Type\": \"Notification\", \"MessageId\": \"{id}\", \
                 \"TopicArn\": \"arn:aws:sns:us-east-1:000000000000:logins\", \
                 \"Message\": {}, \"Timestamp\": \"2026-01-02T03:04:05.678Z\", \
                 \"SignatureVersion\": \"1\", \"Signature\": \"{:A<344}\", \
                 \"SigningCertURL\": \"https://sns.us-east-1.amazonaws.com/\
                 SimpleNotificationService-0.pem\", \
                 \"UnsubscribeURL\": \"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe\
                 &SubscriptionArn=arn:aws:sns:us-east-1:000000000000:logins:{id}\"}}",
                serde_json::Value::from(event),
                ""
            ),
            Self::EventBridge => format!(
                "{{\"version\": \"0\", \"id\": \"{id}\", \"detail-type\": \"login\", \
                 \"source\": \"app\", \"account\": \"000000000000\", \
                 \"time\": \"2026-01-02T03:04:05Z\", \"region\": \"us-east-1\", \
                 \"resources\": [], \"detail\": {event}}}"
            ),
        }
    }
}

impl Default for Messages {
    fn default() -> Self {
        Self { count: 1, seed: 1, bytes: None, users: None, ips: None, groups: 1, envelope: None }
    }
}

impl Messages {
    pub fn new(count: u32) -> Self {
        Self { count, ..Self::default() }
    }

    /// The body of one message.
    pub fn body(&self, index: u32) -> String {
        let event = self.event(index);
        let event = match self.bytes {
            Some(bytes) => {
                format!("{PADDING}{}{}", "x".repeat(padding(bytes, &event)), closing(&event))
            }
            None => event,
        };
        match self.envelope {
            Some(envelope) => envelope.around(&event, message_id(self.seed, index)),
            None => event,
        }
    }

    /// A login, without padding.
    fn event(&self, index: u32) -> String {
        const LOCALES: [&str; 10] = ["US", "DE", "FR", "BR", "ID", "CN", "PT", "PH", "KE", "JP"];
        let mut random = Random::of(self.seed, index.into());
        let mut one_of = |limit: Option<u32>| {
            limit.map_or(index, |limit| random.below(limit.max(1).into()) as u32)
        };
        let (user, address) = (one_of(self.users), one_of(self.ips));
        // Multiplied by an odd number, and by one prime to 10: different users and
        // addresses stay different.
        let offset = Random::new(self.seed).next() as u32;
        let [a, b, c, d] = address.wrapping_mul(0x9E37_79B1).wrapping_add(offset).to_be_bytes();
        let device = (u64::from(user) * 387_420_489 + u64::from(offset)) % 1_000_000_000;
        let kind = if random.chance(0.5) { "ios" } else { "android" };
        let locale = LOCALES.get(random.below(14) as usize);
        let (major, minor, patch) = (random.below(6), random.below(10), random.below(10));
        let mut event = String::with_capacity(192);
        let _ = write!(
            event,
            "{{\"user_id\": \"{}\", \"app_version\": \"{major}.{minor}.{patch}\", \
             \"device_type\": \"{kind}\", \"ip\": \"{a}.{b}.{c}.{d}\", \"locale\": ",
            message_id(!self.seed, user)
        );
        let _ = match locale {
            Some(locale) => write!(event, "\"{locale}\""),
            None => write!(event, "null"),
        };
        let (first, second, third) = (device / 1_000_000, device / 10_000 % 100, device % 10_000);
        let _ = write!(event, r#", "device_id": "{first:03}-{second:02}-{third:04}"}}"#);
        event
    }
}

/// As many characters as an event lacks.
fn padding(bytes: usize, event: &str) -> usize {
    bytes.saturating_sub(PADDING.len() + closing(event).len())
}

/// What follows the padding: the end of its member, and the event's own.
fn closing(event: &str) -> String {
    format!(r#"", {}"#, &event[1..])
}

/// The id of a message, or of anything else with a number: a UUIDv4.
pub fn message_id(seed: u64, index: u32) -> Uuid {
    let mut random = Random::of(seed, index.into());
    let bytes = (u128::from(random.next()) << 64) | u128::from(random.next());
    uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid()
}

/// Makes the contents of a plan's messages.
#[derive(Clone)]
pub struct Maker(Arc<Plan>);

struct Plan {
    messages: Messages,
    /// The start of each body, when it is large.
    start: Bytes,
    md5: Md5,
}

impl Maker {
    pub fn new(messages: Messages) -> Self {
        let bytes = messages.bytes.unwrap_or(0);
        let is_shared = bytes >= LARGE && messages.envelope.is_none();
        let start = if !is_shared { String::new() } else { "x".repeat(bytes - REST) };
        let md5 = Md5::new().chain_update(PADDING).chain_update(&start);
        Self(Arc::new(Plan { messages, start: start.into(), md5 }))
    }

    pub fn make(&self, index: u32, id: Uuid) -> Content {
        if self.0.start.is_empty() {
            Content::ready(id, &self.0.messages.body(index))
        } else {
            Content::Large(self.clone(), index)
        }
    }

    /// Writes the members of a large message.
    fn write(&self, index: u32, id: Uuid, answer: &mut Answer) {
        let Plan { messages, start, md5 } = &*self.0;
        let event = messages.event(index);
        let more = padding(messages.bytes.unwrap_or(0), &event) - start.len();
        let end = format!("{:x<more$}{}", "", closing(&event));
        let md5 = md5.clone().chain_update(&end).finalize();
        members(id, &md5.into(), answer);
        // The body is a string in JSON: quotes are escaped, and there is
        // nothing else to escape.
        answer.text(r#""{\"padding\": \""#);
        answer.shared(start);
        answer.text(&end.replace('"', r#"\""#));
        answer.text("\"");
    }
}

/// What a message says.
#[derive(Clone)]
pub enum Content {
    /// Its members as JSON: id, MD5 and body.
    Ready(Bytes),
    /// A large message of a plan, made whenever it is received.
    Large(Maker, u32),
}

impl Content {
    pub fn ready(id: Uuid, body: &str) -> Self {
        let mut answer = Answer::with_capacity(body.len() + 160);
        members(id, &Md5::digest(body).into(), &mut answer);
        answer.json(body);
        Self::Ready(answer.into_bytes())
    }

    pub fn write(&self, id: Uuid, answer: &mut Answer) {
        match self {
            Self::Ready(members) => answer.shared(members),
            Self::Large(maker, index) => maker.write(*index, id, answer),
        }
    }

    pub fn body(&self) -> String {
        match self {
            Self::Ready(members) => {
                let members = [b"{", &members[..], b"}"].concat();
                let mut members: serde_json::Value =
                    serde_json::from_slice(&members).expect("written above");
                let Some(serde_json::Value::String(body)) =
                    members.get_mut("Body").map(serde_json::Value::take)
                else {
                    unreachable!("written above");
                };
                body
            }
            Self::Large(maker, index) => maker.0.messages.body(*index),
        }
    }
}

/// The members before the body's value.
fn members(id: Uuid, md5: &[u8; 16], answer: &mut Answer) {
    let md5 = u128::from_be_bytes(*md5);
    answer.add(format_args!(
        r#""MessageId":"{}","MD5OfBody":"{md5:032x}","Body":"#,
        id.as_hyphenated()
    ));
}

/// The MD5 of a body, as SQS writes it.
pub fn md5_hex(body: &str) -> String {
    format!("{:032x}", u128::from_be_bytes(Md5::digest(body).into()))
}

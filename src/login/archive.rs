//! One line of an archive of queue messages: the message's id, when it was sent, and its
//! body as the queue delivered it.
//!
//! Invariants: what is not such a line is refused by name, and never taken for an event;
//! the body goes from the line straight into [`Body`]; no error of the JSON library
//! leaves this file.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::unescape::unescape;
use super::{Body, SentAt};

const ID: &str = "message_id";
const SENT: &str = "sent_at";
const BODY: &str = "body";

/// A message out of an archive.
pub struct ArchivedMessage {
    /// The queue's MessageId.
    pub message_id: Uuid,
    /// The queue's SentTimestamp.
    pub sent: SentAt,
    /// What is in it.
    pub body: Body,
}

/// Why a line is no message that could be loaded once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// Something else than an object.
    #[error("it is no JSON object")]
    NoObject,
    /// A name is missing, or null.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// A name stands there twice.
    #[error("it has {0} twice")]
    Twice(&'static str),
    /// The id is none of SQS.
    #[error("its message_id is no UUID")]
    Id,
    /// The time cannot be read.
    #[error("its sent_at is neither an epoch in milliseconds nor a time of RFC 3339")]
    Time,
    /// The body is no text.
    #[error("its body is no text")]
    NoText,
    /// The ledger may have forgotten it.
    #[error("it was sent on {day}, and the oldest day that the ledger keeps is {oldest}")]
    TooOld {
        /// When it was sent.
        day: Date,
        /// Whose ids are still known.
        oldest: Date,
    },
    /// Nothing was sent later than now.
    #[error("its sent_at lies in the future")]
    Future,
}

/// Reads a line.
///
/// # Errors
/// What is wrong with it.
pub fn read_archived(line: &Body) -> Result<ArchivedMessage, LineProblem> {
    let text = std::str::from_utf8(line.expose()).map_err(|_| LineProblem::NoObject)?;
    let members: ArchivedMembers<'_> =
        serde_json::from_str(text).map_err(|_| LineProblem::NoObject)?;
    if let Some(name) = members.twice {
        return Err(LineProblem::Twice(name));
    }
    let id = members.message_id.ok_or(LineProblem::Missing(ID))?;
    let sent = members.sent_at.ok_or(LineProblem::Missing(SENT))?;
    let body = members.body.ok_or(LineProblem::Missing(BODY))?;
    let id = plain_text(id).and_then(|text| Uuid::try_parse(text).ok()).ok_or(LineProblem::Id)?;
    // A number stands there without quotes.
    let sent = plain_text(sent).unwrap_or(sent.get());
    let sent = SentAt::from_archive(sent).ok_or(LineProblem::Time)?;
    let body = unescape(body.get()).ok_or(LineProblem::NoText)?;
    Ok(ArchivedMessage { message_id: id, sent, body: Body::new(body.expose().to_vec()) })
}

impl ArchivedMessage {
    /// Whether the ledger would recognise it, as of `now`.
    ///
    /// # Errors
    /// When it was sent before the oldest day that is kept, or after now.
    pub fn check_age(&self, oldest: Date, now: Timestamp) -> Result<(), LineProblem> {
        let day = self.sent.ledger_day();
        if day < oldest {
            return Err(LineProblem::TooOld { day, oldest });
        }
        if self.sent.timestamp().is_none_or(|sent| sent > now) {
            return Err(LineProblem::Future);
        }
        Ok(())
    }
}

/// The members of a line, as they stand there. Others are ignored.
#[derive(Default)]
struct ArchivedMembers<'a> {
    message_id: Option<&'a RawValue>,
    sent_at: Option<&'a RawValue>,
    body: Option<&'a RawValue>,
    twice: Option<&'static str>,
}

impl<'a> ArchivedMembers<'a> {
    fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Option<&'a RawValue>)> {
        Some(match name {
            ID => (ID, &mut self.message_id),
            SENT => (SENT, &mut self.sent_at),
            BODY => (BODY, &mut self.body),
            _ => return None,
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ArchivedMembers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = ArchivedMembers<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = ArchivedMembers::default();
        let mut seen = [false; 3];
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            let Some((known, slot)) = members.slot(&name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value::<&'de RawValue>()?;
            *slot = Some(value).filter(|value| value.get() != "null");
            let place = [ID, SENT, BODY].iter().position(|name| *name == known);
            if let Some(seen) = place.map(|place| &mut seen[place])
                && std::mem::replace(seen, true)
            {
                members.twice = members.twice.or(Some(known));
            }
        }
        Ok(members)
    }
}

/// A text without escapes; no id and no time needs one.
fn plain_text(raw: &RawValue) -> Option<&str> {
    raw.get().strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    const UUID: &str = "0193b1c2-0000-4000-8000-00000000002a";

    fn read(line: &str) -> Result<(String, String, Vec<u8>), LineProblem> {
        let message = read_archived(&Body::new(line.as_bytes().to_vec()))?;
        let sent = message.sent.timestamp().unwrap().to_string();
        Ok((message.message_id.to_string(), sent, message.body.expose().to_vec()))
    }

    fn line(sent: &str) -> String {
        format!(r#"{{"message_id": "{UUID}", "sent_at": {sent}, "body": "{{\"a\": \"\u00e9\"}}"}}"#)
    }

    #[test]
    fn a_line_gives_the_body_as_the_queue_delivered_it() {
        let wanted = (UUID.to_owned(), "2025-10-09T08:53:20Z".to_owned());
        for sent in [
            "1760000000000",
            "\"1760000000000\"",
            "\"2025-10-09T08:53:20Z\"",
            "\"2025-10-09T10:53:20+02:00\"",
        ] {
            let (id, time, body) = read(&line(sent)).unwrap();
            assert_eq!((id, time), wanted, "{sent}");
            assert_eq!(body, "{\"a\": \"é\"}".as_bytes());
        }
        // Names may be escaped, and others stand beside them.
        let odd = line("1760000000000").replace("\"body\"", "\"b\\u006fdy\"");
        assert!(read(&odd.replacen('{', "{\"receive_count\": 1, \"body2\": [], ", 1)).is_ok());
        assert!(read(&line("1760000000000").replace("{\\\"a\\\": \\\"\\u00e9\\\"}", "")).is_ok());
    }

    #[test]
    fn what_is_no_such_line_is_named() {
        use LineProblem::*;
        let good = line("1760000000000");
        let twice = |name: &str| good.replacen('{', &format!("{{\"{name}\": null, "), 1);
        for (line, problem) in [
            ("", NoObject),
            ("[]", NoObject),
            ("\"x\"", NoObject),
            ("null", NoObject),
            ("{", NoObject),
            (&format!("{good} {good}"), NoObject),
            ("{}", Missing(ID)),
            (&good.replace("message_id", "id"), Missing(ID)),
            (&good.replace("sent_at", "sent"), Missing(SENT)),
            (&good.replace("\"body\"", "\"Body\""), Missing(BODY)),
            (&line("null"), Missing(SENT)),
            (&twice(ID), Twice(ID)),
            (&twice(BODY), Twice(BODY)),
            (&good.replace(UUID, "msg-1"), Id),
            (&good.replace(&format!("\"{UUID}\""), "17"), Id),
            (&line("\"yesterday\""), Time),
            (&line("\"2025-10-09\""), Time),
            (&line("1760000000000.5"), Time),
            (&line("-1760000000000"), Time),
            (&line("true"), Time),
            (&line("0"), Time),
            (&line("\"0001-01-01T00:00:00Z\""), Time),
            (&line("1").replace("\"sent_at\": 1", "\"sent_at\": {}"), Time),
            (&good.replace("\"{\\\"a", "{\"a").replace("\\\"}\"", "\"}"), NoObject),
            (&good.replace(r#""{\"a\": \"\u00e9\"}""#, "{}"), NoText),
            (&good.replace("\\u00e9", "\\ud800"), NoText),
        ] {
            assert_eq!(read(line).unwrap_err(), problem, "{line}");
        }
        assert_eq!(read_archived(&Body::new(vec![0xff])).err(), Some(NoObject), "not UTF-8");
    }

    #[test]
    fn only_what_the_ledger_keeps_may_be_replayed() {
        let message = read_archived(&Body::new(line("1760000000000").into_bytes())).unwrap();
        let day = |text: &str| text.parse::<Date>().unwrap();
        let now = |text: &str| text.parse::<Timestamp>().unwrap();
        let noon = now("2025-10-25T12:00:00Z");
        assert_eq!(message.check_age(day("2025-10-09"), noon), Ok(()));
        let (day, oldest) = (day("2025-10-09"), day("2025-10-10"));
        assert_eq!(message.check_age(oldest, noon), Err(LineProblem::TooOld { day, oldest }));
        let early = now("2025-10-09T08:53:19Z");
        assert_eq!(message.check_age(day, early), Err(LineProblem::Future));
    }
}

//! Events in the envelope of a service that handed them on: SNS notifications and
//! EventBridge events.
//!
//! Only bodies without any required field of an event are opened, and only those or what
//! begins as an envelope does are looked at, so that plain events pay nothing.
//!
//! Invariant: what is taken out of an envelope borrows from the body, or lies in memory
//! that is zeroed. The JSON library never unescapes it, for its buffers are not.

use std::borrow::Cow;

use jiff::civil::Date;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::value::RawValue;

use super::unescape::{Content, unescape};
use super::{RejectReason, Rejection, dates};

/// Envelopes within envelopes that are opened: an event bus may send to a topic.
pub(super) const MOST_LAYERS: usize = 3;

/// Which envelopes are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelopes {
    /// Those of SNS and of EventBridge.
    #[default]
    Auto,
    /// None: an event in one is rejected.
    None,
    /// Those of SNS alone.
    Sns,
    /// Those of EventBridge alone.
    EventBridge,
}

impl Envelopes {
    /// All choices.
    const ALL: [Self; 4] = [Self::Auto, Self::None, Self::Sns, Self::EventBridge];

    /// Its word, in flags and plans.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Sns => "sns",
            Self::EventBridge => "eventbridge",
        }
    }

    /// The choice of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.name() == name)
    }

    fn opens(self, reason: RejectReason) -> bool {
        match reason {
            RejectReason::SnsNotification => matches!(self, Self::Auto | Self::Sns),
            RejectReason::EventBridgeEvent => matches!(self, Self::Auto | Self::EventBridge),
            _ => false,
        }
    }
}

/// What an envelope held.
pub(super) struct OpenedEnvelope<'a> {
    pub content: Content<'a>,
    /// The day that the service says the event was published: the same in every delivery.
    pub day: Option<Date>,
}

/// Whether a body begins as SNS and EventBridge write theirs.
pub(super) fn is_likely(body: &str) -> bool {
    let first = body.trim_start().strip_prefix('{').map(str::trim_start);
    first.is_some_and(|name| name.starts_with("\"Type\"") || name.starts_with("\"version\""))
}

/// Opens the envelope that a body is, or says that it is none.
///
/// # Errors
/// When it is one that is not to be opened, or a message that never holds an event.
pub(super) fn open(
    body: &str,
    envelopes: Envelopes,
) -> Result<Option<OpenedEnvelope<'_>>, Rejection> {
    let Ok(members) = serde_json::from_str::<Members<'_>>(body) else { return Ok(None) };
    if members.is_event() {
        return Ok(None);
    }
    let refused = |reason| Err(Rejection::body(reason, body.len()));
    match members.kind() {
        Some(reason) if envelopes.opens(reason) => {}
        Some(reason) => return refused(reason),
        None => return Ok(None),
    }
    // EventBridge first: the names in `detail` are the producer's, those
    // beside it are not.
    let (content, time) = match members.detail.filter(|detail| is_object(detail)) {
        Some(detail) => (Content::Borrowed(detail.get()), members.time),
        None => match members.message.map(RawValue::get).map(unescape) {
            Some(Some(content)) => (content, members.timestamp),
            _ => return refused(RejectReason::NotJson),
        },
    };
    let day = time.and_then(plain_text).and_then(|time| dates::published_day(&time));
    Ok(Some(OpenedEnvelope { content, day }))
}

/// The members by which envelopes and other messages of AWS are known.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, rename = "Type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, rename = "Message")]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "Timestamp")]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow, rename = "Records")]
    records: Option<&'a RawValue>,
    #[serde(borrow, rename = "Service")]
    service: Option<&'a RawValue>,
    #[serde(borrow, rename = "Event")]
    event: Option<&'a RawValue>,
    #[serde(default)]
    user_id: Present,
    #[serde(default)]
    app_version: Present,
    #[serde(default)]
    ip: Present,
    #[serde(default)]
    device_id: Present,
}

/// Whether a member is there, null or not.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

#[derive(Deserialize)]
struct S3Record<'a> {
    #[serde(borrow, rename = "eventSource")]
    source: Option<&'a RawValue>,
}

impl Members<'_> {
    /// Whether it has a field that an event must have, and so is meant as one itself.
    fn is_event(&self) -> bool {
        [&self.user_id, &self.app_version, &self.ip, &self.device_id].iter().any(|field| field.0)
    }

    fn kind(&self) -> Option<RejectReason> {
        if self.detail.is_some_and(is_object) {
            let is_from_s3 = is(self.source, "aws.s3");
            return Some(if is_from_s3 {
                RejectReason::S3Notification
            } else {
                RejectReason::EventBridgeEvent
            });
        }
        if is(self.kind, "Notification") && self.message.is_some_and(is_text) {
            return Some(RejectReason::SnsNotification);
        }
        if is(self.kind, "SubscriptionConfirmation") || is(self.kind, "UnsubscribeConfirmation") {
            return Some(RejectReason::SnsConfirmation);
        }
        if is(self.event, "s3:TestEvent") && self.service.is_some_and(is_text) {
            return Some(RejectReason::S3TestEvent);
        }
        self.is_of_s3().then_some(RejectReason::S3Notification)
    }

    fn is_of_s3(&self) -> bool {
        let records =
            self.records.and_then(|raw| serde_json::from_str::<Vec<S3Record<'_>>>(raw.get()).ok());
        records
            .is_some_and(|records| records.first().is_some_and(|first| is(first.source, "aws:s3")))
    }
}

fn is(raw: Option<&RawValue>, text: &str) -> bool {
    raw.and_then(plain_text).is_some_and(|found| found == text)
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

fn is_text(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}

/// A text of the service's own, which is no secret.
fn plain_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains('\\')).then_some(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests;

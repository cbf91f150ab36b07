//! The body as JSON: which of our fields stand in it, once each, and of which type.
//! Values borrow from the body.
//!
//! Invariant: no error of the JSON library leaves this file, for its texts quote values.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::near::{NearName, near_name};
use super::{RejectReason, Rejection, shape};
use crate::token::Field;

/// In one event; a body of nothing but names is no reason to keep them all.
const MOST_NEAR_NAMES: usize = 8;

/// The JSON value of a field, as far as we care.
#[derive(Default)]
pub(super) enum Scalar<'a> {
    #[default]
    Absent,
    Null,
    Text(Cow<'a, str>),
    Integer(i64),
    Other,
}

/// The fields of an event by their JSON names.
#[derive(Default)]
pub(super) struct RawEvent<'a> {
    pub user_id: Scalar<'a>,
    pub app_version: Scalar<'a>,
    pub device_type: Scalar<'a>,
    pub ip: Scalar<'a>,
    pub locale: Scalar<'a>,
    pub device_id: Scalar<'a>,
    pub timestamp: Scalar<'a>,
    pub create_date: Scalar<'a>,
    duplicate: Option<&'static str>,
    near: Vec<NearName>,
}

/// A body as text.
///
/// # Errors
/// When it is not UTF-8.
pub(super) fn text(body: &[u8]) -> Result<&str, Rejection> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Rejection::body(shape::of_bytes(body), body.len()))?;
    // RFC 8259 lets a parser pass over it.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Reads an event.
///
/// # Errors
/// When it is not JSON, no object, or names one of our fields twice.
pub(super) fn read(text: &str) -> Result<RawEvent<'_>, Rejection> {
    let raw: RawEvent<'_> = serde_json::from_str(text).map_err(|error| {
        let reason = if error.is_data() { shape::of_value(text) } else { shape::of_text(text) };
        Rejection::body(reason, text.len())
    })?;
    match raw.duplicate {
        Some(field) => Err(Rejection::field(RejectReason::DuplicateField, field)),
        None => Ok(raw),
    }
}

impl<'a> RawEvent<'a> {
    /// The value of a field that can be masked.
    pub(super) fn take(&mut self, field: Field) -> Scalar<'a> {
        std::mem::take(match field {
            Field::Ip => &mut self.ip,
            Field::DeviceId => &mut self.device_id,
            Field::UserId => &mut self.user_id,
        })
    }

    /// Whether it has none of the fields that an event must have.
    pub(super) fn is_foreign(&self) -> bool {
        [&self.user_id, &self.app_version, &self.ip, &self.device_id]
            .iter()
            .all(|field| matches!(field, Scalar::Absent))
    }

    /// The names in it that are almost those of fields which it lacks.
    pub(super) fn take_near_names(&mut self) -> Vec<NearName> {
        let mut near = std::mem::take(&mut self.near);
        near.sort_unstable();
        near.dedup();
        near.retain(|(known, _)| {
            self.slot(known).is_some_and(|(_, slot)| matches!(slot, Scalar::Absent))
        });
        near
    }

    fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Scalar<'a>)> {
        Some(match name {
            "user_id" => ("user_id", &mut self.user_id),
            "app_version" => ("app_version", &mut self.app_version),
            "device_type" => ("device_type", &mut self.device_type),
            "ip" => ("ip", &mut self.ip),
            "locale" => ("locale", &mut self.locale),
            "device_id" => ("device_id", &mut self.device_id),
            "timestamp" => ("timestamp", &mut self.timestamp),
            "create_date" => ("create_date", &mut self.create_date),
            _ => return None,
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawEvent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = RawEvent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut raw = RawEvent::default();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let Some((name, slot)) = raw.slot(&key.0) else {
                if raw.near.len() < MOST_NEAR_NAMES
                    && let Some(known) = near_name(&key.0)
                {
                    raw.near.push((known, key.0.as_ref().into()));
                }
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value()?;
            if matches!(slot, Scalar::Absent) {
                *slot = value;
            } else {
                raw.duplicate = raw.duplicate.or(Some(name));
            }
        }
        Ok(raw)
    }
}

/// An object's key, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => Ok(Self(text)),
            _ => Ok(Self(Cow::Borrowed(""))),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        // Fractions of a second are dropped; whatever no day can be made of is
        // no integer either.
        let representable = (0.0..9.0e15).contains(&number);
        Ok(if representable { Scalar::Integer(number as i64) } else { Scalar::Other })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

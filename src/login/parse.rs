//! `Body ─parse→ LoginEvent`: the rules about the fields of an event. What a masked field
//! may hold stands in `token/field.rs` and `token/plaintext.rs`, what a day in
//! `dates.rs`, versions in `app_version.rs`, which names are read and none twice in
//! `json.rs`.
//!
//! Invariant: an event that leaves this file fits its table; whatever does not is a
//! [`Rejection`] without a value.

use std::borrow::Cow;

use jiff::civil::Date;
use zeroize::Zeroize as _;

use super::envelope::{self, MOST_LAYERS, OpenedEnvelope};
use super::json::{self, RawEvent, Scalar};
use super::{
    AppVersionEncoding, Body, Envelopes, LoginEvent, NearNames, Reading, RejectReason, Rejection,
    dates,
};
use crate::token::{Field, Plaintext, PlaintextError};

const USER_ID_WIDTH: usize = 128;
const DEVICE_TYPE_WIDTH: usize = 32;
const LOCALE_WIDTH: usize = 32;

/// Parses and validates one body. `row_day` is the day of the row when neither the event
/// nor its envelope has one. Names that are almost those of fields are counted in `near`.
///
/// # Errors
/// What is wrong, in which field; never the value.
pub fn parse(
    body: &Body,
    row_day: Date,
    reading: Reading,
    near: &NearNames,
) -> Result<LoginEvent, Rejection> {
    parse_layer(body.expose(), row_day, reading, near, MOST_LAYERS)
}

/// Parses an event, or what is in its envelope.
fn parse_layer(
    body: &[u8],
    row_day: Date,
    reading: Reading,
    near: &NearNames,
    layers: usize,
) -> Result<LoginEvent, Rejection> {
    let text = json::text(body)?;
    let envelopes = if layers > 0 { reading.envelopes } else { Envelopes::None };
    let within = |opened: OpenedEnvelope<'_>| {
        let day = opened.day.unwrap_or(row_day);
        parse_layer(opened.content.expose(), day, reading, near, layers - 1)
    };
    // What begins as an envelope does is not read as an event first: that would be a scan
    // of all of it.
    if envelope::is_likely(text)
        && let Some(opened) = envelope::open(text, envelopes)?
    {
        return within(opened);
    }
    let mut raw = json::read(text)?;
    if raw.is_foreign()
        && let Some(opened) = envelope::open(text, envelopes)?
    {
        return within(opened);
    }
    near.count(raw.take_near_names());
    event(raw, row_day, reading)
}

fn event(mut raw: RawEvent<'_>, row_day: Date, reading: Reading) -> Result<LoginEvent, Rejection> {
    let create_date = day(&raw);
    let user_id = match reading.masked.contains(Field::UserId) {
        true => None,
        false => {
            Some(storable("user_id", required("user_id", raw.take(Field::UserId))?, USER_ID_WIDTH)?)
        }
    };
    Ok(LoginEvent {
        user_id,
        app_version: version(
            required("app_version", std::mem::take(&mut raw.app_version))?,
            reading.app_version,
        )?,
        values: reading
            .masked
            .try_map(|field, ()| value(field, required(field.name(), raw.take(field))?))?,
        device_type: optional("device_type", raw.device_type, DEVICE_TYPE_WIDTH)?,
        locale: optional("locale", raw.locale, LOCALE_WIDTH)?,
        create_date: create_date?.unwrap_or(row_day),
    })
}

fn required<'a>(field: &'static str, scalar: Scalar<'a>) -> Result<Cow<'a, str>, Rejection> {
    match scalar {
        Scalar::Text(text) if text.is_empty() => {
            Err(Rejection::text(RejectReason::Empty, field, ""))
        }
        Scalar::Text(text) => Ok(text),
        Scalar::Absent => Err(Rejection::field(RejectReason::MissingField, field)),
        Scalar::Null => Err(Rejection::field(RejectReason::NullField, field)),
        Scalar::Integer(_) | Scalar::Other => Err(Rejection::field(RejectReason::WrongType, field)),
    }
}

fn optional(
    field: &'static str,
    scalar: Scalar<'_>,
    width: usize,
) -> Result<Option<String>, Rejection> {
    match scalar {
        Scalar::Absent | Scalar::Null => Ok(None),
        Scalar::Text(text) => storable(field, text, width).map(Some),
        Scalar::Integer(_) | Scalar::Other => Err(Rejection::field(RejectReason::WrongType, field)),
    }
}

fn version(text: Cow<'_, str>, encoding: AppVersionEncoding) -> Result<i32, Rejection> {
    encoding.encode(&text).map_err(|reason| Rejection::text(reason, "app_version", &text))
}

/// Postgres counts characters and cannot store U+0000.
fn storable(field: &'static str, text: Cow<'_, str>, width: usize) -> Result<String, Rejection> {
    if text.len() > width && text.chars().count() > width {
        return Err(Rejection::text(RejectReason::TooLong, field, &text));
    }
    if text.contains('\0') {
        return Err(Rejection::text(RejectReason::NulCharacter, field, &text));
    }
    Ok(text.into_owned())
}

fn value(field: Field, text: Cow<'_, str>) -> Result<Plaintext, Rejection> {
    if text.contains('\0') {
        return Err(Rejection::text(RejectReason::NulCharacter, field.name(), &text));
    }
    let plaintext = Plaintext::of(field, &text).map_err(|error| {
        let reason = match error {
            PlaintextError::Empty => RejectReason::Empty,
            PlaintextError::TooLong(_) => RejectReason::TooLong,
            PlaintextError::NotAnAddress | PlaintextError::NotCanonical => RejectReason::InvalidIp,
        };
        Rejection::text(reason, field.name(), &text)
    });
    if let Cow::Owned(mut unescaped) = text {
        unescaped.zeroize();
    }
    plaintext
}

/// `create_date` before `timestamp`; null counts as absent; present but
/// invalid is a rejection.
fn day(raw: &RawEvent<'_>) -> Result<Option<Date>, Rejection> {
    let invalid = |field| Rejection::field(RejectReason::InvalidDate, field);
    match &raw.create_date {
        Scalar::Absent | Scalar::Null => {}
        Scalar::Text(text) => {
            return dates::calendar_day(text).map(Some).ok_or(invalid("create_date"));
        }
        Scalar::Integer(_) | Scalar::Other => {
            return Err(Rejection::field(RejectReason::WrongType, "create_date"));
        }
    }
    match &raw.timestamp {
        Scalar::Absent | Scalar::Null => Ok(None),
        Scalar::Text(text) => dates::timestamp_day(text).map(Some).ok_or(invalid("timestamp")),
        Scalar::Integer(epoch) => dates::epoch_day(*epoch).map(Some).ok_or(invalid("timestamp")),
        Scalar::Other => Err(Rejection::field(RejectReason::WrongType, "timestamp")),
    }
}

#[cfg(test)]
mod tests;

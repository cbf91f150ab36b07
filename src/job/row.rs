//! Masked lines: the columns of `user_logins` by their names, or what a rejected line was
//! rejected for.
//!
//! Invariant: a row is one line, whatever stands in it; no value of a masked field, and
//! nothing of a rejected line, gets into one.

use std::fmt::Display;
use std::io::Write as _;

use jiff::civil::Date;
use serde::Serialize;
use uuid::Uuid;

use crate::login::{MaskedLogin, Rejection};
use crate::token::{Field, Fields};

/// What of a rejected line is told.
pub(super) const REJECTED: [&str; 3] = ["rejected", "field", "length"];

/// The columns of masked rows: those of the table, then what a rejected line has.
pub(super) fn column_names(fields: Fields) -> Vec<&'static str> {
    let always: Vec<Field> = fields.fields().filter(|field| !field.is_optional()).collect();
    let others: Vec<Field> = fields.fields().filter(|field| field.is_optional()).collect();
    let mut names = vec!["user_id", "device_type"];
    names.extend(always.iter().map(|field| field.token_column()));
    names.extend(["locale", "app_version", "create_date"]);
    names.extend(always.iter().map(|field| field.hash_column()));
    names.extend(others.iter().flat_map(|field| [field.token_column(), field.hash_column()]));
    names.extend(REJECTED);
    names
}

/// A cell of a row.
pub(super) enum Cell<'a> {
    Null,
    Text(&'a str),
    Hash(Uuid),
    Day(Date),
    Number(i32),
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// The cell of each column, in their order.
pub(super) fn each_cell(login: &MaskedLogin, mut put: impl FnMut(&'static str, Cell<'_>)) {
    let (always, others): (Vec<_>, Vec<_>) =
        login.masked.iter().partition(|(field, _)| !field.is_optional());
    put("user_id", login.user_id.as_deref().into());
    put("device_type", login.device_type.as_deref().into());
    for (field, one) in &always {
        put(field.token_column(), Cell::Text(one.token.as_str()));
    }
    put("locale", login.locale.as_deref().into());
    put("app_version", Cell::Number(login.app_version));
    put("create_date", Cell::Day(login.create_date));
    for (field, one) in &always {
        put(field.hash_column(), Cell::Hash(one.hash));
    }
    for (field, one) in &others {
        put(field.token_column(), Cell::Text(one.token.as_str()));
        put(field.hash_column(), Cell::Hash(one.hash));
    }
}

/// A masked event as a JSON object.
pub(super) fn append_json(login: &MaskedLogin, line: &mut Vec<u8>) {
    let mut before = b'{';
    each_cell(login, |name, cell| {
        line.push(before);
        before = b',';
        line.push(b'"');
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":");
        match cell {
            Cell::Null => line.extend_from_slice(b"null"),
            Cell::Text(text) => append_json_value(text, line),
            Cell::Number(number) => append(number, line),
            // Digits, hyphens, letters.
            Cell::Hash(hash) => append(format_args!("\"{hash}\""), line),
            Cell::Day(day) => append(format_args!("\"{day}\""), line),
        }
    });
    line.extend_from_slice(b"}\n");
}

/// What a rejected line was rejected for, as a JSON object.
pub(super) fn append_rejection_json(rejection: &Rejection, line: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct RejectionLine {
        rejected: &'static str,
        field: Option<&'static str>,
        length: Option<usize>,
    }
    let Rejection { reason, field, length } = *rejection;
    append_json_value(&RejectionLine { rejected: reason.code(), field, length }, line);
    line.push(b'\n');
}

/// A masked event as cells.
pub(super) fn append_tsv(login: &MaskedLogin, line: &mut Vec<u8>) {
    each_cell(login, |_, cell| {
        match cell {
            Cell::Null => line.extend_from_slice(b"\\N"),
            Cell::Number(number) => append(number, line),
            Cell::Hash(hash) => append(hash, line),
            Cell::Day(day) => append(day, line),
            Cell::Text(text) => append_escaped(text, line),
        }
        line.push(b'\t');
    });
    line.extend_from_slice(b"\\N\t\\N\t\\N\n");
}

/// What a rejected line was rejected for, behind the columns that it does not have.
pub(super) fn append_rejection_tsv(rejection: &Rejection, fields: Fields, line: &mut Vec<u8>) {
    for _ in REJECTED.len()..column_names(fields).len() {
        line.extend_from_slice(b"\\N\t");
    }
    let field = rejection.field.unwrap_or("\\N");
    let length = rejection.length.map_or_else(|| "\\N".to_owned(), |length| length.to_string());
    for (cell, end) in [(rejection.reason.code(), b'\t'), (field, b'\t'), (&length, b'\n')] {
        line.extend_from_slice(cell.as_bytes());
        line.push(end);
    }
}

/// As COPY of Postgres does, and Hive where ESCAPED BY is '\\'.
fn append_escaped(text: &str, line: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\t' => line.extend_from_slice(b"\\t"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\\' => line.extend_from_slice(b"\\\\"),
            byte => line.push(byte),
        }
    }
}

fn append_json_value(value: &(impl Serialize + ?Sized), line: &mut Vec<u8>) {
    #[expect(clippy::expect_used, reason = "texts and numbers, into memory")]
    serde_json::to_writer(line, value).expect("texts and numbers are JSON");
}

fn append(shown: impl Display, line: &mut Vec<u8>) {
    #[expect(clippy::expect_used, reason = "memory takes what is written")]
    write!(line, "{shown}").expect("memory takes what is written");
}

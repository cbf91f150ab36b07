//! Masked lines: the columns of `user_logins` by their names, or what a rejected line was
//! rejected for.
//!
//! Invariant: a row is one line, whatever stands in it; no value of a masked field, and
//! nothing of a rejected line, gets into one.

use jiff::civil::Date;
use jiff::fmt::temporal::DateTimePrinter;
use serde::Serialize;
use uuid::Uuid;

use crate::login::{MaskedLogin, Rejection};
use crate::token::{Field, Fields, Token};

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
    Number(i32),
    Plain(Plain<'a>),
}

/// Letters, digits, `-`, `_` and dots alone: no form escapes any of them.
pub(super) enum Plain<'a> {
    Token(&'a str),
    Hash(Uuid),
    Day(Date),
}

impl<'a> Cell<'a> {
    fn token(token: &'a Token) -> Self {
        Self::Plain(Plain::Token(token.as_str()))
    }

    fn hash(hash: Uuid) -> Self {
        Self::Plain(Plain::Hash(hash))
    }
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// The cell of each column, in their order.
pub(super) fn each_cell(login: &MaskedLogin, mut put: impl FnMut(&'static str, Cell<'_>)) {
    let those = |is_optional: bool| {
        login.masked.iter().filter(move |(field, _)| field.is_optional() == is_optional)
    };
    put("user_id", login.user_id.as_deref().into());
    put("device_type", login.device_type.as_deref().into());
    for (field, one) in those(false) {
        put(field.token_column(), Cell::token(&one.token));
    }
    put("locale", login.locale.as_deref().into());
    put("app_version", Cell::Number(login.app_version));
    put("create_date", Cell::Plain(Plain::Day(login.create_date)));
    for (field, one) in those(false) {
        put(field.hash_column(), Cell::hash(one.hash));
    }
    for (field, one) in those(true) {
        put(field.token_column(), Cell::token(&one.token));
        put(field.hash_column(), Cell::hash(one.hash));
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
            Cell::Number(number) => append_json_value(&number, line),
            Cell::Text(text) => append_json_value(text, line),
            Cell::Plain(plain) => {
                line.push(b'"');
                append_plain(plain, line);
                line.push(b'"');
            }
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
            Cell::Number(number) => append_json_value(&number, line),
            Cell::Text(text) => append_escaped(text, line),
            Cell::Plain(plain) => append_plain(plain, line),
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
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b'\\'))
    {
        line.extend_from_slice(&rest[..at]);
        line.extend_from_slice(match rest[at] {
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            _ => b"\\\\",
        });
        rest = &rest[at + 1..];
    }
    line.extend_from_slice(rest);
}

fn append_json_value(value: &(impl Serialize + ?Sized), line: &mut Vec<u8>) {
    #[expect(clippy::expect_used, reason = "texts and numbers, into memory")]
    serde_json::to_writer(line, value).expect("texts and numbers are JSON");
}

/// Past `Display`, which costs as much as the cell.
fn append_plain(plain: Plain<'_>, line: &mut Vec<u8>) {
    match plain {
        Plain::Token(token) => line.extend_from_slice(token.as_bytes()),
        Plain::Hash(hash) => {
            let mut room = Uuid::encode_buffer();
            line.extend_from_slice(hash.hyphenated().encode_lower(&mut room).as_bytes());
        }
        Plain::Day(day) => {
            #[expect(clippy::expect_used, reason = "memory takes what is written")]
            DateTimePrinter::new().print_date(&day, line).expect("memory takes what is written");
        }
    }
}

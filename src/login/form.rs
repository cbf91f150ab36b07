//! The form of a file, by its first bytes: how it is packed, and whether it has one event
//! a line.
//!
//! Invariants: what is refused is refused by the name of its form and with a command
//! that converts it; neither holds a byte of the file. Whatever the bytes are,
//! nothing here panics.

mod examine;

use std::fmt;

pub use examine::{HEAD_LINES, examine, foreign_bytes};

use super::RejectReason;

/// The byte order mark of UTF-8. It is no part of the content: two files that differ in
/// it alone are the same file.
pub const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// CSV as JSON Lines, by the standard library of Python.
macro_rules! python_csv {
    ($more:literal) => {
        concat!(
            "python3 -c 'import csv,json,sys;sys.stdout.writelines(json.dumps(r)+\"\\n\" for r in ",
            "csv.DictReader(open(0,encoding=\"utf-8-sig\",newline=\"\")",
            $more,
            "))'"
        )
    };
}
/// How the bytes of a file are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// They are the content.
    Plain,
    /// By gzip, in one member or several.
    Gzip,
    /// By zstd, in one frame or several.
    Zstd,
}

impl Packing {
    /// Enough bytes to tell.
    pub const HEAD: usize = 4;

    /// What the first bytes of a file say.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1F, 0x8B, ..] => Self::Gzip,
            // A frame, or one that is to be skipped: pzstd begins with such.
            [0x28, 0xB5, 0x2F, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// The name of the format and of its program; none where nothing is packed.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// A form in which no events are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Characters of two or four bytes.
    WideText(Encoding),
    /// Packed by another program, or packed twice.
    Packed {
        /// What it is.
        what: &'static str,
        /// The command that unpacks it from its standard input, where there is one.
        filter: Option<&'static str>,
    },
    /// All events in one JSON array.
    Array,
    /// JSON over several lines.
    PrettyPrinted,
    /// Several JSON values on one line.
    Joined,
    /// JSON text sequences (RFC 7464): each record behind U+001E.
    JsonSequence,
    /// Lines that end in CR alone.
    CarriageReturns,
    /// A table of values.
    Separated(Separator),
    /// Lines, but none of the first is an event.
    NoEvent {
        /// How many lines were looked at.
        lines: usize,
        /// What is wrong with most of them.
        usual: Complaint,
    },
}

/// Why a line is no event: the reason code, and the field where one is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The reason.
    pub reason: RejectReason,
    /// The field's JSON name.
    pub field: Option<&'static str>,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.code())?;
        self.field.map_or(Ok(()), |field| write!(f, " {field}"))
    }
}

/// How characters of more than one byte are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-16; a byte order mark tells which.
    Utf16,
    /// UTF-16, the low byte first, without a mark.
    Utf16Le,
    /// UTF-16, the high byte first, without a mark.
    Utf16Be,
    /// UTF-32 with a mark.
    Utf32,
}

/// What stands between the values of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// `,`
    Comma,
    /// A tab.
    Tab,
    /// `;`
    Semicolon,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WideText(Encoding::Utf32) => f.write_str("this is UTF-32 text, not UTF-8"),
            Self::WideText(_) => f.write_str("this is UTF-16 text, not UTF-8"),
            Self::Packed { what, .. } => write!(f, "this is {what}, not JSON Lines"),
            Self::Array => f.write_str("this is a JSON array, not one event a line"),
            Self::PrettyPrinted => f.write_str(
                "this is JSON over several lines (pretty-printed), not one event a line",
            ),
            Self::Joined => {
                f.write_str("several JSON values stand on one line, not one event a line")
            }
            Self::JsonSequence => f.write_str(
                "these are JSON text sequences (RFC 7464, a record behind each 0x1E), not \
                 JSON Lines",
            ),
            Self::CarriageReturns => {
                f.write_str("its lines end in carriage returns (CR) alone, not in LF or CRLF")
            }
            Self::Separated(Separator::Tab) => {
                f.write_str("this is tab-separated text (TSV), not JSON Lines")
            }
            Self::Separated(_) => f.write_str("this is CSV, not JSON Lines"),
            Self::NoEvent { lines: 1, usual } => {
                write!(f, "its first line is no login event ({usual})")
            }
            Self::NoEvent { lines, usual } => {
                write!(f, "none of its first {lines} lines is a login event (most often: {usual})")
            }
        }
    }
}

impl Form {
    /// The command that turns it, from its standard input, into what can be loaded.
    #[must_use]
    pub const fn filter(&self) -> Option<&'static str> {
        match self {
            Self::WideText(Encoding::Utf16) => Some("iconv -f UTF-16 -t UTF-8"),
            Self::WideText(Encoding::Utf16Le) => Some("iconv -f UTF-16LE -t UTF-8"),
            Self::WideText(Encoding::Utf16Be) => Some("iconv -f UTF-16BE -t UTF-8"),
            Self::WideText(Encoding::Utf32) => Some("iconv -f UTF-32 -t UTF-8"),
            Self::Packed { filter, .. } => *filter,
            Self::Array => Some("jq -c '.[]'"),
            Self::PrettyPrinted | Self::Joined => Some("jq -c ."),
            Self::JsonSequence => Some("tr -d '\\036' | jq -c ."),
            Self::CarriageReturns => Some("tr '\\r' '\\n'"),
            Self::Separated(Separator::Comma) => Some("mlr --icsv --ojsonl -S cat"),
            Self::Separated(Separator::Tab) => Some("mlr --icsv --ifs tab --ojsonl -S cat"),
            Self::Separated(Separator::Semicolon) => Some("mlr --icsv --ifs ';' --ojsonl -S cat"),
            Self::NoEvent { .. } => None,
        }
    }

    /// The same with python3 alone, where `filter` needs a program that
    /// few machines have.
    #[must_use]
    pub const fn python_filter(&self) -> Option<&'static str> {
        match self {
            Self::Separated(Separator::Comma) => Some(python_csv!("")),
            Self::Separated(Separator::Tab) => Some(python_csv!(",delimiter=\"\\t\"")),
            Self::Separated(Separator::Semicolon) => Some(python_csv!(",delimiter=\";\"")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

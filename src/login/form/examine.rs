//! Which form the first bytes of a file have, once it is unpacked and its byte order mark
//! is gone.
//!
//! Invariant: a file is refused only where its first lines hold no event, or where what
//! stands before them shows that most of the others are none.

use serde::de::IgnoredAny;

use super::{Complaint, Encoding, Form, Packing, Separator};
use crate::login::{Body, Rejection};

/// How many lines are looked at. Blank ones do not count.
pub const HEAD_LINES: usize = 100;
/// How many lines of a table are compared.
const TABLE_LINES: usize = 5;
/// UTF-16 without a mark is known by so many bytes.
const WIDE_BYTES: usize = 64;

/// What a magic number at some place says.
type Magic = (usize, &'static [u8], &'static str, Option<&'static str>);

/// Formats of other programs. More than these are no events either; they
/// are the usual ones.
const PACKED: [Magic; 9] = [
    (0, b"\xFD7zXZ\0", "an xz file", Some("xz -dc")),
    (0, b"BZh", "a bzip2 file", Some("bzip2 -dc")),
    (0, b"\x04\x22\x4D\x18", "an lz4 file", Some("lz4 -dc")),
    (0, b"\x1F\x9D", "a file of compress (.Z)", Some("gzip -dc")),
    (0, b"PK\x03\x04", "a ZIP archive (Excel workbooks are such, too)", Some("funzip")),
    (0, b"7z\xBC\xAF\x27\x1C", "a 7z archive", None),
    (257, b"ustar", "a tar archive", Some("tar -xOf -")),
    (0, b"PAR1", "a Parquet file", None),
    (0, b"Obj\x01", "an Avro file", None),
];

/// Refuses content that is not one event a line.
///
/// `head` is its beginning, and all of it where `is_whole`; `read` tells whether a line
/// is an event. Content without any line is not refused.
///
/// # Errors
/// The form that it has instead.
pub fn examine(
    head: &[u8],
    is_whole: bool,
    read: impl Fn(&Body) -> Result<(), Rejection>,
) -> Result<(), Form> {
    if let Some(form) = by_first_bytes(head) {
        return Err(form);
    }
    let Some(first_line) = lines(head).next() else { return Ok(()) };
    let first = FirstValue::of(head);
    if let Some(form) = first.form_over_lines(head, first_line) {
        return Err(form);
    }
    let mut complaints = Vec::new();
    for line in complete_lines(head, is_whole).take(HEAD_LINES) {
        match read(&Body::new(line.to_vec())) {
            Ok(()) => return Ok(()),
            Err(Rejection { reason, field, .. }) => complaints.push(Complaint { reason, field }),
        }
    }
    let by_text = first.form_without_events(head, first_line).or_else(|| by_separators(head));
    match (by_text, most_frequent(&complaints)) {
        (Some(form), _) => Err(form),
        (None, Some(usual)) => Err(Form::NoEvent { lines: complaints.len(), usual }),
        // One line, longer than the head: whoever reads on says so.
        (None, None) => Ok(()),
    }
}

/// The form of content whose first bytes are no text at all.
#[must_use]
pub fn foreign_bytes(head: &[u8]) -> Option<Form> {
    // A character may be cut off at the end of the head.
    let is_text = std::str::from_utf8(head).err().is_none_or(|error| error.error_len().is_none());
    if is_text && !head.contains(&0) { None } else { by_first_bytes(head) }
}

fn by_first_bytes(head: &[u8]) -> Option<Form> {
    match Packing::of(head) {
        Packing::Gzip => {
            return Some(Form::Packed {
                what: "gzip in another packing",
                filter: Some("gzip -dc"),
            });
        }
        Packing::Zstd => {
            return Some(Form::Packed {
                what: "zstd in another packing",
                filter: Some("zstd -dc"),
            });
        }
        Packing::Plain => {}
    }
    let packed = |(at, magic, what, filter): Magic| {
        let found = head.get(at..).is_some_and(|rest| rest.starts_with(magic));
        found.then_some(Form::Packed { what, filter })
    };
    if head.trim_ascii_start().first() == Some(&0x1E) {
        return Some(Form::JsonSequence);
    }
    wide_text(head).map(Form::WideText).or_else(|| PACKED.into_iter().find_map(packed))
}

fn wide_text(head: &[u8]) -> Option<Encoding> {
    match head {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => return Some(Encoding::Utf32),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => return Some(Encoding::Utf16),
        _ => {}
    }
    // Our field names, braces and quotes are ASCII: every other byte of them is zero.
    let pairs = head[..head.len().min(WIDE_BYTES)].chunks_exact(2);
    let count = pairs.len();
    let [low_first, high_first] = [0, 1].map(|ascii| {
        let is_ascii = |pair: &&[u8]| pair[ascii] != 0 && pair[1 - ascii] == 0;
        pairs.clone().filter(is_ascii).count()
    });
    match () {
        () if count < 2 => None,
        () if 4 * low_first >= 3 * count => Some(Encoding::Utf16Le),
        () if 4 * high_first >= 3 * count => Some(Encoding::Utf16Be),
        () => None,
    }
}

/// What the JSON at the very beginning is.
enum FirstValue {
    /// It ends at this place of the head.
    Ends(usize),
    /// It is good so far, and ends behind the head.
    GoesOn,
    /// There is none.
    None,
}

impl FirstValue {
    fn of(head: &[u8]) -> Self {
        let mut values = serde_json::Deserializer::from_slice(head).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => Self::Ends(values.byte_offset()),
            Some(Err(error)) if error.is_eof() => Self::GoesOn,
            Some(Err(_)) | None => Self::None,
        }
    }

    /// An array or object that is not over at the end of its first line, whatever the
    /// other lines are: one that holds an event on a line of its own loses all those with
    /// a comma.
    fn form_over_lines(&self, head: &[u8], first_line: &[u8]) -> Option<Form> {
        let is_array = first_line.trim_ascii_start().starts_with(b"[");
        match *self {
            Self::Ends(end) if head[..end].trim_ascii_start().contains(&b'\n') => {
                Some(if is_array { Form::Array } else { Form::PrettyPrinted })
            }
            Self::GoesOn if is_array && head.contains(&b'\n') => Some(Form::Array),
            _ => None,
        }
    }

    /// The same and more, where none of the lines is an event.
    fn form_without_events(&self, head: &[u8], first_line: &[u8]) -> Option<Form> {
        let first = first_line.trim_ascii();
        let (is_array, is_object) = (first.starts_with(b"["), first.starts_with(b"{"));
        let has_cr = |text: &[u8]| text.contains(&b'\r');
        match *self {
            Self::Ends(_) | Self::GoesOn if is_array => Some(Form::Array),
            Self::Ends(end) if has_cr(head[..end].trim_ascii_start()) => Some(Form::PrettyPrinted),
            _ if !head.contains(&b'\n') && has_cr(first) => Some(Form::CarriageReturns),
            Self::Ends(end) if is_object && is_joined(&head[end..]) => Some(Form::Joined),
            Self::GoesOn if is_object && head.contains(&b'\n') => Some(Form::PrettyPrinted),
            _ => None,
        }
    }
}

/// Whether another object or array begins on the line on which a value has ended.
fn is_joined(rest: &[u8]) -> bool {
    let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
    matches!(line.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Whether the first lines are a table: by our field names in the first,
/// or by equal counts.
fn by_separators(head: &[u8]) -> Option<Form> {
    let table: Vec<&[u8]> = lines(head).take(TABLE_LINES).collect();
    let [first, others @ ..] = table.as_slice() else { return None };
    if matches!(first.trim_ascii_start().first(), Some(b'{' | b'[' | b'<')) {
        return None;
    }
    let has_our_fields = ["user_id", "device_id", "app_version"].iter().any(|name| {
        first.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name.as_bytes()))
    });
    let separators =
        [(Separator::Tab, b'\t'), (Separator::Comma, b','), (Separator::Semicolon, b';')];
    let found = separators.into_iter().find(|(_, byte)| {
        let count = |line: &[u8]| line.iter().filter(|b| *b == byte).count();
        let wanted = count(first);
        let is_even = others.iter().all(|line| count(line) == wanted);
        wanted > 0 && (has_our_fields || (wanted > 1 && !others.is_empty() && is_even))
    });
    found.map(|(separator, _)| Form::Separated(separator))
}

/// Lines that are not blank, the last of them perhaps in part.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty())
}

fn complete_lines(head: &[u8], is_whole: bool) -> impl Iterator<Item = &[u8]> {
    let end = head.iter().rposition(|&byte| byte == b'\n').unwrap_or_default();
    lines(if is_whole { head } else { &head[..end] })
}

fn most_frequent(complaints: &[Complaint]) -> Option<Complaint> {
    let count = |one: &Complaint| complaints.iter().filter(|other| *other == one).count();
    complaints.iter().copied().max_by_key(count)
}

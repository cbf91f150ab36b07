//! Lines of tab-separated columns, as an engine hands them to a filter: each becomes the
//! JSON object of an event, so that one parser has all rules.
//!
//! Invariant: a cell is text as it stands there, byte for byte; `\N` alone is null.

use crate::crypto::SecretBytes;

/// What stands for null, in Hive, Spark and Postgres alike.
pub(super) const NULL: &[u8] = b"\\N";

/// The names of the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Columns(Vec<String>);

impl Columns {
    /// Names, divided by commas.
    ///
    /// # Errors
    /// When a name is empty, stands there twice, or is no name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let is_name = |name: &String| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let is_new = |(at, name): (usize, &String)| !names[..at].contains(name);
        match names.iter().all(is_name) && names.iter().enumerate().all(is_new) {
            true => Ok(Self(names)),
            false => Err("names of columns, each once, divided by commas".to_owned()),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The name of a column.
    pub(super) fn name(&self, at: usize) -> Option<&str> {
        self.0.get(at).map(String::as_str)
    }

    /// Where a column stands.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| column == name)
    }

    /// The line as a JSON object; nothing, where it has another number of cells.
    pub(super) fn to_json(&self, line: &[u8]) -> Option<SecretBytes> {
        let mut json = SecretBytes::with_capacity(2 * line.len() + 32 * self.0.len() + 2);
        json.append(b"{");
        let mut cells = cells(line);
        for (at, name) in self.0.iter().enumerate() {
            let cell = cells.next()?;
            json.append(if at == 0 { b"\"" } else { b",\"" });
            json.append(name.as_bytes());
            json.append(b"\":");
            match cell {
                NULL => json.append(b"null"),
                text => append_string(&mut json, text),
            }
        }
        json.append(b"}");
        cells.next().is_none().then_some(json)
    }
}

/// The cells of a line.
pub(super) fn cells(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.strip_suffix(b"\r").unwrap_or(line).split(|&byte| byte == b'\t')
}

/// The text as a JSON string (RFC 8259, section 7). What is no UTF-8 stays so, and is
/// rejected as such.
fn append_string(json: &mut SecretBytes, text: &[u8]) {
    json.append(b"\"");
    let mut plain = text;
    while let Some(at) = plain.iter().position(|&b| b < b' ' || b == b'"' || b == b'\\') {
        json.append(&plain[..at]);
        match plain[at] {
            byte @ (b'"' | b'\\') => json.append(&[b'\\', byte]),
            control => json.append(format!("\\u{control:04x}").as_bytes()),
        }
        plain = &plain[at + 1..];
    }
    json.append(plain);
    json.append(b"\"");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn columns(text: &str) -> Columns {
        Columns::parse(text).unwrap_or_else(|problem| panic!("{problem}"))
    }

    #[test]
    fn names_are_names_and_stand_there_once() {
        assert_eq!(columns("ip, user_id").len(), 2);
        for wrong in ["", "ip,", "ip,ip", "a b", "é"] {
            assert!(Columns::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_line_with_another_number_of_cells_is_none() {
        let columns = columns("ip,user_id");
        for (line, fits) in [("a\tb", true), ("a\tb\r", true), ("a", false), ("a\tb\tc", false)] {
            assert_eq!(columns.to_json(line.as_bytes()).is_some(), fits, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn cells_are_texts_as_they_stand_there(a in "[^\t\n\r]{0,20}", b in "[^\t\n\r]{0,20}") {
            let json = columns("ip,user_id").to_json(format!("{a}\t{b}").as_bytes());
            let json = json.ok_or_else(|| TestCaseError::fail("two cells"))?;
            let read: serde_json::Value = serde_json::from_slice(json.expose())
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            let text = |cell: &str| match cell { "\\N" => serde_json::Value::Null, s => s.into() };
            prop_assert_eq!(&read["ip"], &text(&a));
            prop_assert_eq!(&read["user_id"], &text(&b));
        }
    }
}

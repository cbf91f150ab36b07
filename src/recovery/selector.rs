//! The first step, to parse. What is to be recovered: hashes, tokens, quarantined
//! messages; or a value whose rows are wanted.
//!
//! Invariant: what cannot be read as a selector is never quoted, for it may be a value.

use std::fmt;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::refusal::QueryError;
use crate::audit::{Listed, RecordKind};
use crate::token::{Field, Plaintext, Token};

/// One thing that is asked for.
pub(crate) enum Selector {
    /// The value with this hash; in every masked column, where no field is named.
    Hash(Option<Field>, Uuid),
    /// The value in this token.
    Token(Token),
    /// The body of this quarantined message.
    Quarantine(i64),
    /// The rows of this value.
    Find(Plaintext),
    /// A line of the file that is none of these.
    Unreadable(usize),
}

impl Selector {
    /// A hash of `--ip-hash` and its like.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn of_hash(field: Field, text: &str) -> Result<Self, QueryError> {
        let problem = &"is no hash: 32 hex digits, with or without hyphens";
        let hash = hash(text).ok_or_else(|| QueryError::of_flag(field.flags().hash, problem))?;
        Ok(Self::Hash(Some(field), hash))
    }

    /// A token of `--token`.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn of_token(text: &str) -> Result<Self, QueryError> {
        Token::parse(text.trim())
            .map(Self::Token)
            .map_err(|problem| QueryError::of_flag("token", &problem))
    }

    /// The one field that it is about, if it names one.
    pub(super) fn field(&self) -> Option<Field> {
        match self {
            Self::Hash(field, _) => *field,
            Self::Token(token) => Some(token.field()),
            Self::Find(value) => Some(value.field()),
            Self::Quarantine(_) | Self::Unreadable(_) => None,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(None, hash) => write!(f, "{hash}"),
            Self::Hash(Some(field), hash) => write!(f, "{} {hash}", field.flags().hash),
            Self::Token(token) => write!(f, "{token}"),
            Self::Quarantine(id) => write!(f, "quarantine {id}"),
            Self::Find(value) => f.write_str(value.field().flags().find),
            Self::Unreadable(line) => write!(f, "line {line}"),
        }
    }
}

/// Why a selector has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelectorProblem {
    /// No row or message has it.
    NotFound,
    /// The line is neither token nor hash.
    Unreadable,
    /// The token or body names a key that this installation never had.
    UnknownKey,
    /// Its key was destroyed.
    DestroyedKey,
    /// It does not authenticate: it was changed, or belongs elsewhere.
    DoesNotOpen,
    /// It opens, but to another value than its hash says: the row was changed.
    HashMismatch,
}

impl SelectorProblem {
    /// The word in JSON and CSV.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Unreadable => "unreadable",
            Self::UnknownKey => "unknown_key",
            Self::DestroyedKey => "destroyed_key",
            Self::DoesNotOpen => "does_not_open",
            Self::HashMismatch => "hash_mismatch",
        }
    }

    /// What it looks like to a person.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::Unreadable => "neither token nor hash",
            Self::UnknownKey => "unknown key",
            Self::DestroyedKey => "key destroyed",
            Self::DoesNotOpen => "does not open: changed, or of another installation",
            Self::HashMismatch => "value and hash differ: the row was changed",
        }
    }

    /// Whether somebody must have changed something.
    pub(crate) fn is_tampering(self) -> bool {
        matches!(self, Self::DoesNotOpen | Self::HashMismatch)
    }
}

/// What a call asks for: selectors, or one value whose rows are wanted.
pub(crate) struct Query {
    selectors: Vec<Selector>,
    /// The argument of `--find-…`, which the reason must not hold.
    value: Option<Zeroizing<String>>,
}

impl Query {
    /// Asks for the rows of a value.
    ///
    /// # Errors
    /// When it is no value of the field.
    pub(crate) fn find(field: Field, value: Zeroizing<String>) -> Result<Self, QueryError> {
        let plaintext = Plaintext::of(field, &value);
        let plaintext =
            plaintext.map_err(|problem| QueryError::of_flag(field.flags().find, &problem))?;
        Ok(Self { selectors: vec![Selector::Find(plaintext)], value: Some(value) })
    }

    /// Asks for the values of selectors, in this order.
    ///
    /// # Errors
    /// When there are none, or more than the limit.
    pub(crate) fn list(selectors: Vec<Selector>, limit: u32) -> Result<Self, QueryError> {
        match selectors.len() {
            0 => Err(QueryError::Empty),
            many if many > limit as usize => Err(QueryError::TooMany { many, limit }),
            _ => Ok(Self { selectors, value: None }),
        }
    }

    /// The value whose rows are wanted, as it was typed.
    #[must_use]
    pub(crate) fn value(&self) -> Option<&str> {
        self.value.as_ref().map(|value| value.as_str())
    }

    /// The kind of request that asks for this.
    pub(super) fn kind(&self) -> RecordKind {
        if self.value.is_some() { RecordKind::FindRequest } else { RecordKind::UnmaskRequest }
    }

    /// What a record names of it: a value and a line that cannot be read are not quoted.
    pub(super) fn name_selectors(&self) -> Listed {
        let readable =
            self.selectors.iter().filter(|selector| !matches!(selector, Selector::Unreadable(_)));
        Listed::of(readable.map(ToString::to_string).collect())
    }

    /// How many lines of the file cannot be read.
    pub(super) fn count_unreadable(&self) -> usize {
        self.selectors.iter().filter(|selector| matches!(selector, Selector::Unreadable(_))).count()
    }

    /// The selectors, to look them up.
    pub(super) fn into_selectors(self) -> Vec<Selector> {
        self.selectors
    }
}

/// A line of `--from`.
fn of_line(line: &str) -> Option<Selector> {
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(word), Some(text), None) => {
            let field = Field::ALL.into_iter().find(|field| field.flags().hash == word)?;
            Some(Selector::Hash(Some(field), hash(text)?))
        }
        (Some(text), None, None) => hash(text)
            .map(|hash| Selector::Hash(None, hash))
            .or_else(|| Token::parse(text).ok().map(Selector::Token)),
        _ => None,
    }
}

/// A hash as people copy it: with hyphens or without, and in no other spelling of a UUID.
fn hash(text: &str) -> Option<Uuid> {
    let text = text.trim();
    if matches!(text.len(), 32 | 36) { Uuid::try_parse(text).ok() } else { None }
}

/// The selectors of a file, a line each, without blank ones; what is not UTF-8 is a line
/// that cannot be read.
pub(crate) fn parse_lines(bytes: &[u8]) -> impl Iterator<Item = Selector> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .enumerate()
        .filter(|(_, line)| !line.is_empty());
    let selector = |(number, line): (usize, &[u8])| {
        std::str::from_utf8(line).ok().and_then(of_line).unwrap_or(Selector::Unreadable(number + 1))
    };
    lines.map(selector)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(line: &str) -> Option<String> {
        of_line(line).map(|selector| selector.to_string())
    }

    #[test]
    fn a_line_is_a_token_or_a_hash() {
        let (plain, hyphens) =
            ("4b7f91e68e1181e3af7f0c2cba866887", "4b7f91e6-8e11-81e3-af7f-0c2cba866887");
        let token = "ip1.7.nz-bGZ5zC97cedwFR7GA8eoGNEbLPuxIPj1JyzBGT9g";
        assert_eq!(describe(plain).as_deref(), Some(hyphens));
        assert_eq!(describe(&hyphens.to_uppercase()).as_deref(), Some(hyphens));
        assert_eq!(describe(&format!("ip-hash {plain}")), Some(format!("ip-hash {hyphens}")));
        assert_eq!(
            describe(&format!("device-id-hash\t{hyphens}")),
            Some(format!("device-id-hash {hyphens}"))
        );
        assert_eq!(describe(token).as_deref(), Some(token));
        let read: Vec<String> =
            parse_lines(&[format!("\u{feff}{plain}\r\n\n").as_bytes(), b"\xff\n"].concat())
                .map(|s| s.to_string())
                .collect();
        assert_eq!(read, [hyphens, "line 3"], "a mark at the start and blank lines are nothing");
        let braces = format!("{{{hyphens}}}");
        let urn = format!("urn:uuid:{hyphens}");
        for line in [
            "192.0.2.7",
            "ip-hash",
            "ip-hash x",
            "ip2.7.abc",
            &braces,
            &urn,
            &token[..30],
            "a b c",
            "quarantine 17",
        ] {
            assert_eq!(describe(line), None, "{line}");
        }
    }
}

//! Why somebody wants a value: free text that stays in the log for ever, and so must not carry a value itself.

use std::net::IpAddr;

const MAX_CHARS: usize = 500;
/// A part of the asked value that is shorter than this may stand in a longer word by chance.
const MIN_PART: usize = 4;

/// A reason or ticket that may be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// Why a reason is refused. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// Nothing but blanks.
    #[error("is empty")]
    Empty,
    /// Over 500 characters.
    #[error("is longer than 500 characters")]
    TooLong,
    /// Characters that a terminal obeys or nobody sees.
    #[error("holds control or invisible characters")]
    Control,
    /// An IPv4 or IPv6 address.
    #[error("seems to hold an address")]
    Address,
    /// Three, two and four digits with hyphens.
    #[error("seems to hold a device id")]
    DeviceId,
    /// A UUID, as apps use for devices.
    #[error("seems to hold a UUID")]
    Uuid,
    /// The value that is looked for.
    #[error("holds the value that is asked for")]
    Asked,
}

impl Reason {
    /// Takes a text that holds neither a value nor `asked`, the value that `--find-…` looks for.
    ///
    /// # Errors
    /// When the text must not be written down.
    pub fn checked(text: &str, asked: Option<&str>) -> Result<Self, ReasonError> {
        let text = text.trim();
        match () {
            () if text.is_empty() => Err(ReasonError::Empty),
            () if text.chars().count() > MAX_CHARS => Err(ReasonError::TooLong),
            () if text.chars().any(is_unprintable) => Err(ReasonError::Control),
            () if asked.is_some_and(|asked| holds(text, asked)) => Err(ReasonError::Asked),
            () if holds_uuid(text) => Err(ReasonError::Uuid),
            () if holds_device_id(text) => Err(ReasonError::DeviceId),
            () if holds_address(text) => Err(ReasonError::Address),
            () => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Controls, line separators, and the characters without width or with a direction of their own.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn holds(text: &str, asked: &str) -> bool {
    let (text, asked) = (text.to_lowercase(), asked.trim().to_lowercase());
    let is_word = || text.split(|c: char| !c.is_alphanumeric()).any(|word| word == asked);
    !asked.is_empty() && (is_word() || text == asked || (asked.chars().count() >= MIN_PART && text.contains(&asked)))
}

/// Whether some part of the text, from any character of an address on, reads as one.
fn holds_address(text: &str) -> bool {
    let runs = text.split(|c: char| !c.is_ascii_hexdigit() && c != '.' && c != ':');
    runs.flat_map(candidates).any(|part| part.parse::<IpAddr>().is_ok())
}

/// A run as it stands, without its punctuation, without what a port or a label adds to it.
fn candidates(run: &str) -> impl Iterator<Item = &str> {
    let bare = run.trim_end_matches(['.', ':']);
    let without_label = bare.trim_start_matches(['.', ':']);
    [run, bare, without_label].into_iter().chain(without_label.split(':'))
}

fn holds_device_id(text: &str) -> bool {
    let runs = text.split(|c: char| !c.is_ascii_digit() && c != '-');
    runs.into_iter().any(|run| {
        let groups: Vec<usize> = run.split('-').map(str::len).collect();
        groups.windows(3).any(|w| w == [3, 2, 4])
    })
}

fn holds_uuid(text: &str) -> bool {
    let runs = text.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
    runs.into_iter().any(|run| run.bytes().filter(u8::is_ascii_hexdigit).count() >= 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_carries_no_value() {
        let cases = [
            ("", ReasonError::Empty),
            (" \t ", ReasonError::Empty),
            ("user at 192.0.2.7", ReasonError::Address),
            ("(192.0.2.7).", ReasonError::Address),
            ("ip=192.0.2.7,", ReasonError::Address),
            ("192.0.2.7:443 was seen", ReasonError::Address),
            ("192.0.2.0/24", ReasonError::Address),
            ("from ip:192.0.2.7", ReasonError::Address),
            ("see 2001:db8::1.", ReasonError::Address),
            ("see [2001:DB8::1]:443", ReasonError::Address),
            ("::ffff:192.0.2.7", ReasonError::Address),
            ("device 593-47-5928 again", ReasonError::DeviceId),
            ("x593-47-5928y", ReasonError::DeviceId),
            ("0f8fad5b-d9cb-469f-a165-70867728950e", ReasonError::Uuid),
            ("id 0F8FAD5BD9CB469FA16570867728950E", ReasonError::Uuid),
            ("red \u{1b}[31m", ReasonError::Control),
            ("two\nlines", ReasonError::Control),
            ("c1 \u{9b}31m", ReasonError::Control),
            ("hid\u{200b}den", ReasonError::Control),
            ("right\u{202e}left", ReasonError::Control),
        ];
        for (text, expected) in cases {
            assert_eq!(Reason::checked(text, None), Err(expected), "{text:?}");
        }
        assert_eq!(Reason::checked(&"x ".repeat(5000), None), Err(ReasonError::TooLong));
    }

    #[test]
    fn a_reason_does_not_name_the_value_that_is_looked_for() {
        assert_eq!(Reason::checked("who is Device-77?", Some("device-77")), Err(ReasonError::Asked));
        assert_eq!(Reason::checked("about xdevice-77x", Some("device-77")), Err(ReasonError::Asked));
        assert_eq!(Reason::checked("about a", Some("a")), Err(ReasonError::Asked));
        assert!(Reason::checked("a man called", Some("z")).is_ok());
        assert!(Reason::checked("fraud", Some("fr")).is_ok(), "two letters stand in many words");
    }

    #[test]
    fn ordinary_reasons_are_taken() {
        for text in
            ["fraud case 4711", "Ticket SEC-1234, opened 2026-01-31 10:30", "Überprüfung: Nutzerin bat darum", "a/b c:d 1.2"]
        {
            assert!(Reason::checked(text, None).is_ok(), "{text}");
        }
    }
}

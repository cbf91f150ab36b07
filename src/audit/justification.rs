//! Why somebody wants a value: free text that stays in the log for ever, and so must not
//! carry a value itself.

use std::net::{IpAddr, Ipv6Addr};

const MAX_CHARS: usize = 500;
/// A part of the asked value that is shorter than this may stand in a
/// longer word by chance.
const MIN_PART: usize = 4;

/// A reason or ticket that may be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Justification(String);

/// Why a reason is refused. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JustificationError {
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

impl Justification {
    /// Takes a text that holds neither a value nor `asked`, the value that `--find-…`
    /// looks for.
    ///
    /// # Errors
    /// When the text must not be written down.
    pub fn check(text: &str, asked: Option<&str>) -> Result<Self, JustificationError> {
        let (text, read) = (text.trim(), narrow(text));
        let asked = asked.map(narrow);
        match () {
            () if text.is_empty() => Err(JustificationError::Empty),
            () if text.chars().count() > MAX_CHARS => Err(JustificationError::TooLong),
            () if text.chars().any(is_unprintable) => Err(JustificationError::Control),
            () if asked.is_some_and(|asked| holds(&read, &asked)) => Err(JustificationError::Asked),
            () if holds_uuid(&read) => Err(JustificationError::Uuid),
            () if holds_device_id(&read) => Err(JustificationError::DeviceId),
            () if holds_address(&read) => Err(JustificationError::Address),
            () => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Controls, line separators, and the characters without width or with a direction of
/// their own.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}

/// Compared by letters and digits alone, so that another spelling of the
/// value is found too.
fn holds(text: &str, asked: &str) -> bool {
    let bare = |text: &str| {
        text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect::<String>()
    };
    let (words, asked) = (text.split(|c: char| !c.is_alphanumeric()), bare(asked));
    let is_word = words.into_iter().any(|word| bare(word) == asked);
    !asked.is_empty()
        && (is_word || (asked.chars().count() >= MIN_PART && bare(text).contains(&asked)))
}

fn holds_address(text: &str) -> bool {
    let words = text.split(|c: char| c.is_whitespace() || "()[]{}<>,;'\"=/|".contains(c));
    let is_address = |word: &str| word != "::" && word.parse::<IpAddr>().is_ok();
    words.map(|word| word.trim_end_matches(['.', ':', '!', '?'])).any(is_address)
        || holds_ipv4(text)
        || holds_ipv6(text)
}

/// Four numbers up to 255, one behind the other, with dots, commas or hyphens between
/// them, whatever stands around.
fn holds_ipv4(text: &str) -> bool {
    let numbers = numbers(text);
    let is_byte = |digits: &str| digits.len() <= 3 && digits.parse::<u16>().is_ok_and(|n| n <= 255);
    let joins = |between: &str| {
        let is_plain = between.chars().all(|c| !c.is_alphanumeric() && c != ':');
        is_plain && between.chars().count() <= 4 && between.contains(['.', ',', '-'])
    };
    numbers
        .windows(4)
        .any(|w| w.iter().all(|n| is_byte(n.digits)) && w[..3].iter().all(|n| joins(n.after)))
}

/// Some part of the text is an IPv6 address of more than a digit or two, whatever it is
/// glued to.
fn holds_ipv6(text: &str) -> bool {
    let runs = text
        .split(|c: char| !c.is_ascii_hexdigit() && c != '.' && c != ':')
        .filter(|run| run.matches(':').count() > 1);
    let is_address = |part: &str| {
        let hex = part.bytes().filter(u8::is_ascii_hexdigit).count();
        hex > 2 && part.bytes().any(|b| b.is_ascii_digit()) && part.parse::<Ipv6Addr>().is_ok()
    };
    let parts = |run: &'_ str| {
        (0..run.len())
            .any(|from| (from + 4..=run.len().min(from + 45)).any(|to| is_address(&run[from..to])))
    };
    runs.into_iter().any(parts)
}

/// Three, two and four digits with something between them.
fn holds_device_id(text: &str) -> bool {
    let numbers = numbers(text);
    let joins = |between: &str| {
        between.chars().count() == 1 && between.chars().all(|c| !c.is_alphanumeric())
    };
    numbers.windows(3).any(|w| {
        let lengths = w[0].digits.len() >= 3 && w[1].digits.len() == 2 && w[2].digits.len() >= 4;
        lengths && joins(w[0].after) && joins(w[1].after)
    })
}

/// Digits as they stand together, and what is between them and the next.
struct Number<'a> {
    digits: &'a str,
    after: &'a str,
}

fn numbers(text: &str) -> Vec<Number<'_>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    while !rest.is_empty() {
        let (digits, behind) =
            rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let (after, next) =
            behind.split_at(behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len()));
        found.push(Number { digits, after });
        rest = next;
    }
    found
}

fn holds_uuid(text: &str) -> bool {
    let runs = text.split(|c: char| !c.is_ascii_hexdigit() && c != '-' && c != '_');
    runs.into_iter().any(|run| run.bytes().filter(u8::is_ascii_hexdigit).count() == 32)
}

/// Full-width forms are the same to a reader, so they are to us.
fn narrow(text: &str) -> String {
    let narrow = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        _ => c,
    };
    text.chars().map(narrow).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_carries_no_value() {
        let cases = [
            ("", JustificationError::Empty),
            (" \t ", JustificationError::Empty),
            ("user at 192.0.2.7", JustificationError::Address),
            ("(192.0.2.7).", JustificationError::Address),
            ("ip=192.0.2.7,", JustificationError::Address),
            ("192.0.2.7:443 was seen", JustificationError::Address),
            ("192.0.2.0/24", JustificationError::Address),
            ("from ip:192.0.2.7", JustificationError::Address),
            ("see 2001:db8::1.", JustificationError::Address),
            ("see [2001:DB8::1]:443", JustificationError::Address),
            ("::ffff:192.0.2.7", JustificationError::Address),
            ("abuse192.0.2.7x", JustificationError::Address),
            ("192.0.2.007", JustificationError::Address),
            ("192[.]0[.]2[.]7", JustificationError::Address),
            ("192. 0. 2. 7", JustificationError::Address),
            ("192,0,2,7", JustificationError::Address),
            ("192-0-2-7", JustificationError::Address),
            ("\u{ff11}\u{ff19}\u{ff12}.0.2.7", JustificationError::Address),
            ("abuse2001:db8::1", JustificationError::Address),
            ("2001:db8:0:0:0:0:0:1:443", JustificationError::Address),
            ("is ::1 us?", JustificationError::Address),
            ("device 593-47-5928 again", JustificationError::DeviceId),
            ("593 47 5928", JustificationError::DeviceId),
            ("593\u{2013}47\u{2013}5928", JustificationError::DeviceId),
            ("1593.47.59281", JustificationError::DeviceId),
            ("x593-47-5928y", JustificationError::DeviceId),
            ("0f8fad5b-d9cb-469f-a165-70867728950e", JustificationError::Uuid),
            ("id 0F8FAD5BD9CB469FA16570867728950E", JustificationError::Uuid),
            ("red \u{1b}[31m", JustificationError::Control),
            ("two\nlines", JustificationError::Control),
            ("c1 \u{9b}31m", JustificationError::Control),
            ("hid\u{200b}den", JustificationError::Control),
            ("right\u{202e}left", JustificationError::Control),
        ];
        for (text, expected) in cases {
            assert_eq!(Justification::check(text, None), Err(expected), "{text:?}");
        }
        assert_eq!(
            Justification::check(&"x ".repeat(5000), None),
            Err(JustificationError::TooLong)
        );
    }

    #[test]
    fn a_reason_does_not_name_the_value_that_is_looked_for() {
        assert_eq!(
            Justification::check("who is Device-77?", Some("device-77")),
            Err(JustificationError::Asked)
        );
        assert_eq!(
            Justification::check("about xdevice-77x", Some("device-77")),
            Err(JustificationError::Asked)
        );
        assert_eq!(
            Justification::check("about device 77", Some("device-77")),
            Err(JustificationError::Asked)
        );
        assert_eq!(Justification::check("about a", Some("a")), Err(JustificationError::Asked));
        assert!(Justification::check("a man called", Some("z")).is_ok());
        assert!(
            Justification::check("fraud", Some("fr")).is_ok(),
            "two letters stand in many words"
        );
    }

    #[test]
    fn ordinary_reasons_are_taken() {
        for text in [
            "fraud case 4711",
            "Ticket SEC-1234, opened 2026-01-31 10:30",
            "Überprüfung: Nutzerin bat darum",
            "a/b c:d 1.2",
        ] {
            assert!(Justification::check(text, None).is_ok(), "{text}");
        }
    }
}

//! The text of a JSON string, without its escapes: a second buffer of plaintext, so it is
//! made in memory that is zeroed.

use super::Body;
use crate::crypto::SecretBytes;

/// The text of a JSON string.
pub(super) enum Content<'a> {
    /// It stands there as it is.
    Borrowed(&'a str),
    /// It had escapes.
    Unescaped(Body),
}

impl Content<'_> {
    pub(super) fn expose(&self) -> &[u8] {
        match self {
            Self::Borrowed(text) => text.as_bytes(),
            Self::Unescaped(body) => body.expose(),
        }
    }
}

/// The text of a JSON string with its quotes; nothing if an escape in it
/// stands for no character.
pub(super) fn unescape(quoted: &str) -> Option<Content<'_>> {
    let text = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let Some(first) = text.find('\\') else { return Some(Content::Borrowed(text)) };
    // No escape is shorter than what it stands for: the buffer never grows, and so is
    // never copied.
    let mut plain = SecretBytes::zeroed(text.len());
    let len = {
        let mut written = Written { buffer: plain.expose_mut(), len: 0 };
        written.bytes(&text.as_bytes()[..first]);
        let mut rest = &text[first..];
        while let Some(escaped) = rest.strip_prefix('\\') {
            let (character, after) = escape(escaped)?;
            written.character(character);
            let run = after.find('\\').unwrap_or(after.len());
            written.bytes(&after.as_bytes()[..run]);
            rest = &after[run..];
        }
        written.len
    };
    plain.truncate(len);
    Some(Content::Unescaped(Body::from_secret(plain)))
}

struct Written<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl Written<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.buffer[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn character(&mut self, character: char) {
        let more = character.encode_utf8(&mut self.buffer[self.len..]).len();
        self.len += more;
    }
}

/// The character that an escape stands for, behind its backslash, and what follows.
fn escape(text: &str) -> Option<(char, &str)> {
    let character = match text.as_bytes().first()? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(&text[1..]),
        _ => return None,
    };
    Some((character, &text[1..]))
}

/// Four hexadecimal digits, or a pair of surrogates.
fn unicode(text: &str) -> Option<(char, &str)> {
    let (first, rest) = code_unit(text)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, rest));
    }
    let (second, rest) = code_unit(rest.strip_prefix("\\u")?)?;
    let pair = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
    let character =
        pair.then(|| char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)));
    Some((character.flatten()?, rest))
}

fn code_unit(text: &str) -> Option<(u32, &str)> {
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(digits, 16).ok()?, &text[4..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(quoted: &str) -> Option<String> {
        unescape(quoted).map(|content| String::from_utf8_lossy(content.expose()).into_owned())
    }

    #[test]
    fn every_escape_stands_for_its_character() {
        assert_eq!(plain(r#""plain""#).as_deref(), Some("plain"));
        assert_eq!(plain(r#""\"\\\/\b\f\n\r\t""#).as_deref(), Some("\"\\/\u{8}\u{c}\n\r\t"));
        assert_eq!(plain(r#""x\u00e9\u20AC\ud83e\udd80y""#).as_deref(), Some("xé€🦀y"));
        for wrong in [
            "",
            "\"",
            r#""\"#,
            r#""\x""#,
            r#""\u12""#,
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            r#""\u+123""#,
        ] {
            assert_eq!(plain(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_the_json_library_escapes_comes_back(text in any::<String>()) {
            prop_assert_eq!(plain(&serde_json::Value::from(text.as_str()).to_string()), Some(text));
        }

        #[test]
        fn it_says_what_the_json_library_says(
            text in r#"([a-z"é]|\\["\\/bfnrtux]|\\u[dD][89a-fA-F][0-9]{2}|\\u[0-9a-f]{4}){0,12}"#,
        ) {
            let quoted = format!("\"{text}\"");
            // A quote without a backslash ends the string for the library; for us, what
            // is between the outer ones is one text.
            prop_assume!(serde_json::from_str::<&serde_json::value::RawValue>(&quoted).is_ok());
            prop_assert_eq!(plain(&quoted), serde_json::from_str::<String>(&quoted).ok());
        }
    }
}

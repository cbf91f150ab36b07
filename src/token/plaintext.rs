//! The canonical bytes of a value, `P`: what is encrypted and what is hashed.
//!
//! Equal values have equal bytes in any spelling; the lengths leak nothing about an
//! address and at most sixteen-byte steps about a text.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::{CanonicalForm, Field};
use crate::crypto::SecretBytes;

/// Values are padded to a multiple of so many bytes.
pub(super) const BLOCK: usize = 16;
const PAD: u8 = 0x80;

/// The canonical bytes of one value. Cannot be printed; [`Plaintext::into_text`] is the
/// way out.
pub struct Plaintext {
    field: Field,
    bytes: SecretBytes,
}

/// The bytes are no canonical plaintext of their field.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlaintextError {
    /// Nothing to mask.
    #[error("is empty")]
    Empty,
    /// A text over the limits of its field.
    #[error("is longer than {0}")]
    TooLong(&'static str),
    /// Neither an IPv4 nor an IPv6 literal.
    #[error("is no IPv4 or IPv6 address")]
    NotAnAddress,
    /// Opened bytes that no masking could have produced.
    #[error("is not in canonical form")]
    NotCanonical,
}

/// How many blocks a value of the field has.
pub(super) fn blocks(field: Field) -> RangeInclusive<usize> {
    match field.form() {
        CanonicalForm::Address => 1..=1,
        CanonicalForm::Text { max_bytes, .. } => 1..=max_bytes / BLOCK + 1,
    }
}

impl Plaintext {
    /// The canonical bytes of a value as people write it.
    ///
    /// An address becomes the 16 bytes of IPv6, IPv4 mapped into it (`::ffff:0:0/96`). A
    /// text stays byte for byte, padded with `0x80 0x00…` to a multiple of 16.
    ///
    /// # Errors
    /// When it is empty, over the limits of its field, or no address (zones, ports and
    /// prefixes are no part of one).
    pub fn of(field: Field, text: &str) -> Result<Self, PlaintextError> {
        if text.is_empty() {
            return Err(PlaintextError::Empty);
        }
        let bytes = match field.form() {
            CanonicalForm::Address => address(text)?,
            CanonicalForm::Text { max_bytes, max_chars, limit } => {
                let is_too_long = text.len() > max_bytes
                    || (text.len() > max_chars && text.chars().count() > max_chars);
                if is_too_long {
                    return Err(PlaintextError::TooLong(limit));
                }
                padded(text)
            }
        };
        Ok(Self { field, bytes })
    }

    /// Takes over opened bytes, if masking could have produced them.
    ///
    /// # Errors
    /// When length, padding or UTF-8 are wrong: the token was made by something else.
    pub fn from_opened(field: Field, bytes: SecretBytes) -> Result<Self, PlaintextError> {
        let plaintext = Self { field, bytes };
        let canonical = match field.form() {
            CanonicalForm::Address => plaintext.bytes.len() == BLOCK,
            CanonicalForm::Text { .. } => plaintext.strip_padding().is_some_and(|text| {
                !text.is_empty()
                    && text.len() / BLOCK + 1 == plaintext.bytes.len() / BLOCK
                    && std::str::from_utf8(text).is_ok()
            }),
        };
        if canonical { Ok(plaintext) } else { Err(PlaintextError::NotCanonical) }
    }

    /// Which field it belongs to.
    #[must_use]
    pub fn field(&self) -> Field {
        self.field
    }

    /// `P` itself. Whoever calls this answers for where the bytes go.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// The value as people write it, still secret: the shortest form of an address, a
    /// text as it was sent.
    #[must_use]
    pub fn into_text(self) -> SecretBytes {
        match self.field.form() {
            CanonicalForm::Text { .. } => {
                SecretBytes::copy_of(self.strip_padding().unwrap_or_default())
            }
            CanonicalForm::Address => {
                let octets: [u8; BLOCK] = std::array::from_fn(|i| self.bytes.expose()[i]);
                SecretBytes::new(Ipv6Addr::from(octets).to_canonical().to_string().into_bytes())
            }
        }
    }

    fn strip_padding(&self) -> Option<&[u8]> {
        let bytes = self.bytes.expose();
        let end = bytes.iter().rposition(|&b| b != 0)?;
        (bytes.len().is_multiple_of(BLOCK) && bytes[end] == PAD).then(|| &bytes[..end])
    }
}

fn address(text: &str) -> Result<SecretBytes, PlaintextError> {
    let octets = match text.parse().map_err(|_| PlaintextError::NotAnAddress)? {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    Ok(SecretBytes::copy_of(&octets))
}

fn padded(text: &str) -> SecretBytes {
    let mut bytes = SecretBytes::zeroed((text.len() / BLOCK + 1) * BLOCK);
    let buffer = bytes.expose_mut();
    buffer[..text.len()].copy_from_slice(text.as_bytes());
    buffer[text.len()] = PAD;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip_bytes(text: &str) -> Option<Vec<u8>> {
        Plaintext::of(Field::Ip, text).ok().map(|p| p.expose().to_vec())
    }

    #[test]
    fn equal_addresses_in_any_spelling_are_equal() {
        let groups: [&[&str]; 3] = [
            &[
                "192.0.2.7",
                "::ffff:192.0.2.7",
                "::FFFF:192.0.2.7",
                "::ffff:c000:207",
                "0:0:0:0:0:ffff:C000:0207",
            ],
            &[
                "2001:db8::1",
                "2001:DB8:0::1",
                "2001:0db8:0000:0000:0000:0000:0000:0001",
                "2001:db8::0.0.0.1",
            ],
            &["::", "0::", "0:0:0:0:0:0:0:0", "::0.0.0.0"],
        ];
        for group in groups {
            let first = ip_bytes(group[0]);
            assert!(first.is_some());
            for spelling in group {
                assert_eq!(ip_bytes(spelling), first, "{spelling}");
            }
        }
        assert_ne!(ip_bytes("0.0.0.0"), ip_bytes("::"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "1.2.3",
            "256.1.1.1",
            "fe80::1%eth0",
            " 1.2.3.4",
            "1.2.3.4 ",
            "1.2.3.4:80",
            "01.2.3.4",
            "::1/64",
            "1.2.3.4.5",
            ":::",
            "x",
        ] {
            assert!(Plaintext::of(Field::Ip, text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn device_ids_reach_from_1_to_159_bytes() {
        assert_eq!(Plaintext::of(Field::DeviceId, "").err(), Some(PlaintextError::Empty));
        assert_eq!(
            Plaintext::of(Field::DeviceId, &"x".repeat(160)).err(),
            Some(PlaintextError::TooLong("159 bytes"))
        );
        let lengths: Vec<_> = [1, 15, 16, 31, 32, 159]
            .map(|n| Plaintext::of(Field::DeviceId, &"x".repeat(n)).map(|p| p.expose().len()))
            .into();
        assert_eq!(lengths, [16, 16, 32, 32, 48, 160].map(Ok));
    }

    #[test]
    fn user_ids_reach_to_128_characters_and_512_bytes() {
        let blocks =
            |text: &str| Plaintext::of(Field::UserId, text).map(|p| p.expose().len() / BLOCK).ok();
        assert_eq!(
            ["x".repeat(128), "é".repeat(128), "😀".repeat(128)].map(|text| blocks(&text)),
            [9, 17, 33].map(Some)
        );
        assert_eq!(
            ["x".repeat(129), "😀".repeat(129), String::new()].map(|text| blocks(&text)),
            [None; 3]
        );
    }

    fn plaintext(field: Field, text: &str) -> Result<Plaintext, TestCaseError> {
        Plaintext::of(field, text).map_err(|e| TestCaseError::fail(e.to_string()))
    }

    fn text_of(plaintext: Plaintext) -> String {
        String::from_utf8(plaintext.into_text().expose().to_vec()).unwrap_or_default()
    }

    proptest! {
        #[test]
        fn every_device_id_comes_back(text in "\\PC{1,39}|[\\x00-\\x7f]{1,159}") {
            let plaintext = plaintext(Field::DeviceId, &text)?;
            let opened = SecretBytes::copy_of(plaintext.expose());
            let again = Plaintext::from_opened(Field::DeviceId, opened);
            prop_assert!(again.is_ok());
            let shown = plaintext.into_text();
            prop_assert_eq!(shown.expose(), text.as_bytes());
        }

        #[test]
        fn every_address_comes_back(octets: [u8; 16]) {
            let text = Ipv6Addr::from(octets).to_string();
            let plaintext = plaintext(Field::Ip, &text)?;
            prop_assert_eq!(plaintext.expose(), octets);
            let shown = text_of(plaintext);
            prop_assert_eq!(ip_bytes(&shown), Some(octets.to_vec()));
        }

        #[test]
        fn bytes_that_masking_cannot_make_are_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let opened = SecretBytes::copy_of(&bytes);
            if let Ok(plaintext) = Plaintext::from_opened(Field::DeviceId, opened) {
                let again = Plaintext::of(Field::DeviceId, &text_of(plaintext));
                prop_assert_eq!(again.map(|p| p.expose().to_vec()).ok(), Some(bytes));
            }
        }
    }
}

//! The canonical bytes of a value, `P`: what is encrypted and what is hashed.
//!
//! Equal values have equal bytes in any spelling; the lengths leak nothing about an address and at most
//! sixteen-byte steps about a device id.

use std::net::{IpAddr, Ipv6Addr};

use super::Field;
use crate::crypto::SecretBytes;

/// The longest device id, in bytes of UTF-8: one more would not leave room for the padding.
pub const MAX_DEVICE_ID_LEN: usize = 159;
const BLOCK: usize = 16;
const PAD: u8 = 0x80;

/// The canonical bytes of one value. Cannot be printed; [`Plaintext::into_text`] is the way out.
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
    /// A device id of more than [`MAX_DEVICE_ID_LEN`] bytes.
    #[error("is longer than 159 bytes")]
    TooLong,
    /// Neither an IPv4 nor an IPv6 literal.
    #[error("is no IPv4 or IPv6 address")]
    NotAnAddress,
    /// Opened bytes that no masking could have produced.
    #[error("is not in canonical form")]
    NotCanonical,
}

impl Plaintext {
    /// The 16 bytes of an address literal: IPv6, or IPv4 mapped into it (`::ffff:0:0/96`).
    ///
    /// # Errors
    /// When `text` is no literal of either family (zones, ports and prefixes are not part of one).
    pub fn ip(text: &str) -> Result<Self, PlaintextError> {
        let address: IpAddr =
            text.parse().map_err(|_| if text.is_empty() { PlaintextError::Empty } else { PlaintextError::NotAnAddress })?;
        let octets = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Ok(Self { field: Field::Ip, bytes: SecretBytes::copy_of(&octets) })
    }

    /// A device id, byte for byte, padded with `0x80 0x00…` to a multiple of 16.
    ///
    /// # Errors
    /// When it is empty or longer than 159 bytes.
    pub fn device_id(text: &str) -> Result<Self, PlaintextError> {
        match text.len() {
            0 => Err(PlaintextError::Empty),
            1..=MAX_DEVICE_ID_LEN => {
                let mut bytes = SecretBytes::zeroed((text.len() / BLOCK + 1) * BLOCK);
                let buffer = bytes.expose_mut();
                buffer[..text.len()].copy_from_slice(text.as_bytes());
                buffer[text.len()] = PAD;
                Ok(Self { field: Field::DeviceId, bytes })
            }
            _ => Err(PlaintextError::TooLong),
        }
    }

    /// Takes over opened bytes, if masking could have produced them.
    ///
    /// # Errors
    /// When length, padding or UTF-8 are wrong: the token was made by something else.
    pub fn from_opened(field: Field, bytes: SecretBytes) -> Result<Self, PlaintextError> {
        let plaintext = Self { field, bytes };
        let canonical = match field {
            Field::Ip => plaintext.bytes.len() == BLOCK,
            Field::DeviceId => plaintext.unpadded().is_some_and(|text| {
                !text.is_empty() && text.len() / BLOCK + 1 == plaintext.bytes.len() / BLOCK && std::str::from_utf8(text).is_ok()
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

    /// The value as people write it, still secret: the shortest form of an address, the device id as it was sent.
    #[must_use]
    pub fn into_text(self) -> SecretBytes {
        match self.field {
            Field::DeviceId => SecretBytes::copy_of(self.unpadded().unwrap_or_default()),
            Field::Ip => {
                let octets: [u8; BLOCK] = std::array::from_fn(|i| self.bytes.expose()[i]);
                SecretBytes::new(Ipv6Addr::from(octets).to_canonical().to_string().into_bytes())
            }
        }
    }

    fn unpadded(&self) -> Option<&[u8]> {
        let bytes = self.bytes.expose();
        let end = bytes.iter().rposition(|&b| b != 0)?;
        (bytes.len().is_multiple_of(BLOCK) && bytes[end] == PAD).then(|| &bytes[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip_bytes(text: &str) -> Option<Vec<u8>> {
        Plaintext::ip(text).ok().map(|p| p.expose().to_vec())
    }

    #[test]
    fn equal_addresses_in_any_spelling_are_equal() {
        let groups: [&[&str]; 3] = [
            &["192.0.2.7", "::ffff:192.0.2.7", "::FFFF:192.0.2.7", "::ffff:c000:207", "0:0:0:0:0:ffff:C000:0207"],
            &["2001:db8::1", "2001:DB8:0::1", "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::0.0.0.1"],
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
            assert!(Plaintext::ip(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn device_ids_reach_from_1_to_159_bytes() {
        assert_eq!(Plaintext::device_id("").err(), Some(PlaintextError::Empty));
        assert_eq!(Plaintext::device_id(&"x".repeat(160)).err(), Some(PlaintextError::TooLong));
        let lengths: Vec<_> =
            [1, 15, 16, 31, 32, 159].map(|n| Plaintext::device_id(&"x".repeat(n)).map(|p| p.expose().len())).into();
        assert_eq!(lengths, [16, 16, 32, 32, 48, 160].map(Ok));
    }

    proptest! {
        #[test]
        fn every_device_id_comes_back(text in "\\PC{1,39}|[\\x00-\\x7f]{1,159}") {
            let plaintext = Plaintext::device_id(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let again = Plaintext::from_opened(Field::DeviceId, SecretBytes::copy_of(plaintext.expose()));
            prop_assert!(again.is_ok());
            let shown = plaintext.into_text();
            prop_assert_eq!(shown.expose(), text.as_bytes());
        }

        #[test]
        fn every_address_comes_back(octets: [u8; 16]) {
            let text = Ipv6Addr::from(octets).to_string();
            let plaintext = Plaintext::ip(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(plaintext.expose(), octets);
            let shown = String::from_utf8(plaintext.into_text().expose().to_vec()).unwrap_or_default();
            prop_assert_eq!(ip_bytes(&shown), Some(octets.to_vec()));
        }

        #[test]
        fn bytes_that_masking_cannot_make_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(plaintext) = Plaintext::from_opened(Field::DeviceId, SecretBytes::copy_of(&bytes)) {
                let text = String::from_utf8(plaintext.into_text().expose().to_vec()).unwrap_or_default();
                prop_assert_eq!(Plaintext::device_id(&text).map(|p| p.expose().to_vec()).ok(), Some(bytes));
            }
        }
    }
}

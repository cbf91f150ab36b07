//! What is fixed about data at rest: fields, key ids, tokens, hashes and sealed bodies.
//! Pure; knows no storage.
//!
//! A *token* is reversible by whoever holds its data key; a *hash* is the stable handle
//! beside it. Both are harmless to print. A [`Plaintext`] is neither.

mod cipher;
mod data_key;
mod error;
mod field;
mod hash;
mod holder;
mod key_id;
mod key_state;
mod plaintext;
mod sealed;

pub use cipher::{FieldCipher, Token};
pub use data_key::{DataKey, Purpose, WrongLength};
pub use error::TokenError;
pub use field::{CanonicalForm, Field, Fields, Flags, PerField};
pub use hash::FieldHasher;
pub use holder::Holder;
pub use key_id::KeyId;
pub use key_state::KeyState;
pub use plaintext::{Plaintext, PlaintextError};
pub use sealed::{SealError, Sealer};

/// Checks this build on this processor: a published vector of the cipher, and a known
/// token (HKDF, AES-256-SIV, base64url).
///
/// # Errors
/// When an answer differs: the binary or the processor must not be trusted.
pub fn self_test() -> Result<(), TokenError> {
    const KNOWN: &str = "ip1.7.nz-bGZ5zC97cedwFR7GA8eoGNEbLPuxIPj1JyzBGT9g";
    crate::crypto::self_test().map_err(|_| TokenError::Forged)?;
    let secret = crate::crypto::SecretBytes::new((0..64).collect());
    let key = DataKey::new(Purpose::Mask, secret).map_err(|_| TokenError::Forged)?;
    let key_id = KeyId::new(7).ok_or(TokenError::KeyId)?;
    let mut cipher = FieldCipher::new(&key, Field::Ip, key_id);
    let plaintext = Plaintext::of(Field::Ip, "::").map_err(|_| TokenError::Forged)?;
    let opened = cipher.open(&Token::parse(KNOWN)?)?;
    let agree = cipher.seal(&plaintext).as_str() == KNOWN && opened.expose() == plaintext.expose();
    if agree { Ok(()) } else { Err(TokenError::Forged) }
}

//! What is fixed about data at rest: fields, key ids, tokens, hashes and sealed bodies. Pure; knows no storage.
//!
//! A *token* is reversible by whoever holds its data key; a *hash* is the stable handle beside it. Both are
//! harmless to print. A [`Plaintext`] is neither.

mod cipher;
mod data_key;
mod field;
mod hash;
mod holder;
mod key_state;
mod plaintext;
mod sealed;

pub use cipher::{FieldCipher, Token, TokenError};
pub use data_key::{DataKey, Purpose, WrongLength};
pub use field::{CanonicalForm, Field, Fields, Flags, PerField};
pub use hash::FieldHasher;
pub use holder::Holder;
pub use key_state::KeyState;
pub use plaintext::{Plaintext, PlaintextError};
pub use sealed::{SealError, Sealer};

/// Checks this build on this processor: a published vector of the cipher, and a known token (HKDF, AES-256-SIV, base64url).
///
/// # Errors
/// When an answer differs: the binary or the processor must not be trusted.
pub fn self_test() -> Result<(), TokenError> {
    const KNOWN: &str = "ip1.7.nz-bGZ5zC97cedwFR7GA8eoGNEbLPuxIPj1JyzBGT9g";
    crate::crypto::self_test().map_err(|_| TokenError::Forged)?;
    let secret = crate::crypto::SecretBytes::new((0..64).collect());
    let key = DataKey::new(Purpose::Mask, secret).map_err(|_| TokenError::Forged)?;
    let mut cipher = FieldCipher::new(&key, Field::Ip, KeyId(7));
    let plaintext = Plaintext::of(Field::Ip, "::").map_err(|_| TokenError::Forged)?;
    let opened = cipher.open(&Token::parse(KNOWN)?)?;
    let agree = cipher.seal(&plaintext).as_str() == KNOWN && opened.expose() == plaintext.expose();
    if agree { Ok(()) } else { Err(TokenError::Forged) }
}

/// Number of a data key: a decimal of `u32` in every token, so that a census is `like 'ip1.7.%'`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct KeyId(u32);

impl KeyId {
    /// Key ids start at 1; 0 is no key.
    #[must_use]
    pub fn new(id: u32) -> Option<Self> {
        (id > 0).then_some(Self(id))
    }

    /// The number, as SQL stores it.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        i64::from(self.0)
    }

    /// The number in four bytes, most significant first, as associated data carries it.
    #[must_use]
    pub fn to_be_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl TryFrom<i64> for KeyId {
    type Error = TokenError;

    fn try_from(id: i64) -> Result<Self, TokenError> {
        u32::try_from(id).ok().and_then(Self::new).ok_or(TokenError::KeyId)
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for KeyId {
    type Err = TokenError;

    /// One spelling only: ASCII digits without a leading zero, sign or space.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let canonical = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| canonical).map(Self).ok_or(TokenError::KeyId)
    }
}

//! The number by which a data key is named.

use super::TokenError;

/// Number of a data key: a decimal of `u32` in every token, so that a census is `like
/// 'ip1.7.%'`.
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

//! The body of a message or the line of a file, as it came: plaintext in every field, so
//! it cannot be printed.

use crate::crypto::SecretBytes;

/// The raw bytes of one event, zeroed when dropped.
pub struct Body(SecretBytes);

impl Body {
    /// Takes over the bytes of a message.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(SecretBytes::new(bytes))
    }

    /// Takes over an opened body.
    #[must_use]
    pub fn from_secret(secret: SecretBytes) -> Self {
        Self(secret)
    }

    /// Its memory, to be filled anew.
    #[must_use]
    pub fn into_secret(self) -> SecretBytes {
        self.0
    }

    /// The bytes themselves. Whoever calls this answers for where they go: the parser and
    /// the sealer.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// How many bytes it has; budgets count it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

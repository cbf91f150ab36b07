//! What can be wrong with a token.

use super::Field;

/// Why a text is no token, or does not open. Says nothing about the value in it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// No prefix of a field in front.
    #[error("starts with no prefix of a token: {}", Field::ALL.map(Field::prefix).join(" "))]
    Prefix,
    /// No key id between the dots, or not its one spelling.
    #[error("has no valid key id")]
    KeyId,
    /// Padding, a foreign character, trailing bits or an impossible length.
    #[error("is damaged or cut")]
    Encoding,
    /// A token of another field or key was given to this cipher.
    #[error("belongs to another field or key")]
    Foreign,
    /// The bytes do not authenticate under the named key.
    #[error("does not authenticate under its key")]
    Forged,
}

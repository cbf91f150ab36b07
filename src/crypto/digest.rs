//! SHA-256 over public facts: content digests and the ids made from them. Never over a
//! value (that is a hash's work).

use sha2::Digest as _;
use sha2::Sha256;
use uuid::Uuid;

/// A running SHA-256.
#[derive(Clone, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> [u8; 32] {
        let mut digest = Self::default();
        digest.update(bytes);
        digest.current()
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far; the run goes on.
    #[must_use]
    pub fn current(&self) -> [u8; 32] {
        let full = self.0.clone().finalize();
        std::array::from_fn(|i| full[i])
    }
}

/// A UUIDv8 (RFC 9562) of the SHA-256 over `parts`, each behind its
/// length as eight bytes.
#[must_use]
pub fn digest_uuid(parts: &[&[u8]]) -> Uuid {
    let mut digest = Digest::default();
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let full = digest.current();
    uuid::Builder::from_custom_bytes(std::array::from_fn(|i| full[i])).into_uuid()
}

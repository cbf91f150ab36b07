//! The hash of a value: the analyst's handle, stable while data keys rotate.
//!
//! Invariant: it depends on the value's canonical bytes and the hash key alone.

use uuid::Uuid;

use super::{DataKey, Field, Plaintext};
use crate::crypto::Mac;

/// Hashes the values of one field.
pub struct FieldHasher {
    field: Field,
    mac: Mac,
}

impl FieldHasher {
    /// Derives the field's key from a data key of purpose `hash`.
    #[must_use]
    pub fn new(data_key: &DataKey, field: Field) -> Self {
        debug_assert!(data_key.purpose() == super::Purpose::Hash);
        Self { field, mac: Mac::new(&data_key.hash_key(field)) }
    }

    /// The first 16 bytes of HMAC-SHA256 over `P`, as a UUIDv8 (RFC 9562, section 5.8).
    #[must_use]
    pub fn hash(&self, plaintext: &Plaintext) -> Uuid {
        debug_assert!(plaintext.field() == self.field);
        uuid::Builder::from_custom_bytes(self.mac.first_16(plaintext.expose())).into_uuid()
    }
}

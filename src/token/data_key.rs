//! A data key: the secret that is wrapped by KMS and from which the key of
//! each field is derived.

use super::Field;
use crate::crypto::{SecretBytes, derive_key, length_prefixed};

/// What a data key is for. A key is never used for two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Tokens (AES-SIV).
    Mask,
    /// Hashes (HMAC).
    Hash,
    /// Bodies in quarantine (AES-SIV).
    Seal,
}

impl Purpose {
    /// All purposes, in the order in which `init` makes their keys.
    pub const ALL: [Self; 3] = [Self::Mask, Self::Hash, Self::Seal];

    /// The name in SQL and in the KMS encryption context (fixed).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Hash => "hash",
            Self::Seal => "seal",
        }
    }

    /// The purpose of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// Length of a data key of this purpose in bytes (fixed).
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Mask | Self::Seal => 64,
            Self::Hash => 32,
        }
    }
}

/// The key material has not the length of its purpose.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the key material is not {expected} bytes long")]
pub struct WrongLength {
    expected: usize,
}

/// An unwrapped data key of a known purpose.
pub struct DataKey {
    purpose: Purpose,
    secret: SecretBytes,
}

impl DataKey {
    /// Takes over key material of the purpose's length.
    ///
    /// # Errors
    /// When the length is another.
    pub fn new(purpose: Purpose, secret: SecretBytes) -> Result<Self, WrongLength> {
        let expected = purpose.key_len();
        if secret.len() == expected {
            Ok(Self { purpose, secret })
        } else {
            Err(WrongLength { expected })
        }
    }

    /// What the key is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The raw key, for wrapping it by KMS and for nothing else.
    #[must_use]
    pub fn expose_for_wrapping(&self) -> &SecretBytes {
        &self.secret
    }

    /// 16 public bytes that tell whether an unwrapped key is the one that was wrapped.
    #[must_use]
    pub fn check_value(&self) -> [u8; 16] {
        let derived = derive_key(&self.secret, &info("loginetl/check/v1", self.purpose.name()), 16);
        std::array::from_fn(|i| derived.expose()[i])
    }

    /// The part of this key that authenticates plans of jobs.
    #[must_use]
    pub fn plan_key(&self) -> SecretBytes {
        derive_key(&self.secret, &info("loginetl/plan/v1", self.purpose.name()), 32)
    }

    /// The AES-SIV key of a field's tokens.
    pub(super) fn token_key(&self, field: Field) -> SecretBytes {
        derive_key(&self.secret, &info("loginetl/siv/v1", field.name()), 64)
    }

    /// The HMAC key of a field's hashes.
    pub(super) fn hash_key(&self, field: Field) -> SecretBytes {
        derive_key(&self.secret, &info("loginetl/hash/v1", field.name()), 32)
    }

    /// The AES-SIV key of sealed bodies.
    pub(super) fn seal_key(&self) -> SecretBytes {
        derive_key(&self.secret, b"loginetl/seal/v1", 64)
    }
}

fn info(label: &str, name: &str) -> Vec<u8> {
    label.bytes().chain(length_prefixed(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_length_is_no_key() {
        for purpose in Purpose::ALL {
            assert!(DataKey::new(purpose, SecretBytes::zeroed(purpose.key_len())).is_ok());
            assert!(DataKey::new(purpose, SecretBytes::zeroed(purpose.key_len() - 1)).is_err());
            assert_eq!(Purpose::from_name(purpose.name()), Some(purpose));
        }
    }

    #[test]
    fn keys_of_fields_and_purposes_differ() {
        let key = |purpose, byte| DataKey::new(purpose, SecretBytes::copy_of(&[byte; 64])).ok();
        let (Some(mask), Some(seal)) = (key(Purpose::Mask, 1), key(Purpose::Seal, 1)) else {
            panic!("64-byte keys")
        };
        assert_ne!(mask.token_key(Field::Ip).expose(), mask.token_key(Field::DeviceId).expose());
        assert_ne!(mask.check_value(), seal.check_value());
    }
}

//! A sealed body: what quarantine keeps of a message that could not be loaded.
//!
//! `0x01 ‖ key id u32 BE ‖ nonce 16 ‖ SIV ‖ C`; associated data: the label (`"loginetl"
//! 0x01 ‖ u8 len ‖ "quarantine" ‖ key id ‖ message id`), then the nonce. Bound to its
//! message: a body moved to another row does not open.

use uuid::Uuid;

use super::{DataKey, KeyId};
use crate::crypto::{SIV_LEN, SecretBytes, Siv, length_prefixed, random_nonce};

const VERSION: u8 = 1;
const KEY_ID_END: usize = 5;
const NONCE_END: usize = 21;
const SIV_END: usize = NONCE_END + SIV_LEN;

/// Why a body cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The operating system gave no random nonce.
    #[error("no random nonce to be had")]
    NoRandomness(#[from] getrandom::Error),
    /// Too short, or of a version this program does not know.
    #[error("the sealed body is damaged or of an unknown version")]
    Malformed,
    /// It does not authenticate for this message.
    #[error("the sealed body does not authenticate under its key for its message")]
    Forged,
}

/// Seals and opens bodies under one data key of purpose `seal`.
pub struct Sealer {
    key_id: KeyId,
    siv: Siv,
}

impl Sealer {
    /// Derives the sealing key.
    #[must_use]
    pub fn new(data_key: &DataKey, key_id: KeyId) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "HKDF was asked for exactly the 64 bytes that the cipher takes"
        )]
        let siv = Siv::new(&data_key.seal_key()).expect("a derived sealing key is 64 bytes");
        Self { key_id, siv }
    }

    /// Which data key a sealed body names.
    ///
    /// # Errors
    /// When the bytes are no sealed body.
    pub fn key_id_of(sealed: &[u8]) -> Result<KeyId, SealError> {
        match sealed {
            [VERSION, a, b, c, d, rest @ ..] if rest.len() >= 16 + SIV_LEN => {
                KeyId::new(u32::from_be_bytes([*a, *b, *c, *d])).ok_or(SealError::Malformed)
            }
            _ => Err(SealError::Malformed),
        }
    }

    /// Seals a body for the message it came in.
    ///
    /// # Errors
    /// When there is no randomness for the nonce.
    pub fn seal(&mut self, message_id: Uuid, body: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = random_nonce()?;
        let id = self.key_id.to_be_bytes();
        // In one piece from the start: no reallocation leaves a part of the body behind.
        let mut sealed = [&[VERSION][..], &id, &nonce, &[0; SIV_LEN], body].concat();
        let label = self.label(message_id);
        let siv = self.siv.seal([&label, &nonce], &mut sealed[SIV_END..]);
        sealed[NONCE_END..SIV_END].copy_from_slice(&siv);
        Ok(sealed)
    }

    /// The body of a message, if these bytes were sealed for it under this key.
    ///
    /// # Errors
    /// When they were not.
    pub fn open(&mut self, message_id: Uuid, sealed: &[u8]) -> Result<SecretBytes, SealError> {
        if Self::key_id_of(sealed)? != self.key_id {
            return Err(SealError::Forged);
        }
        let nonce = &sealed[KEY_ID_END..NONCE_END];
        let label = self.label(message_id);
        self.siv.open([&label, nonce], &sealed[NONCE_END..]).map_err(|_| SealError::Forged)
    }

    fn label(&self, message_id: Uuid) -> Vec<u8> {
        b"loginetl\x01"
            .iter()
            .copied()
            .chain(length_prefixed("quarantine"))
            .chain(self.key_id.to_be_bytes())
            .chain(message_id.into_bytes())
            .collect()
    }
}

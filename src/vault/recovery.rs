//! Opening tokens and sealed bodies with released keys, into values that only a receipt
//! can read.
//!
//! Invariant: nothing here hands out a plaintext but [`Recovered::disclose`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use uuid::Uuid;

use crate::audit::Head;
use crate::crypto::SecretBytes;
use crate::db::SealedBody;
use crate::token::{
    DataKey, Field, FieldCipher, FieldHasher, KeyId, Plaintext, Purpose, Sealer, Token,
};

/// Proof that the outcome of a request is committed and signed.
pub struct Receipt {
    head: Head,
    request: i64,
}

impl Receipt {
    /// For the gate, which has seen the outcome of the request signed.
    pub(super) fn of_outcome(head: Head, request: i64) -> Self {
        Self { head, request }
    }

    /// The head of the log that the outcome made.
    #[must_use]
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }
}

/// The proof is of another request than the value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a value of another request than the one whose outcome is on record")]
pub struct OtherRequest;

/// A recovered value or body. It cannot be printed, cloned or serialised; it is zeroed
/// when dropped.
pub struct Recovered {
    bytes: SecretBytes,
    request: i64,
}

impl Recovered {
    /// The bytes, for whoever holds the proof that the outcome of the same
    /// request is recorded.
    ///
    /// # Errors
    /// When the proof is of another one.
    pub fn disclose(&self, proof: &Receipt) -> Result<&[u8], OtherRequest> {
        if proof.request == self.request { Ok(self.bytes.expose()) } else { Err(OtherRequest) }
    }
}

/// A value that was opened, and the hashes by which its rows are found.
pub(crate) struct OpenedValue {
    /// The value, as people write it.
    pub value: Recovered,
    /// Its hash under each hash key in force.
    pub hashes: Vec<Uuid>,
}

/// Why something does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenFailure {
    /// Its key was not released.
    NoKey,
    /// It does not authenticate: it was changed, or belongs elsewhere.
    Forged,
}

/// Keys that were released for one request. Each cipher is keyed once.
pub(crate) struct RecoveryKeys {
    request: i64,
    keys: HashMap<KeyId, DataKey>,
    ciphers: HashMap<(Field, KeyId), FieldCipher>,
    hashers: HashMap<(Field, KeyId), FieldHasher>,
}

impl RecoveryKeys {
    pub(super) fn new(request: i64, keys: impl Iterator<Item = (KeyId, DataKey)>) -> Self {
        Self { request, keys: keys.collect(), ciphers: HashMap::new(), hashers: HashMap::new() }
    }

    /// Opens a token and hashes its value under `hash_keys`.
    ///
    /// # Errors
    /// When a key is missing, or the token does not authenticate.
    pub(crate) fn open(
        &mut self,
        token: &Token,
        hash_keys: &[KeyId],
    ) -> Result<OpenedValue, OpenFailure> {
        let (field, key_id) = (token.field(), token.key_id());
        let cipher = match self.ciphers.entry((field, key_id)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(FieldCipher::new(
                key_of(&self.keys, key_id, Purpose::Mask)?,
                field,
                key_id,
            )),
        };
        let plaintext = cipher.open(token).map_err(|_| OpenFailure::Forged)?;
        self.identify(plaintext, hash_keys)
    }

    /// Hashes a value under `hash_keys`.
    ///
    /// # Errors
    /// When a key is missing.
    pub(crate) fn identify(
        &mut self,
        plaintext: Plaintext,
        hash_keys: &[KeyId],
    ) -> Result<OpenedValue, OpenFailure> {
        let field = plaintext.field();
        let mut hashes = Vec::new();
        for key_id in hash_keys {
            let hasher = match self.hashers.entry((field, *key_id)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    new.insert(FieldHasher::new(key_of(&self.keys, *key_id, Purpose::Hash)?, field))
                }
            };
            hashes.push(hasher.hash(&plaintext));
        }
        Ok(OpenedValue {
            value: Recovered { bytes: plaintext.into_text(), request: self.request },
            hashes,
        })
    }

    /// Opens the sealed body of a message.
    ///
    /// # Errors
    /// When its key is missing, or it does not authenticate for its message.
    pub(crate) fn open_body(&self, body: &SealedBody) -> Result<Recovered, OpenFailure> {
        let key_id = Sealer::key_id_of(&body.sealed).map_err(|_| OpenFailure::Forged)?;
        let mut sealer = Sealer::new(key_of(&self.keys, key_id, Purpose::Seal)?, key_id);
        sealer
            .open(body.message_id, &body.sealed)
            .map(|bytes| Recovered { bytes, request: self.request })
            .map_err(|_| OpenFailure::Forged)
    }
}

fn key_of(
    keys: &HashMap<KeyId, DataKey>,
    key_id: KeyId,
    purpose: Purpose,
) -> Result<&DataKey, OpenFailure> {
    keys.get(&key_id).filter(|key| key.purpose() == purpose).ok_or(OpenFailure::NoKey)
}

//! From old tokens to new ones: each opened under the key that it names, its value hashed
//! and compared, and sealed anew.
//!
//! Invariant: a token is replaced only if its value has the hash of its row; whatever
//! does not open stays as it is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use futures_util::future::try_join_all;
use uuid::Uuid;

use super::VaultError;
use super::keyring::unwrap_row;
use crate::crypto::SecretBytes;
use crate::db::{Move, Rotation, SealedBody, Session, TokenGroup};
use crate::kms::Kms;
use crate::token::{
    DataKey, Field, FieldCipher, FieldHasher, Holder, KeyId, Purpose, SealError, Sealer, Token,
};

/// All keys that something may be under, unwrapped.
pub(crate) struct SweepKeys(HashMap<KeyId, DataKey>);

impl SweepKeys {
    /// Unwraps every key that is not destroyed, with the right of the ingest holder.
    ///
    /// # Errors
    /// When the database or KMS fails, or a key is not the one that was wrapped.
    pub(crate) async fn unwrap_all(session: &Session, kms: &Kms) -> Result<Self, VaultError> {
        let rows = session.wraps_of_holder(Holder::Ingest).await?;
        let keys =
            try_join_all(rows.iter().map(|row| unwrap_row(kms, row, Holder::Ingest))).await?;
        Ok(Self(rows.iter().map(|row| row.key_id).zip(keys).collect()))
    }

    fn get(&self, id: KeyId, purpose: Purpose) -> Option<&DataKey> {
        self.0.get(&id).filter(|key| key.purpose() == purpose)
    }

    fn require(&self, id: KeyId, purpose: Purpose) -> Result<&DataKey, VaultError> {
        self.get(id, purpose).ok_or(VaultError::Unreadable(id))
    }

    /// Opens a sealed body under the key that it names and seals it under `key`. Nothing,
    /// if it does not open.
    ///
    /// # Errors
    /// When `key` is missing, or there is no randomness.
    pub(crate) fn seal_anew(
        &self,
        old: &SealedBody,
        key: KeyId,
    ) -> Result<Option<Vec<u8>>, VaultError> {
        let body: Option<SecretBytes> = Sealer::key_id_of(&old.sealed).ok().and_then(|id| {
            let mut sealer = Sealer::new(self.get(id, Purpose::Seal)?, id);
            sealer.open(old.message_id, &old.sealed).ok()
        });
        let Some(body) = body else { return Ok(None) };
        let mut sealer = Sealer::new(self.require(key, Purpose::Seal)?, key);
        match sealer.seal(old.message_id, body.expose()) {
            Ok(sealed) => Ok(Some(sealed)),
            Err(SealError::NoRandomness(_)) => Err(VaultError::NoRandomness),
            Err(_) => Ok(None),
        }
    }
}

/// What becomes of values.
#[derive(Default)]
pub(crate) struct Converted {
    moves: Vec<Move>,
    stuck: Vec<TokenGroup>,
    /// A move of each hash, so that a value is opened once for all its rows.
    known: HashMap<Uuid, usize>,
}

impl Converted {
    /// The rows that open, and the values that do not and stay as they are, each once
    /// with all its rows.
    #[must_use]
    pub(crate) fn into_parts(self) -> (Vec<Move>, Vec<TokenGroup>) {
        let Self { moves, mut stuck, .. } = self;
        stuck.sort_unstable_by(|a, b| (a.hash, &a.token).cmp(&(b.hash, &b.token)));
        stuck.dedup_by(|other, first| {
            let same = (other.hash, &other.token) == (first.hash, &first.token);
            first.rows += if same { other.rows } else { 0 };
            same
        });
        (moves, stuck)
    }
}

/// Converts the values of one rotation. Each cipher is keyed once.
pub(crate) struct Converter<'a> {
    keys: &'a SweepKeys,
    field: Field,
    ciphers: HashMap<KeyId, FieldCipher>,
    old_hash: FieldHasher,
    new_hash: Option<FieldHasher>,
    to: FieldCipher,
}

impl<'a> Converter<'a> {
    /// Keys what a rotation needs.
    ///
    /// # Errors
    /// When one of its keys is missing.
    pub(crate) fn new(keys: &'a SweepKeys, rotation: &Rotation) -> Result<Self, VaultError> {
        let field = rotation.field;
        let hasher =
            |id| Ok::<_, VaultError>(FieldHasher::new(keys.require(id, Purpose::Hash)?, field));
        let changes = rotation.to_hash_key != rotation.from_hash_key;
        Ok(Self {
            keys,
            field,
            ciphers: HashMap::new(),
            old_hash: hasher(rotation.from_hash_key)?,
            new_hash: if changes { Some(hasher(rotation.to_hash_key)?) } else { None },
            to: FieldCipher::new(
                keys.require(rotation.to_key, Purpose::Mask)?,
                field,
                rotation.to_key,
            ),
        })
    }

    /// Adds what becomes of a value.
    pub(crate) fn convert(&mut self, value: TokenGroup, to: &mut Converted) {
        let known = to.known.get(&value.hash).map(|at| &to.moves[*at]);
        let known = known.filter(|known| Some(&known.token) == value.token.as_ref());
        match known
            .map(|known| (known.new_hash, known.new_token.clone()))
            .or_else(|| self.convert_one(&value))
        {
            Some((new_hash, new_token)) => {
                let TokenGroup { hash, token, place, .. } = value;
                to.known.insert(hash, to.moves.len());
                to.moves.push(Move {
                    hash,
                    token: token.unwrap_or_default(),
                    new_token,
                    new_hash,
                    place,
                });
            }
            None => to.stuck.push(value),
        }
    }

    fn convert_one(&mut self, value: &TokenGroup) -> Option<(Uuid, String)> {
        let token = Token::parse(value.token.as_deref()?)
            .ok()
            .filter(|token| token.field() == self.field)?;
        let cipher = match self.ciphers.entry(token.key_id()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(FieldCipher::new(
                self.keys.get(token.key_id(), Purpose::Mask)?,
                self.field,
                token.key_id(),
            )),
        };
        let plaintext = cipher.open(&token).ok()?;
        if self.old_hash.hash(&plaintext) != value.hash {
            return None;
        }
        let new_hash = self.new_hash.as_ref().map_or(value.hash, |hasher| hasher.hash(&plaintext));
        Some((new_hash, self.to.seal(&plaintext).into_string()))
    }
}

#[cfg(test)]
mod tests;

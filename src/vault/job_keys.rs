//! The keys of a job: unwrapped from the wraps in its plan, without a database.
//!
//! Invariant: a token is replaced only if its value has the hash beside it; whatever does
//! not open stays as it is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use futures_util::future::try_join_all;
use uuid::Uuid;

use super::VaultError;
use super::keyring::unwrap_row;
use crate::crypto::{Mac, SecretBytes, derive_key};
use crate::db::KeyRow;
use crate::kms::Kms;
use crate::login::{KeySource, ValueKeys};
use crate::token::{
    DataKey, Field, FieldCipher, FieldHasher, Holder, KeyId, PerField, Purpose, Token,
};

/// All keys of a plan.
pub(crate) struct JobKeys(HashMap<KeyId, DataKey>);

impl JobKeys {
    /// Unwraps the keys of a plan, with the right of the ingest holder.
    ///
    /// # Errors
    /// When KMS fails, or a key is not the one that was wrapped.
    pub(crate) async fn unwrap(kms: &Kms, rows: &[KeyRow]) -> Result<Self, VaultError> {
        Ok(try_join_all(rows.iter().map(|row| Self::unwrap_one(kms, row)))
            .await?
            .into_iter()
            .collect())
    }

    /// Unwraps one of them.
    ///
    /// # Errors
    /// As [`JobKeys::unwrap`].
    pub(crate) async fn unwrap_one(
        kms: &Kms,
        row: &KeyRow,
    ) -> Result<(KeyId, DataKey), VaultError> {
        Ok((row.key_id, unwrap_row(kms, row, Holder::Ingest).await?))
    }

    /// What authenticates a plan: only who has all of its keys can compute it.
    #[must_use]
    pub(crate) fn authenticate(&self, plan: &[u8]) -> [u8; 16] {
        let mut keys: Vec<_> = self.0.iter().collect();
        keys.sort_unstable_by_key(|(id, _)| **id);
        let mut all = SecretBytes::zeroed(0);
        for (_, key) in keys {
            all.append(key.plan_key().expose());
        }
        Mac::new(&derive_key(&all, b"loginetl/plan/v1", 32)).first_16(plan)
    }

    fn of_purpose(&self, purpose: Purpose) -> impl Iterator<Item = (KeyId, &DataKey)> {
        self.0.iter().filter(move |(_, key)| key.purpose() == purpose).map(|(id, key)| (*id, key))
    }

    fn get(&self, id: KeyId, purpose: Purpose) -> Result<&DataKey, VaultError> {
        let key = self.0.get(&id).filter(|key| key.purpose() == purpose);
        key.ok_or(VaultError::Unreadable(id))
    }
}

impl FromIterator<(KeyId, DataKey)> for JobKeys {
    fn from_iter<I: IntoIterator<Item = (KeyId, DataKey)>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl KeySource for JobKeys {
    fn data_key(&self, id: KeyId) -> Option<&DataKey> {
        self.0.get(&id)
    }
}

/// Brings tokens and hashes under other keys. Each cipher is keyed once.
pub(crate) struct Remasker {
    fields: PerField<FieldRemasker>,
}

struct FieldRemasker {
    to: ValueKeys,
    old: HashMap<KeyId, FieldCipher>,
    new: FieldCipher,
    /// That of the new key first.
    hashers: Vec<FieldHasher>,
    /// The value that came last: equal ones come together where an archive is sorted.
    last: Option<(Token, Uuid, (Token, Uuid))>,
}

impl Remasker {
    /// Keys what a rewrite needs.
    ///
    /// # Errors
    /// When a key of the plan is missing.
    pub(crate) fn new(fields: PerField<ValueKeys>, keys: &JobKeys) -> Result<Self, VaultError> {
        let fields = fields.try_map(|field, to| FieldRemasker::new(field, to, keys))?;
        Ok(Self { fields })
    }

    /// Which fields it knows.
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field> + use<'_> {
        self.fields.fields()
    }

    /// Token and hash of the same value under the keys of the plan; nothing, if the token
    /// does not open, or its value has another hash.
    pub(crate) fn remask(
        &mut self,
        field: Field,
        token: &str,
        hash: &str,
    ) -> Option<(Token, Uuid)> {
        let token = Token::parse(token).ok().filter(|token| token.field() == field)?;
        // One spelling: as it is written here.
        let hash = Uuid::try_parse(hash).ok().filter(|id| id.to_string() == *hash)?;
        self.fields.get_mut(field)?.remask(token, hash)
    }
}

impl FieldRemasker {
    fn new(field: Field, to: ValueKeys, keys: &JobKeys) -> Result<Self, VaultError> {
        let old = keys.of_purpose(Purpose::Mask);
        let mut hashers = vec![FieldHasher::new(keys.get(to.hash, Purpose::Hash)?, field)];
        let others = keys.of_purpose(Purpose::Hash).filter(|(id, _)| *id != to.hash);
        hashers.extend(others.map(|(_, key)| FieldHasher::new(key, field)));
        Ok(Self {
            to,
            old: old.map(|(id, key)| (id, FieldCipher::new(key, field, id))).collect(),
            new: FieldCipher::new(keys.get(to.mask, Purpose::Mask)?, field, to.mask),
            hashers,
            last: None,
        })
    }

    fn remask(&mut self, token: Token, hash: Uuid) -> Option<(Token, Uuid)> {
        if let Some((last_token, last_hash, made)) = &self.last
            && (last_token, *last_hash) == (&token, hash)
        {
            return Some(made.clone());
        }
        let Entry::Occupied(mut cipher) = self.old.entry(token.key_id()) else { return None };
        let plaintext = cipher.get_mut().open(&token).ok()?;
        let is_known = self.hashers.iter().any(|hasher| hasher.hash(&plaintext) == hash);
        let new_hash = self.hashers.first().filter(|_| is_known)?.hash(&plaintext);
        let same = token.key_id() == self.to.mask;
        let new_token = if same { token.clone() } else { self.new.seal(&plaintext) };
        let made = (new_token, new_hash);
        self.last = Some((token, hash, made.clone()));
        Some(made)
    }
}

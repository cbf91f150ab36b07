//! A worker's masker, keyed for the keys in force: anew when they have changed, and once
//! more under the fence.
//!
//! Invariants: a masker that was fitted to a plan masks by that plan; no transaction is
//! open while KMS unwraps a key.

use std::sync::Arc;

use super::{KeyCache, Keyring, VaultError};
use crate::login::{Masker, Plan};

/// A worker's own ciphers, for the keys that it saw last.
#[derive(Default)]
pub(crate) struct Masking(Option<(Arc<Keyring>, Masker)>);

/// How a masker stands to a plan that was read under the fence.
pub(crate) enum Fit<'a> {
    /// It masks by that plan already.
    Same(&'a mut Masker),
    /// It was keyed anew: what it masked before may be under another key.
    Anew(&'a mut Masker),
    /// These keys lack one. End the transaction, then let [`KeyCache::refresh`] learn it,
    /// and try again.
    Unknown(Arc<Keyring>),
}

impl Masking {
    /// The masker for the keys in force, as far as this process knows; keyed anew when
    /// they have changed.
    ///
    /// # Errors
    /// When the keys are not to be had.
    pub(crate) async fn masker(&mut self, keys: &KeyCache) -> Result<&mut Masker, VaultError> {
        let keyring = keys.keyring().await?;
        let current = match self.0.take() {
            Some((known, masker)) if Arc::ptr_eq(&known, &keyring) => (known, masker),
            _ => key(keyring)?,
        };
        Ok(&mut self.0.insert(current).1)
    }

    /// The masker for a plan that was read under the fence; `keys` takes over a plan that
    /// is new here.
    ///
    /// # Errors
    /// When a cipher cannot be keyed.
    pub(crate) fn fit(&mut self, keys: &KeyCache, plan: Plan) -> Result<Fit<'_>, VaultError> {
        match self.0.take() {
            Some(same) if *same.1.plan() == plan => Ok(Fit::Same(&mut self.0.insert(same).1)),
            _ => match keys.adopt(plan) {
                Ok(keyring) => Ok(Fit::Anew(&mut self.0.insert(key(keyring)?).1)),
                Err(known) => Ok(Fit::Unknown(known)),
            },
        }
    }
}

fn key(keyring: Arc<Keyring>) -> Result<(Arc<Keyring>, Masker), VaultError> {
    let masker = Masker::new(keyring.plan(), keyring.as_ref()).map_err(VaultError::Unreadable)?;
    Ok((keyring, masker))
}

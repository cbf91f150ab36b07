//! The keys in force, unwrapped: cached in this process, bounded in age, learnt anew when
//! a rotation has moved on.
//!
//! Invariant: whatever fails, there is no plaintext path and no fallback key: loading
//! waits or stops.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use super::VaultError;
use crate::db::{DbError, KeyRow, Target};
use crate::kms::{Kms, WrapContext};
use crate::login::{KeySource, Plan};
use crate::token::{DataKey, Holder, KeyId};

/// After this, unwrapped keys are unwrapped again.
const REFRESH_AFTER: Duration = Duration::from_secs(30 * 60);
/// After a refresh that failed, the next try waits for this long.
const RETRY_AFTER: Duration = Duration::from_secs(15);
/// If the database does not answer for this long while keys are read, it is gone.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// After this, they are not used any more.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// The plan and the unwrapped keys that it names.
pub(crate) struct Keyring {
    plan: Plan,
    keys: HashMap<KeyId, Arc<DataKey>>,
    unwrapped_at: Instant,
}

impl Keyring {
    /// Which keys are in force, as far as this process knows.
    #[must_use]
    pub(crate) fn plan(&self) -> Plan {
        self.plan
    }
}

impl KeySource for Keyring {
    fn data_key(&self, id: KeyId) -> Option<&DataKey> {
        self.keys.get(&id).map(Arc::as_ref)
    }
}

/// Who is told of failures.
type FailureTold = dyn Fn(&VaultError) + Send + Sync;

/// Gives the loader its keys.
pub(crate) struct KeyCache {
    target: Target,
    kms: Kms,
    current: RwLock<Arc<Keyring>>,
    refreshing: tokio::sync::Mutex<()>,
    failed_at: Mutex<Option<Instant>>,
    told: OnceLock<Box<FailureTold>>,
}

impl KeyCache {
    /// Unwraps the keys in force.
    ///
    /// # Errors
    /// When there are none, the database or KMS fails, or an unwrapped key is not the one
    /// that was wrapped.
    pub(crate) async fn open(target: Target, kms: Kms) -> Result<Self, VaultError> {
        let keyring = unwrap_keyring(&target, &kms).await?;
        Ok(Self {
            target,
            kms,
            current: RwLock::new(Arc::new(keyring)),
            refreshing: tokio::sync::Mutex::default(),
            failed_at: Mutex::default(),
            told: OnceLock::new(),
        })
    }

    /// Tells of each failure that [`KeyCache::keyring`] keeps to itself.
    pub(crate) fn tell_failures(&self, told: impl Fn(&VaultError) + Send + Sync + 'static) {
        let _ = self.told.set(Box::new(told));
    }

    /// The keys in force, unwrapped again when they have aged. While that fails, the
    /// known ones serve up to an hour.
    ///
    /// # Errors
    /// When they are over an hour old and cannot be unwrapped again.
    pub(crate) async fn keyring(&self) -> Result<Arc<Keyring>, VaultError> {
        let known = self.current();
        let age = known.unwrapped_at.elapsed();
        if age < REFRESH_AFTER || (age < MAX_AGE && self.is_being_refreshed()) {
            return Ok(known);
        }
        match self.refresh(&known).await {
            Err(error) if error.retry().may_help() && age < MAX_AGE => {
                self.told.get().into_iter().for_each(|tell| tell(&error));
                *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Instant::now());
                Ok(known)
            }
            Err(error) if error.retry().may_help() => Err(VaultError::Expired(Box::new(error))),
            other => other,
        }
    }

    /// Whether another task refreshes the keys now, or that has just failed: then nobody
    /// waits for it.
    fn is_being_refreshed(&self) -> bool {
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.refreshing.try_lock().is_err()
            || failed_at.is_some_and(|at| at.elapsed() < RETRY_AFTER)
    }

    /// Learns keys that `known` lacks. Callers that come together share
    /// one round of calls.
    ///
    /// # Errors
    /// As [`KeyCache::open`].
    pub(crate) async fn refresh(&self, known: &Arc<Keyring>) -> Result<Arc<Keyring>, VaultError> {
        let _one_at_a_time = self.refreshing.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current, known) {
            return Ok(current);
        }
        let keyring = Arc::new(unwrap_keyring(&self.target, &self.kms).await?);
        self.replace(Arc::clone(&keyring));
        Ok(keyring)
    }

    /// Takes over a plan that was read under the fence.
    ///
    /// # Errors
    /// The keys that are known, if one of the plan is not among them.
    pub(crate) fn adopt(&self, plan: Plan) -> Result<Arc<Keyring>, Arc<Keyring>> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if !plan.key_ids().all(|id| current.keys.contains_key(&id)) {
            return Err(Arc::clone(&current));
        }
        if current.plan != plan {
            let (keys, unwrapped_at) = (current.keys.clone(), current.unwrapped_at);
            *current = Arc::new(Keyring { plan, keys, unwrapped_at });
        }
        Ok(Arc::clone(&current))
    }

    /// What this process knows now, without asking anybody.
    #[must_use]
    pub(crate) fn current(&self) -> Arc<Keyring> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, keyring: Arc<Keyring>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = keyring;
    }
}

/// Reads plan and wraps, and has KMS unwrap them, all at once.
async fn unwrap_keyring(target: &Target, kms: &Kms) -> Result<Keyring, VaultError> {
    let read = async {
        let mut session = target.connect().await?;
        session.check_schema_version().await?;
        session.plan_and_wraps().await
    };
    let mute = |_| DbError::Lost { action: "reading the keys in force" };
    let (plan, rows) = tokio::time::timeout(READ_TIMEOUT, read).await.map_err(mute).flatten()?;
    let plan = plan.ok_or(VaultError::NoKeys)?;
    let unwrapped_at = Instant::now();
    let keys = try_join_all(rows.iter().map(|row| unwrap_row(kms, row, Holder::Ingest))).await?;
    let keys: HashMap<_, _> =
        rows.iter().map(|row| row.key_id).zip(keys.into_iter().map(Arc::new)).collect();
    match plan.key_ids().find(|id| !keys.contains_key(id)) {
        Some(missing) => Err(VaultError::Unreadable(missing)),
        None => Ok(Keyring { plan, keys, unwrapped_at }),
    }
}

/// Whether a wrap opens to the key that its check value is of. The key
/// itself goes no further.
///
/// # Errors
/// When KMS fails or the key is another.
pub(crate) async fn check_wrap(kms: &Kms, row: &KeyRow, holder: Holder) -> Result<(), VaultError> {
    unwrap_row(kms, row, holder).await.map(drop)
}

/// Unwraps one key and compares it with its check value.
pub(super) async fn unwrap_row(
    kms: &Kms,
    row: &KeyRow,
    holder: Holder,
) -> Result<DataKey, VaultError> {
    let context = WrapContext { purpose: row.purpose, key_id: row.key_id, holder };
    let secret = kms.unwrap_key(&row.kms_key_arn, &row.wrapped, context).await;
    let secret = secret.map_err(|source| VaultError::Kms { key_id: row.key_id, source })?;
    let key = DataKey::new(row.purpose, secret).map_err(|_| VaultError::CheckValue(row.key_id))?;
    if key.check_value() == row.check_value.as_slice() {
        Ok(key)
    } else {
        Err(VaultError::CheckValue(row.key_id))
    }
}

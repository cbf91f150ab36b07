//! What the stages of one run share: options, clients, counters, and the way to stop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::held::Held;
use super::tally::Tally;
use crate::db::Target;
use crate::error::Error;
use crate::login::{AppVersionEncoding, Masker};
use crate::queue::{BATCH, Queue, Receipt};
use crate::vault::{Keyring, Vault, VaultError};

/// The flags that stages need.
pub struct Options {
    /// End when the queue stays empty.
    pub drain: bool,
    /// End after this many messages.
    pub max_messages: Option<u64>,
    /// Most receivers at once.
    pub receivers: usize,
    /// Most rows in one transaction.
    pub batch_rows: usize,
    /// How `app_version` becomes an integer.
    pub app_version: AppVersionEncoding,
    /// Most messages to quarantine before the run stops.
    pub poison_budget: u64,
}

/// One run of the pipeline.
pub struct Run {
    /// The flags.
    pub options: Options,
    /// Where messages come from.
    pub queue: Queue,
    /// Where the keys are.
    pub vault: Vault,
    /// Where the rows go.
    pub target: Target,
    /// Messages in hand.
    pub held: Held,
    /// The counters.
    pub tally: Tally,
    /// Cancelled when no more is to be received.
    pub stop: CancellationToken,
    failure: Mutex<Option<Error>>,
}

impl Run {
    /// A run that has not begun.
    #[must_use]
    pub fn new(options: Options, queue: Queue, vault: Vault, target: Target, stop: CancellationToken) -> Self {
        let (held, tally) = (Held::default(), Tally::default());
        Self { options, queue, vault, target, held, tally, stop, failure: Mutex::default() }
    }

    /// Ends the run with an error; the first one is kept. Stages finish what they can and give back the rest.
    pub fn fail(&self, error: Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.stop.cancel();
    }

    /// Whether a stage has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The error that ended the run, if one did.
    pub fn into_failure(self: Arc<Self>) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether more has been quarantined than the budget allows.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.tally.quarantined() > self.options.poison_budget
    }

    /// A worker's masker for the keys in force, keyed anew when they have changed.
    ///
    /// # Errors
    /// When the keys are not to be had.
    pub async fn masker<'a>(&self, slot: &'a mut Option<(Arc<Keyring>, Masker)>) -> Result<&'a mut Masker, Error> {
        let keyring = self.vault.keyring().await?;
        let current = match slot.take() {
            Some((known, masker)) if Arc::ptr_eq(&known, &keyring) => (known, masker),
            _ => {
                let masker = Masker::new(keyring.plan(), keyring.as_ref()).map_err(VaultError::Unreadable)?;
                (keyring, masker)
            }
        };
        Ok(&mut slot.insert(current).1)
    }

    /// Makes messages visible to others at once. A message that cannot be given back comes back by its timeout.
    pub async fn give_back(&self, receipts: Vec<Receipt>) {
        for ten in receipts.chunks(BATCH) {
            if let Err(error) = self.queue.change_visibility(ten, Duration::ZERO).await {
                tracing::warn!(%error, messages = ten.len(), "messages could not be given back; they come back by their timeout");
            }
        }
        self.held.let_go(&receipts);
        self.tally.released(receipts.len());
    }
}

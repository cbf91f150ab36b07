//! What went wrong with the services of a run, counted: what is tried again, and what was
//! refused for good.
//!
//! Invariant: labels are words of this program; nothing of an error's text is in them.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::aws::CallError;
use crate::error::Error;
use crate::vault::VaultError;

/// A service, and what it did.
type FaultLabels = [(&'static str, &'static str); 2];

/// The counters. All clones are the same ones.
#[derive(Clone, Default)]
pub(super) struct Faults {
    /// Failures that may pass.
    pub retries: Family<FaultLabels, Counter>,
    /// Failures that do not.
    pub refusals: Family<FaultLabels, Counter>,
}

impl Faults {
    /// Something has failed.
    pub(super) fn note(&self, error: &Error) {
        let (service, kind) = match error {
            Error::Db(error) => ("database", error.kind_name()),
            Error::Aws(error) => (service_of(error), error.kind.name()),
            Error::Vault(error) => return self.note_vault(error),
            Error::Source { may_pass, .. } => {
                ("source", if *may_pass { "temporary" } else { "refused" })
            }
            // No service is to blame.
            _ => return,
        };
        self.count(service, kind, error.retry().may_help());
    }

    /// Keys could not be had.
    pub(super) fn note_vault(&self, error: &VaultError) {
        let (service, kind) = match error {
            VaultError::Db(error) => ("database", error.kind_name()),
            VaultError::Kms { source, .. } => (service_of(source), source.kind.name()),
            VaultError::Expired(inner) => return self.note_vault(inner),
            _ => return,
        };
        self.count(service, kind, error.retry().may_help());
    }

    fn count(&self, service: &'static str, kind: &'static str, may_pass: bool) {
        let family = if may_pass { &self.retries } else { &self.refusals };
        family.get_or_create(&[("service", service), ("kind", kind)]).inc();
    }
}

fn service_of(error: &CallError) -> &'static str {
    if error.operation.starts_with("SQS ") { "queue" } else { "kms" }
}

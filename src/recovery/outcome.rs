//! What came of a recovery, as the log keeps it: counts, and what is about to be shown by
//! hash or message.
//!
//! Invariant: it holds no value.

use serde::Serialize;

use super::answer::{Answer, RecoveredValue};
use super::selector::SelectorProblem;
use crate::audit::Listed;

/// What came of a call, as the log keeps it.
#[derive(Serialize)]
pub(super) struct OutcomeRecord {
    shown: usize,
    not_found: usize,
    failed: usize,
    rows: i64,
    values: Listed,
}

impl OutcomeRecord {
    /// Counts the answers, and names what is about to be shown by hash or message.
    pub(super) fn of(answers: &[Answer]) -> Self {
        let values: Vec<&Answer> = answers.iter().filter(|answer| answer.result.is_ok()).collect();
        let is_missing = |answer: &&Answer| match &answer.result {
            Err(problem) => *problem == SelectorProblem::NotFound,
            Ok(value) => value.is_nowhere(),
        };
        let not_found = answers.iter().filter(is_missing).count();
        let name = |answer: &&Answer| match &answer.result {
            Ok(RecoveredValue { field: Some(field), hash: Some(hash), .. }) => {
                format!("{field} {hash}")
            }
            _ => answer.selector.clone(),
        };
        Self {
            shown: values.len(),
            not_found,
            failed: answers
                .iter()
                .filter(|answer| {
                    answer.result.as_ref().is_err_and(|p| *p != SelectorProblem::NotFound)
                })
                .count(),
            rows: values.iter().filter_map(|answer| answer.result.as_ref().ok()?.rows).sum(),
            values: Listed::of(values.iter().map(name).collect()),
        }
    }
}

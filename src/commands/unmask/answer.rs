//! From masked rows to answers: tokens opened, their values hashed and compared, their rows counted.
//!
//! Invariant: a value stays a [`Recovered`] here; what can be serialised of an answer holds none.

use std::collections::HashMap;

use jiff::civil::Date;
use serde::Serialize;
use uuid::Uuid;

use super::search::{HitKind, Search, SearchHit};
use crate::audit::Listed;
use crate::db::{FoundRows, Session};
use crate::error::{Error, Exit};
use crate::login::Plan;
use crate::token::{Field, KeyId, Token};
use crate::vault::{OpenFailure, OpenedValue, Recovered, RecoveryKeys};

/// Why a selector has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SelectorProblem {
    /// No row or message has it.
    NotFound,
    /// The line is neither token nor hash.
    Unreadable,
    /// The token or body names a key that this installation never had.
    UnknownKey,
    /// Its key was destroyed.
    DestroyedKey,
    /// It does not authenticate: it was changed, or belongs elsewhere.
    DoesNotOpen,
    /// It opens, but to another value than its hash says: the row was changed.
    HashMismatch,
}

impl SelectorProblem {
    /// The word in JSON and CSV.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Unreadable => "unreadable",
            Self::UnknownKey => "unknown_key",
            Self::DestroyedKey => "destroyed_key",
            Self::DoesNotOpen => "does_not_open",
            Self::HashMismatch => "hash_mismatch",
        }
    }

    /// What it looks like to a person.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::Unreadable => "neither token nor hash",
            Self::UnknownKey => "unknown key",
            Self::DestroyedKey => "key destroyed",
            Self::DoesNotOpen => "does not open: changed, or of another installation",
            Self::HashMismatch => "value and hash differ: the row was changed",
        }
    }

    fn exit(self) -> Exit {
        if matches!(self, Self::DoesNotOpen | Self::HashMismatch) { Exit::Integrity } else { Exit::Attention }
    }
}

/// The answer to one selector.
pub(super) struct Answer {
    /// The selector, as it was asked.
    pub selector: String,
    /// The value and its rows, or why there is none.
    pub result: Result<RecoveredValue, SelectorProblem>,
}

/// A recovered value and the rows that carry it.
pub(super) struct RecoveredValue {
    /// The field, of a value; a body has none.
    pub field: Option<Field>,
    /// The value or body.
    pub value: Recovered,
    /// Its hash.
    pub hash: Option<Uuid>,
    /// The token that was opened.
    pub token: Option<Token>,
    /// How many rows carry the value.
    pub rows: Option<i64>,
    /// The first day.
    pub first_date: Option<Date>,
    /// The last day.
    pub last_date: Option<Date>,
    /// All its hashes, while the rows are still to be counted.
    uncounted: Vec<Uuid>,
}

/// Opens what was found, and counts the rows of what had only a token or a value.
///
/// # Errors
/// When the database is gone.
pub(super) async fn open(search: Search, keys: &mut RecoveryKeys, session: &Session) -> Result<Vec<Answer>, Error> {
    let plan = search.plan;
    let answer = |found: SearchHit| Answer { selector: found.selector, result: open_one(found.what, keys, &plan) };
    let mut answers: Vec<Answer> = search.found.into_iter().map(answer).collect();
    for field in plan.fields.fields() {
        let hashes: Vec<Uuid> = values_to_count(&mut answers, field).flat_map(|value| value.uncounted.clone()).collect();
        if hashes.is_empty() {
            continue;
        }
        let rows = session.rows_of(field, &hashes).await?;
        values_to_count(&mut answers, field).for_each(|value| value.count(&rows));
    }
    Ok(answers)
}

fn values_to_count(answers: &mut [Answer], field: Field) -> impl Iterator<Item = &mut RecoveredValue> {
    let values = answers.iter_mut().filter_map(|answer| answer.result.as_mut().ok());
    values.filter(move |value| value.field == Some(field) && !value.uncounted.is_empty())
}

fn open_one(what: HitKind, keys: &mut RecoveryKeys, plan: &Plan) -> Result<RecoveredValue, SelectorProblem> {
    match what {
        HitKind::Rows(found, tokens) => open_rows(&found, tokens, keys, plan),
        HitKind::Token(token) => {
            let opened = keys.open(&token, &plan.hash_keys(token.field())).map_err(problem)?;
            Ok(RecoveredValue::without_count(opened, token.field(), Some(token)))
        }
        HitKind::Value(value) => {
            let field = value.field();
            let opened = keys.identify(value, &plan.hash_keys(field)).map_err(problem)?;
            Ok(RecoveredValue::without_count(opened, field, None))
        }
        HitKind::Body(body) => {
            let value = keys.open_body(&body).map_err(problem)?;
            let (rows, first_date, last_date) = (None, None, None);
            Ok(RecoveredValue { field: None, value, hash: None, token: None, rows, first_date, last_date, uncounted: Vec::new() })
        }
        HitKind::Nothing(problem) => Err(problem),
    }
}

/// All tokens of the rows must open to a value that has the rows' hash.
fn open_rows(
    found: &FoundRows,
    tokens: Vec<Token>,
    keys: &mut RecoveryKeys,
    plan: &Plan,
) -> Result<RecoveredValue, SelectorProblem> {
    let mut first = None;
    for token in tokens {
        let opened = keys.open(&token, &plan.hash_keys(token.field())).map_err(problem)?;
        if !opened.hashes.contains(&found.hash) {
            return Err(SelectorProblem::HashMismatch);
        }
        first.get_or_insert((opened, token));
    }
    let (opened, token) = first.ok_or(SelectorProblem::DoesNotOpen)?;
    let mut value = RecoveredValue::without_count(opened, token.field(), Some(token));
    value.count(&HashMap::from([(found.hash, found.clone())]));
    Ok(value)
}

fn problem(problem: OpenFailure) -> SelectorProblem {
    match problem {
        OpenFailure::Forged => SelectorProblem::DoesNotOpen,
        OpenFailure::NoKey => SelectorProblem::UnknownKey,
    }
}

impl RecoveredValue {
    fn without_count(opened: OpenedValue, field: Field, token: Option<Token>) -> Self {
        let OpenedValue { value, hashes } = opened;
        let hash = hashes.first().copied();
        Self { field: Some(field), value, hash, token, rows: Some(0), first_date: None, last_date: None, uncounted: hashes }
    }

    /// Adds the rows of each of its hashes; while a rotation changes hashes, they are under one of two.
    fn count(&mut self, rows: &HashMap<Uuid, FoundRows>) {
        let hashes = std::mem::take(&mut self.uncounted);
        for found in hashes.iter().filter_map(|hash| rows.get(hash)) {
            self.hash = Some(found.hash);
            self.rows = self.rows.map(|rows| rows + found.rows);
            self.first_date = [self.first_date, found.first_date].into_iter().flatten().min();
            self.last_date = self.last_date.max(found.last_date);
            if self.token.is_none() {
                self.token = found.tokens.0.as_deref().and_then(|text| Token::parse(text).ok());
            }
        }
    }

    /// Whether it was looked for, and no row has it.
    fn is_nowhere(&self) -> bool {
        self.field.is_some() && self.token.is_none()
    }

    /// The key of its token.
    pub(super) fn key_id(&self) -> Option<KeyId> {
        self.token.as_ref().map(Token::key_id)
    }
}

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
            Ok(RecoveredValue { field: Some(field), hash: Some(hash), .. }) => format!("{field} {hash}"),
            _ => answer.selector.clone(),
        };
        Self {
            shown: values.len(),
            not_found,
            failed: answers
                .iter()
                .filter(|answer| answer.result.as_ref().is_err_and(|p| *p != SelectorProblem::NotFound))
                .count(),
            rows: values.iter().filter_map(|answer| answer.result.as_ref().ok()?.rows).sum(),
            values: Listed::of(values.iter().map(name).collect()),
        }
    }
}

/// The exit code of all answers together: the worst.
pub(super) fn exit(answers: &[Answer]) -> Exit {
    let of = |answer: &Answer| match &answer.result {
        Ok(value) if value.is_nowhere() => Exit::Attention,
        Ok(_) => Exit::Done,
        Err(problem) => problem.exit(),
    };
    answers.iter().map(of).max_by_key(|exit| *exit as u8).unwrap_or(Exit::Done)
}

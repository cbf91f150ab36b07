//! From masked rows to answers: tokens opened, their values hashed and compared, their
//! rows counted.
//!
//! Invariant: a value stays a [`Recovered`] here.

use std::collections::HashMap;

use jiff::civil::Date;
use uuid::Uuid;

use super::refusal::RecoveryError;
use super::search::{HitKind, Search, SearchHit};
use super::selector::SelectorProblem;
use crate::db::{FoundRows, Session};
use crate::login::Plan;
use crate::token::{Field, KeyId, Token};
use crate::vault::{OpenFailure, OpenedValue, Recovered, RecoveryKeys};

/// The answer to one selector.
pub(crate) struct Answer {
    /// The selector, as it was asked.
    pub selector: String,
    /// The value and its rows, or why there is none.
    pub result: Result<RecoveredValue, SelectorProblem>,
}

/// A recovered value and the rows that carry it.
pub(crate) struct RecoveredValue {
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
pub(super) async fn open(
    search: Search,
    keys: &mut RecoveryKeys,
    session: &Session,
) -> Result<Vec<Answer>, RecoveryError> {
    let plan = search.plan;
    let answer = |found: SearchHit| Answer {
        selector: found.selector,
        result: open_one(found.what, keys, &plan),
    };
    let mut answers: Vec<Answer> = search.found.into_iter().map(answer).collect();
    for field in plan.fields.fields() {
        let hashes: Vec<Uuid> = values_to_count(&mut answers, field)
            .flat_map(|value| value.uncounted.clone())
            .collect();
        if hashes.is_empty() {
            continue;
        }
        let rows = session.rows_of(field, &hashes).await?;
        values_to_count(&mut answers, field).for_each(|value| value.count(&rows));
    }
    Ok(answers)
}

fn values_to_count(
    answers: &mut [Answer],
    field: Field,
) -> impl Iterator<Item = &mut RecoveredValue> {
    let values = answers.iter_mut().filter_map(|answer| answer.result.as_mut().ok());
    values.filter(move |value| value.field == Some(field) && !value.uncounted.is_empty())
}

fn open_one(
    what: HitKind,
    keys: &mut RecoveryKeys,
    plan: &Plan,
) -> Result<RecoveredValue, SelectorProblem> {
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
            Ok(RecoveredValue {
                field: None,
                value,
                hash: None,
                token: None,
                rows,
                first_date,
                last_date,
                uncounted: Vec::new(),
            })
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
        Self {
            field: Some(field),
            value,
            hash,
            token,
            rows: Some(0),
            first_date: None,
            last_date: None,
            uncounted: hashes,
        }
    }

    /// Adds the rows of each of its hashes; while a rotation changes hashes, they are
    /// under one of two.
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
    #[must_use]
    pub(crate) fn is_nowhere(&self) -> bool {
        self.field.is_some() && self.token.is_none()
    }

    /// The key of its token.
    pub(crate) fn key_id(&self) -> Option<KeyId> {
        self.token.as_ref().map(Token::key_id)
    }
}

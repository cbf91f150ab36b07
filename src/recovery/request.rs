//! The second step: a request is made, or one is taken up again that another process of
//! this login has left.
//!
//! Invariant: what is taken up is what was asked for: the same kind, the same selectors,
//! the same keys. The reason stands in the record.

use serde::{Deserialize, Serialize};

use super::refusal::{RecoveryError, ResumeProblem};
use super::search::Search;
use super::selector::Query;
use super::steps::{CommittedRecovery, SignedRecovery};
use crate::audit::{Head, Justification, Listed, Record, RecordKind};
use crate::token::KeyId;
use crate::vault::{Decision, Gate, ResumedRequest};

/// Why somebody asks, and how.
pub(crate) struct Cause<'a> {
    /// In her own words.
    pub reason: &'a Justification,
    /// The ticket or case.
    pub ticket: Option<&'a Justification>,
    /// The limit of selectors that this call has set.
    pub max_values: u32,
    /// Who runs this process, as far as it knows.
    pub os_user: Option<&'a str>,
}

/// Where a recovery stands once its request was made or found.
pub(crate) enum RecoveryStage {
    /// This login may not; the record of the denial.
    Denied(Head),
    /// The request is committed.
    Committed(Box<CommittedRecovery>),
    /// It is signed too.
    Signed(Box<SignedRecovery>),
}

/// Records what is asked for and why. For a login that may not, nothing is looked up: the
/// database refuses, and records the refusal.
///
/// # Errors
/// When the log could not be signed, or the database can neither look nor record.
pub(crate) async fn ask(
    gate: Gate,
    may: bool,
    query: Query,
    cause: &Cause<'_>,
) -> Result<RecoveryStage, RecoveryError> {
    let kind = query.kind();
    let details = serde_json::to_string(&RequestDetails::of(&query, cause))?;
    let search = if may {
        gate.signer.check_kind().await?;
        Some(Search::of(&gate.session, query).await?)
    } else {
        None
    };
    let keys = search.as_ref().map_or_else(Vec::new, |search| search.keys.clone());
    match (gate.ask(kind, &details, keys).await?, search) {
        (Decision::Granted(request), Some(search)) => {
            Ok(RecoveryStage::Committed(Box::new(CommittedRecovery::new(*request, search))))
        }
        (Decision::Granted(_), None) => Err(RecoveryError::NotGranted),
        (Decision::Denied(head), _) => Ok(RecoveryStage::Denied(head)),
    }
}

/// Takes up a request of this login that has no outcome yet, if it is for this query.
///
/// # Errors
/// [`RecoveryError::NotResumed`]: it is not for this query, or nothing more comes of it.
/// Else when the database cannot be asked.
pub(crate) async fn resume(
    gate: Gate,
    number: i64,
    query: Query,
) -> Result<RecoveryStage, RecoveryError> {
    let refuse = |problem| RecoveryError::NotResumed { request: number, problem };
    gate.signer.check_kind().await?;
    let left = gate.find(number).await?.ok_or_else(|| refuse(ResumeProblem::NotOwn))?;
    if left.is_closed() {
        return Err(refuse(ResumeProblem::Closed));
    } else if left.is_late() {
        return Err(refuse(ResumeProblem::Late));
    }
    let asked = RequestTerms::of(left.record());
    asked.check_query(&query).map_err(refuse)?;
    let search = Search::of(left.session(), query).await?;
    asked.check_keys(&search.keys).map_err(refuse)?;
    Ok(match left.resume(search.keys.clone())? {
        ResumedRequest::Unsigned(request) => {
            RecoveryStage::Committed(Box::new(CommittedRecovery::new(*request, search)))
        }
        ResumedRequest::Signed(request) => {
            RecoveryStage::Signed(Box::new(SignedRecovery::new(*request, search)))
        }
    })
}

/// What a request says of itself.
#[derive(Serialize)]
struct RequestDetails<'a> {
    reason: &'a str,
    ticket: Option<&'a str>,
    selectors: Listed,
    unreadable_lines: usize,
    max_values: u32,
    version: &'static str,
    declared: Declared<'a>,
}

/// What nobody but this process vouches for.
#[derive(Serialize)]
struct Declared<'a> {
    os_user: Option<&'a str>,
}

impl<'a> RequestDetails<'a> {
    fn of(query: &Query, cause: &Cause<'a>) -> Self {
        Self {
            reason: cause.reason.as_str(),
            ticket: cause.ticket.map(Justification::as_str),
            selectors: query.name_selectors(),
            unreadable_lines: query.count_unreadable(),
            max_values: cause.max_values,
            version: env!("CARGO_PKG_VERSION"),
            declared: Declared { os_user: cause.os_user },
        }
    }
}

/// What a request in the log asks for. A record that another program wrote may say
/// nothing of it: then it fits no query.
struct RequestTerms {
    kind: Option<RecordKind>,
    parts: Option<TermParts>,
}

#[derive(Deserialize)]
struct TermParts {
    selectors: Listed,
    unreadable_lines: usize,
    key_ids: Vec<i64>,
}

impl RequestTerms {
    fn of(record: &Record) -> Self {
        Self {
            kind: RecordKind::from_name(&record.kind),
            parts: serde_json::from_str(&record.details).ok(),
        }
    }

    fn check_query(&self, query: &Query) -> Result<(), ResumeProblem> {
        if self.kind != Some(query.kind()) {
            return Err(ResumeProblem::OtherKind);
        }
        let is_for = |parts: &TermParts| {
            parts.selectors == query.name_selectors()
                && parts.unreadable_lines == query.count_unreadable()
        };
        if self.parts.as_ref().is_some_and(is_for) {
            Ok(())
        } else {
            Err(ResumeProblem::OtherSelectors)
        }
    }

    fn check_keys(&self, keys: &[KeyId]) -> Result<(), ResumeProblem> {
        let keys = keys.iter().map(|key| key.to_i64());
        let are_named =
            self.parts.as_ref().is_some_and(|parts| parts.key_ids.iter().copied().eq(keys));
        if are_named { Ok(()) } else { Err(ResumeProblem::OtherKeys) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;
    use crate::recovery::selector::parse_lines;

    fn query(lines: &str) -> Query {
        Query::list(parse_lines(lines.as_bytes()).collect(), 1000).unwrap()
    }

    fn terms(kind: RecordKind, query: &Query, key_ids: &str) -> RequestTerms {
        let selectors = serde_json::to_string(&query.name_selectors()).unwrap();
        let unreadable = query.count_unreadable();
        let details = format!(
            "{{\"selectors\": {selectors}, \"unreadable_lines\": {unreadable}, \
             \"key_ids\": {key_ids}}}"
        );
        RequestTerms { kind: Some(kind), parts: serde_json::from_str(&details).ok() }
    }

    const HASH: &str = "4b7f91e6-8e11-81e3-af7f-0c2cba866887";

    #[test]
    fn a_request_is_taken_up_for_the_same_query_alone() {
        let many = (0..200).map(|n| format!("{n:032x}\n")).collect::<String>();
        for lines in [HASH, &format!("{HASH}\nnonsense"), &many] {
            let asked = terms(RecordKind::UnmaskRequest, &query(lines), "[1, 2]");
            assert_eq!(asked.check_query(&query(lines)), Ok(()));
            for other in [
                &format!("ip-hash {HASH}"),
                &format!("{HASH}\n{HASH}"),
                &many.replacen('0', "1", 1),
                "nonsense",
            ] {
                assert_eq!(
                    asked.check_query(&query(other)),
                    Err(ResumeProblem::OtherSelectors),
                    "{lines} and {other}"
                );
            }
            let find = terms(RecordKind::FindRequest, &query(lines), "[1, 2]");
            assert_eq!(find.check_query(&query(lines)), Err(ResumeProblem::OtherKind));
        }
        let foreign = RequestTerms { kind: Some(RecordKind::UnmaskRequest), parts: None };
        assert_eq!(foreign.check_query(&query(HASH)), Err(ResumeProblem::OtherSelectors));
    }

    #[test]
    fn it_is_taken_up_for_all_of_its_keys_and_no_other() {
        let keys = |ids: &[u32]| ids.iter().filter_map(|id| KeyId::new(*id)).collect::<Vec<_>>();
        let asked = terms(RecordKind::UnmaskRequest, &query(HASH), "[1, 2]");
        assert_eq!(asked.check_keys(&keys(&[1, 2])), Ok(()));
        for other in [&[1][..], &[1, 2, 3], &[1, 3], &[]] {
            assert_eq!(asked.check_keys(&keys(other)), Err(ResumeProblem::OtherKeys), "{other:?}");
        }
    }
}

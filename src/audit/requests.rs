//! Requests and what became of them: each release and outcome belongs to one signed
//! request of the same login, and so does each withdrawal of a request for which nothing
//! was released.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Problem, Record, RecordKind, Trouble};
use crate::crypto::Digest;

/// A request without an outcome is a finding once it is older than this: then no key is
/// released for it any more.
const OPEN_FOR: SignedDuration = SignedDuration::from_mins(5);

/// The requests that have no outcome yet.
#[derive(Default)]
pub(super) struct Requests(BTreeMap<i64, Request>);

struct Request {
    kind: String,
    db_user: String,
    at: String,
    signature_digest: Option<String>,
    is_released: bool,
}

/// What releases and outcomes say of their request.
#[derive(Deserialize)]
struct RequestPart {
    request: i64,
    request_signature: Option<String>,
}

impl Requests {
    /// Takes in one record; tells what is wrong with it, or with the request that it
    /// belongs to.
    pub(super) fn follow(&mut self, record: &Record) -> Option<Problem> {
        match RecordKind::from_name(&record.kind)? {
            RecordKind::UnmaskRequest | RecordKind::FindRequest => {
                self.0.insert(record.seq, Request::of(record));
                None
            }
            RecordKind::UnmaskRelease => self.release(record),
            RecordKind::UnmaskOutcome | RecordKind::FindOutcome => self.conclude(record),
            RecordKind::UnmaskWithdrawal => self.withdraw(record),
            _ => None,
        }
    }

    fn release(&mut self, record: &Record) -> Option<Problem> {
        let (request, answer) = match self.request_of(record) {
            Ok(found) => found,
            Err(problem) => return Some(problem),
        };
        let is_first = !request.is_released;
        request.is_released = true;
        (request.signature_digest.is_none() && is_first)
            .then(|| request.problem_unsigned(answer.request))
    }

    fn conclude(&mut self, record: &Record) -> Option<Problem> {
        let (request, answer) = match self.request_of(record) {
            Ok(found) => found,
            Err(problem) => return Some(problem),
        };
        let problem = match &request.signature_digest {
            None => (!request.is_released).then(|| request.problem_unsigned(answer.request)),
            Some(digest) if answer.request_signature.as_ref() != Some(digest) => Some(Problem {
                seq: answer.request,
                kind: request.kind.clone(),
                db_user: request.db_user.clone(),
                trouble: Trouble::AnotherSignature { outcome: record.seq },
            }),
            Some(_) => None,
        };
        self.0.remove(&answer.request);
        problem
    }

    /// A request may be withdrawn, signed or not, as long as no key was released for it.
    fn withdraw(&mut self, record: &Record) -> Option<Problem> {
        let (request, answer) = match self.request_of(record) {
            Ok(found) => found,
            Err(problem) => return Some(problem),
        };
        let problem = request.is_released.then(|| Problem {
            seq: record.seq,
            kind: record.kind.clone(),
            db_user: record.db_user.clone(),
            trouble: Trouble::WithdrawnAfterRelease { request: answer.request },
        });
        self.0.remove(&answer.request);
        problem
    }

    fn request_of(&mut self, record: &Record) -> Result<(&mut Request, RequestPart), Problem> {
        let orphaned = || Problem {
            seq: record.seq,
            kind: record.kind.clone(),
            db_user: record.db_user.clone(),
            trouble: Trouble::NoRequest,
        };
        let answer: RequestPart = serde_json::from_str(&record.details).map_err(|_| orphaned())?;
        let request =
            self.0.get_mut(&answer.request).filter(|request| request.db_user == record.db_user);
        request.map(|request| (request, answer)).ok_or_else(orphaned)
    }

    /// The requests that had their time and have no outcome.
    pub(super) fn find_overdue(&self, now: Timestamp) -> impl Iterator<Item = Problem> + '_ {
        let is_old = move |at: &str| {
            at.parse::<Timestamp>().is_ok_and(|at| now.duration_since(at) > OPEN_FOR)
        };
        let old = self.0.iter().filter(move |(_, request)| is_old(&request.at));
        old.map(|(seq, request)| Problem {
            seq: *seq,
            kind: request.kind.clone(),
            db_user: request.db_user.clone(),
            trouble: Trouble::Open { is_released: request.is_released },
        })
    }

    /// How many have no outcome, old or not.
    pub(super) fn count_open(&self) -> usize {
        self.0.len()
    }
}

impl Request {
    fn of(record: &Record) -> Self {
        let digest = |signature: &Vec<u8>| {
            let mut digest = Digest::default();
            digest.update(signature);
            hex::encode(digest.current())
        };
        Self {
            kind: record.kind.clone(),
            db_user: record.db_user.clone(),
            at: record.at.clone(),
            signature_digest: record.signature.as_ref().map(digest),
            is_released: false,
        }
    }

    fn problem_unsigned(&self, seq: i64) -> Problem {
        Problem {
            seq,
            kind: self.kind.clone(),
            db_user: self.db_user.clone(),
            trouble: Trouble::NoSignature,
        }
    }
}

#[cfg(test)]
mod tests;

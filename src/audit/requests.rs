//! Requests and what became of them: each release and outcome belongs to one signed request of the same login, and so
//! does each withdrawal of a request for which nothing was released.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Entry, Problem, Trouble};
use crate::crypto::Digest;

/// A request without an outcome is a finding once it is older than this: then no key is released for it any more.
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
struct Answer {
    request: i64,
    request_signature: Option<String>,
}

impl Requests {
    /// Takes in one record; tells what is wrong with it, or with the request that it belongs to.
    pub(super) fn follow(&mut self, entry: &Entry) -> Option<Problem> {
        match entry.kind.as_str() {
            "unmask.request" | "find.request" => {
                self.0.insert(entry.seq, Request::of(entry));
                None
            }
            "unmask.release" => self.release(entry),
            "unmask.outcome" | "find.outcome" => self.conclude(entry),
            "unmask.withdrawal" => self.withdraw(entry),
            _ => None,
        }
    }

    fn release(&mut self, entry: &Entry) -> Option<Problem> {
        let (request, answer) = match self.request_of(entry) {
            Ok(found) => found,
            Err(problem) => return Some(problem),
        };
        let is_first = !request.is_released;
        request.is_released = true;
        (request.signature_digest.is_none() && is_first).then(|| request.stripped(answer.request))
    }

    fn conclude(&mut self, entry: &Entry) -> Option<Problem> {
        let (request, answer) = match self.request_of(entry) {
            Ok(found) => found,
            Err(problem) => return Some(problem),
        };
        let problem = match &request.signature_digest {
            None => (!request.is_released).then(|| request.stripped(answer.request)),
            Some(digest) if answer.request_signature.as_ref() != Some(digest) => Some(Problem {
                seq: answer.request,
                kind: request.kind.clone(),
                db_user: request.db_user.clone(),
                trouble: Trouble::AnotherSignature { outcome: entry.seq },
            }),
            Some(_) => None,
        };
        self.0.remove(&answer.request);
        problem
    }

    /// A request may be withdrawn, signed or not, as long as no key was released for it.
    fn withdraw(&mut self, entry: &Entry) -> Option<Problem> {
        let (request, answer) = match self.request_of(entry) {
            Ok(found) => found,
            Err(problem) => return Some(problem),
        };
        let problem = request.is_released.then(|| Problem {
            seq: entry.seq,
            kind: entry.kind.clone(),
            db_user: entry.db_user.clone(),
            trouble: Trouble::WithdrawnAfterRelease { request: answer.request },
        });
        self.0.remove(&answer.request);
        problem
    }

    fn request_of(&mut self, entry: &Entry) -> Result<(&mut Request, Answer), Problem> {
        let orphaned =
            || Problem { seq: entry.seq, kind: entry.kind.clone(), db_user: entry.db_user.clone(), trouble: Trouble::NoRequest };
        let answer: Answer = serde_json::from_str(&entry.record).map_err(|_| orphaned())?;
        let request = self.0.get_mut(&answer.request).filter(|request| request.db_user == entry.db_user);
        request.map(|request| (request, answer)).ok_or_else(orphaned)
    }

    /// The requests that had their time and have no outcome.
    pub(super) fn left_open(&self, now: Timestamp) -> impl Iterator<Item = Problem> + '_ {
        let is_old = move |at: &str| at.parse::<Timestamp>().is_ok_and(|at| now.duration_since(at) > OPEN_FOR);
        let old = self.0.iter().filter(move |(_, request)| is_old(&request.at));
        old.map(|(seq, request)| Problem {
            seq: *seq,
            kind: request.kind.clone(),
            db_user: request.db_user.clone(),
            trouble: Trouble::Open { is_released: request.is_released },
        })
    }

    /// How many have no outcome, old or not.
    pub(super) fn open(&self) -> usize {
        self.0.len()
    }
}

impl Request {
    fn of(entry: &Entry) -> Self {
        let digest = |signature: &Vec<u8>| {
            let mut digest = Digest::default();
            digest.update(signature);
            hex::encode(digest.current())
        };
        Self {
            kind: entry.kind.clone(),
            db_user: entry.db_user.clone(),
            at: entry.at.clone(),
            signature_digest: entry.signature.as_ref().map(digest),
            is_released: false,
        }
    }

    fn stripped(&self, seq: i64) -> Problem {
        Problem { seq, kind: self.kind.clone(), db_user: self.db_user.clone(), trouble: Trouble::NoSignature }
    }
}

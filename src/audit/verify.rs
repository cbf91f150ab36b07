//! Verification: the chain, the signatures, the requests, the head. One pass in seq
//! order, constant memory.
//!
//! Invariant: what is checked depends on the records and the public keys alone, so that
//! the answer is the same online and from an export.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::thread;

use jiff::Timestamp;

use super::requests::Requests;
use super::{Head, Problem, Record, RecordKind, Trouble};
use crate::crypto::VerifyingKey;

/// Problems that are kept; more are counted.
const KEPT: usize = 100;

/// What the database says beside the log.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The head row.
    pub head: Head,
    /// A signature whose record is missing.
    pub orphan: Option<i64>,
    /// The data keys, each of which has a record.
    pub keys: Vec<i64>,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Records read.
    pub records: u64,
    /// Of these, how many carry a valid signature.
    pub signed: u64,
    /// The last record.
    pub head: Head,
    /// Records after the last valid signature: nothing proves them yet.
    pub after_last_signature: u64,
    /// Requests without an outcome, young ones included.
    pub open_requests: usize,
    /// The first problems, by record.
    pub problems: Vec<Problem>,
    /// How many there are in all.
    pub problem_count: u64,
}

impl VerifyReport {
    /// Whether something was changed, added, moved or taken away.
    #[must_use]
    pub fn is_tampered(&self) -> bool {
        self.problems.iter().any(|problem| problem.trouble.is_tampering())
    }
}

/// Reads a log from its first record to its last.
pub struct Verifier<'a> {
    keys: &'a [VerifyingKey],
    expected: Option<Head>,
    requests: Requests,
    last_signed: i64,
    recorded_keys: BTreeSet<i64>,
    report: VerifyReport,
}

/// What can be told of a record by itself.
struct Checked {
    is_unchanged: bool,
    is_signed: Option<bool>,
}

impl<'a> Verifier<'a> {
    /// Trusts these keys, whatever key a signature names; `expected` is a head that
    /// somebody kept.
    #[must_use]
    pub fn new(keys: &'a [VerifyingKey], expected: Option<Head>) -> Self {
        let (requests, recorded_keys, report) =
            (Requests::default(), BTreeSet::new(), VerifyReport::default());
        Self { keys, expected, requests, last_signed: 0, recorded_keys, report }
    }

    /// Takes in the next records, checking hashes and signatures on all cores.
    pub fn follow(&mut self, records: &[Record]) {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let share = records.len().div_ceil(workers).max(1);
        let keys = self.keys;
        let checked: Vec<Checked> = thread::scope(|scope| {
            let parts: Vec<_> = records
                .chunks(share)
                .map(|part| scope.spawn(move || check_all(part, keys)))
                .collect();
            parts
                .into_iter()
                .flat_map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        for (record, checked) in records.iter().zip(checked) {
            self.check_link(record, &checked);
        }
    }

    /// Notes a line of an export that is no record.
    pub fn note_unreadable(&mut self, line: u64) {
        self.note_at(self.report.head.seq.saturating_add(1), Trouble::Unreadable { line });
    }

    fn check_link(&mut self, record: &Record, checked: &Checked) {
        let before = std::mem::replace(&mut self.report.head, record.head());
        self.report.records += 1;
        if record.seq != before.seq.saturating_add(1) {
            self.note(record, Trouble::Order { after: before.seq });
        } else if record.prev_hash != before.hash {
            self.note(record, Trouble::Chain);
        }
        if !checked.is_unchanged {
            self.note(record, Trouble::Edited);
        }
        self.report.after_last_signature += 1;
        match checked.is_signed {
            Some(true) => {
                self.report.signed += 1;
                self.report.after_last_signature = 0;
                self.last_signed = record.seq;
                self.recorded_keys.extend(created_key(record));
            }
            Some(false) => self.note(record, Trouble::BadSignature { since: self.last_signed }),
            // A request whose signature failed got no key; whether it did, its release or
            // outcome tells.
            None if RecordKind::from_name(&record.kind)
                .is_some_and(RecordKind::needs_signature) =>
            {
                self.note(record, Trouble::NoSignature);
            }
            None => {}
        }
        if let Some(problem) = self.requests.follow(record) {
            self.keep(problem);
        }
        if self
            .expected
            .as_ref()
            .is_some_and(|head| head.seq == record.seq && head.hash != record.hash)
        {
            self.note(record, Trouble::Rewritten);
        }
    }

    /// Ends the log. An export has nothing stored beside it.
    #[must_use]
    pub fn finish(mut self, now: Timestamp, stored: Option<Stored>) -> VerifyReport {
        let last = self.report.head.clone();
        if self.report.signed == 0 && !self.report.is_tampered() {
            self.note_at(last.seq, Trouble::NothingSigned);
        }
        if let Some(Stored { head, orphan, keys }) = stored {
            if let Some(seq) = orphan {
                self.note_at(seq, Trouble::MissingRecord);
            }
            if head != last {
                self.note_at(last.seq, Trouble::OtherHead { head });
            }
            for key_id in
                keys.into_iter().filter(|key| !self.recorded_keys.contains(key)).collect::<Vec<_>>()
            {
                self.note_at(last.seq, Trouble::UnrecordedKey { key_id });
            }
        }
        if self.expected.as_ref().is_some_and(|expected| expected.seq > last.seq) {
            self.note_at(last.seq, Trouble::CutTail);
        }
        self.report.open_requests = self.requests.count_open();
        let open: Vec<_> = self.requests.find_overdue(now).collect();
        open.into_iter().for_each(|problem| self.keep(problem));
        self.report.problems.sort_by_key(|problem| problem.seq);
        self.report
    }

    /// Notes trouble that is with no record, or with one that is not there.
    fn note_at(&mut self, seq: i64, trouble: Trouble) {
        self.keep(Problem { seq, kind: String::new(), db_user: String::new(), trouble });
    }

    fn note(&mut self, record: &Record, trouble: Trouble) {
        self.keep(Problem {
            seq: record.seq,
            kind: record.kind.clone(),
            db_user: record.db_user.clone(),
            trouble,
        });
    }

    fn keep(&mut self, problem: Problem) {
        self.report.problem_count += 1;
        // Whatever else there is, evidence of tampering is kept.
        let has_room = self.report.problems.len() < KEPT;
        if has_room || (problem.trouble.is_tampering() && !self.report.is_tampered()) {
            self.report.problems.push(problem);
        }
    }
}

/// The key whose creation a record tells of.
fn created_key(record: &Record) -> Option<i64> {
    let is_creation = RecordKind::from_name(&record.kind) == Some(RecordKind::KeyCreate);
    let record: serde_json::Value =
        is_creation.then(|| serde_json::from_str(&record.details).ok())??;
    record.get("key_id")?.as_i64()
}

fn check_all(records: &[Record], keys: &[VerifyingKey]) -> Vec<Checked> {
    let check = |record: &Record| {
        let signed = record.signed_bytes();
        let is_signed = record
            .signature
            .as_ref()
            .map(|signature| keys.iter().any(|key| key.verifies(&signed, signature)));
        Checked { is_unchanged: record.computed_hash() == record.hash.as_slice(), is_signed }
    };
    records.iter().map(check).collect()
}

#[cfg(test)]
mod tests;

//! Logs that are made up, honest ones and others: nothing is told of the first, and no
//! change of the second goes unseen.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::crypto::Digest;

/// The audit key, and one of somebody else.
static KEYS: LazyLock<[EcdsaKeyPair; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
});

/// What stands before the point of a P-256 key in a SubjectPublicKeyInfo.
const SPKI: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

fn trusted() -> Vec<VerifyingKey> {
    let der = [hex::decode(SPKI).unwrap(), KEYS[0].public_key().as_ref().to_vec()].concat();
    vec![VerifyingKey::from_der(&der).unwrap()]
}

fn sign(record: &mut Record, key: &EcdsaKeyPair) {
    record.signature =
        Some(key.sign(&SystemRandom::new(), &record.signed_bytes()).unwrap().as_ref().to_vec());
}

const NOW: &str = "2026-01-31T12:00:00Z";

/// A log in the making; each record continues the one before it.
#[derive(Clone, Debug, Default)]
struct Log(Vec<Record>);

impl Log {
    /// Appends a record; returns its number.
    fn add(&mut self, kind: RecordKind, is_signed: bool, details: serde_json::Value) -> i64 {
        let before = self.0.last().map(Record::head).unwrap_or_default();
        let mut record = Record {
            seq: before.seq + 1,
            at: NOW.to_owned(),
            xid: "1".to_owned(),
            db_user: "ann".to_owned(),
            client: Some("127.0.0.1/32".to_owned()),
            application_name: "loginetl".to_owned(),
            kind: kind.name().to_owned(),
            details: details.to_string(),
            prev_hash: before.hash,
            hash: Vec::new(),
            key_arn: None,
            signature: None,
            signed_at: None,
        };
        record.hash = record.computed_hash().to_vec();
        if is_signed {
            sign(&mut record, &KEYS[0]);
        }
        self.0.push(record);
        before.seq + 1
    }

    /// One piece of work of an honest vault; returns the number of its last record.
    fn work(&mut self, which: u8) -> i64 {
        match which {
            0 | 1 => self.add(RecordKind::LoadRun, false, serde_json::json!({ "rows": which })),
            2 => {
                let request = self.add(RecordKind::UnmaskRequest, false, serde_json::json!({}));
                self.add(
                    RecordKind::UnmaskWithdrawal,
                    true,
                    serde_json::json!({ "request": request }),
                )
            }
            3 => self.add(RecordKind::RotateStart, true, serde_json::json!({})),
            4 => self.add(RecordKind::FindRequest, true, serde_json::json!({})),
            _ => {
                let request = self.add(RecordKind::UnmaskRequest, true, serde_json::json!({}));
                let mut digest = Digest::default();
                digest.update(self.0.last().unwrap().signature.as_ref().unwrap());
                let signature = hex::encode(digest.current());
                self.add(
                    RecordKind::UnmaskRelease,
                    false,
                    serde_json::json!({ "request": request }),
                );
                let outcome =
                    serde_json::json!({ "request": request, "request_signature": signature });
                self.add(RecordKind::UnmaskOutcome, true, outcome)
            }
        }
    }

    /// A log begins with the records of its keys.
    fn of(work: &[u8]) -> Self {
        let mut log = Self::default();
        for key in 1..=2 {
            log.add(RecordKind::KeyCreate, true, serde_json::json!({ "key_id": key }));
        }
        for which in work {
            log.work(*which);
        }
        log
    }

    fn head(&self) -> Head {
        self.0.last().map(Record::head).unwrap_or_default()
    }

    fn stored(&self) -> Stored {
        Stored { head: self.head(), orphan: None, keys: vec![1, 2] }
    }

    /// Continues each record from `from` on anew, as somebody with all rights in the
    /// database can.
    fn chain_anew(&mut self, from: usize) {
        for at in from..self.0.len() {
            let before = at.checked_sub(1).map(|before| self.0[before].head()).unwrap_or_default();
            let record = &mut self.0[at];
            (record.seq, record.prev_hash) = (before.seq + 1, before.hash);
            record.hash = record.computed_hash().to_vec();
        }
    }

    fn verify(&self, share: usize, expected: Option<Head>, stored: Option<Stored>) -> VerifyReport {
        let keys = trusted();
        let mut verifier = Verifier::new(&keys, expected);
        self.0.chunks(share).for_each(|part| verifier.follow(part));
        verifier.finish(NOW.parse().unwrap(), stored)
    }
}

/// Changes one part of a record.
fn edit(record: &mut Record, part: usize) {
    match part % 7 {
        0 => record.at.push('0'),
        1 => record.xid.push('0'),
        2 => record.db_user.push('x'),
        3 => record.client = None,
        4 => record.application_name.clear(),
        5 => record.kind.push('x'),
        _ => record.details.push(' '),
    }
}

fn logs() -> impl Strategy<Value = Log> {
    proptest::collection::vec(0_u8..7, 0..12).prop_map(|work| Log::of(&work))
}

fn records_with(report: &VerifyReport, trouble: &Trouble) -> Vec<i64> {
    report.problems.iter().filter(|p| p.trouble == *trouble).map(|p| p.seq).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_is_told_of_an_honest_log_however_it_comes(
        log in logs(),
        share in 1_usize..9,
        kept in any::<Index>(),
    ) {
        let kept = log.0[kept.index(log.0.len())].head();
        let report = log.verify(share, Some(kept), Some(log.stored()));
        prop_assert!(report.problems.is_empty(), "{:?}", report.problems);
        prop_assert_eq!((report.problem_count, report.records), (0, log.0.len() as u64));
        let signed = log.0.iter().filter(|record| record.signature.is_some()).count();
        prop_assert_eq!(report.signed, signed as u64);
        let after = log.0.iter().rev().take_while(|record| record.signature.is_none()).count();
        prop_assert_eq!(report.after_last_signature, after as u64);
        prop_assert_eq!(report.head, log.head());
    }

    /// What somebody can do who writes rows at will and has no key.
    #[test]
    fn a_changed_record_is_named(
        log in logs(),
        at in any::<Index>(),
        part in 0_usize..7,
        share in 1_usize..9,
    ) {
        let at = at.index(log.0.len());
        let mut changed = log.clone();
        edit(&mut changed.0[at], part);
        let report = changed.verify(share, None, None);
        prop_assert_eq!(records_with(&report, &Trouble::Edited), [at as i64 + 1]);
        // With its hash made anew, it is the next one that does not continue it.
        changed.0[at].hash = changed.0[at].computed_hash().to_vec();
        let report = changed.verify(share, None, Some(log.stored()));
        let next = if at + 1 < log.0.len() { vec![at as i64 + 2] } else { Vec::new() };
        prop_assert_eq!(records_with(&report, &Trouble::Chain), next);
        prop_assert!(report.is_tampered());
        // With all of it made anew, the next signature does not cover it, or a head that
        // somebody kept tells.
        changed.chain_anew(at);
        let has_signature = log.0[at..].iter().any(|record| record.signature.is_some());
        let report = changed.verify(share, None, Some(changed.stored()));
        prop_assert!(!has_signature || report.is_tampered());
        let report = changed.verify(share, Some(log.head()), Some(changed.stored()));
        prop_assert!(report.problems.iter().any(|p| p.trouble == Trouble::Rewritten));
        prop_assert!(report.is_tampered());
    }

    #[test]
    fn what_is_taken_out_moved_put_twice_or_cut_off_is_seen(
        log in logs(),
        at in any::<Index>(),
        share in 1_usize..9,
    ) {
        let at = at.index(log.0.len() - 1);
        let seen = |log: &Log| log.verify(share, None, None);
        let mut missing = log.clone();
        missing.0.remove(at);
        let expected = Trouble::Order { after: at as i64 };
        let next = at as i64 + 2;
        let missed = seen(&missing).problems;
        prop_assert!(missed.iter().any(|p| p.seq == next && p.trouble == expected));
        let mut moved = log.clone();
        moved.0.swap(at, at + 1);
        prop_assert!(seen(&moved).is_tampered());
        let mut twice = log.clone();
        twice.0.insert(at, log.0[at].clone());
        prop_assert!(seen(&twice).is_tampered());
        let mut cut = log.clone();
        cut.0.truncate(at + 1);
        let by_head = cut.verify(share, Some(log.head()), None);
        let by_row = cut.verify(share, None, Some(log.stored()));
        prop_assert_eq!(&by_head.problems.last().unwrap().trouble, &Trouble::CutTail);
        let other = Trouble::OtherHead { head: log.head() };
        prop_assert!(by_row.problems.iter().any(|p| p.seq == at as i64 + 1 && p.trouble == other));
    }

    /// A signature that is taken away, made by another key, or of another record.
    #[test]
    fn a_signature_that_is_not_its_own_is_seen(
        log in logs(),
        at in any::<Index>(),
        of in any::<Index>(),
    ) {
        let is_signed = |at: &usize| log.0[*at].signature.is_some();
        let signed: Vec<usize> = (0..log.0.len()).filter(is_signed).collect();
        let (at, of) = (signed[at.index(signed.len())], signed[of.index(signed.len())]);
        let troubles = |log: &Log| {
            let problems = log.verify(4, None, Some(log.stored())).problems.into_iter();
            problems.filter(|p| p.seq == at as i64 + 1).map(|p| p.trouble).collect::<Vec<_>>()
        };
        let before = signed.iter().copied().filter(|other| *other < at).max();
        let since = before.map_or(0, |at| at as i64 + 1);
        let bad = Trouble::BadSignature { since };
        let mut other = log.clone();
        sign(&mut other.0[at], &KEYS[1]);
        prop_assert!(troubles(&other).contains(&bad));
        if of != at {
            other.0[at].signature = log.0[of].signature.clone();
            prop_assert!(troubles(&other).contains(&bad));
        }
        other.0[at].signature = None;
        // A request that got no key may be unsigned; it is open then.
        let is_open = log.0[at].kind == RecordKind::FindRequest.name();
        prop_assert_eq!(troubles(&other).contains(&Trouble::NoSignature), !is_open);
    }
}

#[test]
fn what_the_database_has_beside_the_log_is_compared() {
    let log = Log::of(&[0]);
    let stored = Stored { orphan: Some(9), keys: vec![1, 2, 3], ..log.stored() };
    let problems = log.verify(9, None, Some(stored)).problems;
    let troubles: Vec<_> = problems.into_iter().map(|p| (p.seq, p.trouble)).collect();
    assert_eq!(troubles, [(3, Trouble::UnrecordedKey { key_id: 3 }), (9, Trouble::MissingRecord)]);
    // A record of a key counts only with its signature.
    let mut unsigned = log.clone();
    unsigned.0[1].signature = None;
    let problems = unsigned.verify(9, None, Some(log.stored())).problems;
    assert!(problems.iter().any(|p| p.trouble == Trouble::UnrecordedKey { key_id: 2 }));
}

#[test]
fn a_log_that_nothing_proves_is_told() {
    let troubles = |log: &Log| {
        log.verify(9, None, None).problems.into_iter().map(|p| p.trouble).collect::<Vec<_>>()
    };
    let mut log = Log::default();
    assert_eq!(troubles(&log), [Trouble::NothingSigned]);
    log.add(RecordKind::LoadRun, false, serde_json::json!({}));
    assert_eq!(troubles(&log), [Trouble::NothingSigned]);
}

#[test]
fn an_unreadable_line_stands_after_the_last_record() {
    let (keys, log) = (trusted(), Log::of(&[]));
    let mut verifier = Verifier::new(&keys, None);
    verifier.follow(&log.0);
    verifier.note_unreadable(3);
    let report = verifier.finish(NOW.parse().unwrap(), None);
    let troubles: Vec<_> = report.problems.iter().map(|p| (p.seq, p.trouble.clone())).collect();
    assert_eq!(troubles, [(3, Trouble::Unreadable { line: 3 })]);
    assert!(report.is_tampered());
}

#[test]
fn a_hundred_problems_are_kept_and_all_are_counted() {
    let mut log = Log::of(&[0; 150]);
    log.0.iter_mut().skip(2).for_each(|record| edit(record, 6));
    let report = log.verify(40, None, None);
    assert_eq!((report.problems.len(), report.problem_count), (KEPT, 150));
    // Open requests alone are no evidence, whatever their number.
    let late: Timestamp = "2026-01-31T13:00:00Z".parse().unwrap();
    let (keys, log) = (trusted(), Log::of(&[4; 120]));
    let mut verifier = Verifier::new(&keys, None);
    verifier.follow(&log.0);
    let report = verifier.finish(late, None);
    assert_eq!(
        (report.problems.len(), report.problem_count, report.open_requests),
        (KEPT, 120, 120)
    );
    assert!(!report.is_tampered());
}

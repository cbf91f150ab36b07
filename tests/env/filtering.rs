//! `filter-speed FILE`: what parsing an event costs, and parsing and masking it as
//! `load --file` does, in nanoseconds. Part of `make bench`; one thread.
//!
//! Invariant: both sides take the same lines in turns, each copied into memory that is
//! zeroed, as the loader copies it. Bounded: the lines of FILE, ROUNDS rounds.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "it prints its numbers, and stops at the first surprise"
)]

use std::hint::black_box;
use std::time::Instant;

use loginetl::crypto::SecretBytes;
use loginetl::login::{
    Body, FIXED_DAY, FieldPlan, KeySource, Masker, NearNames, Plan, Reading, ValueKeys, Verdict,
    parse,
};
use loginetl::token::{DataKey, Fields, KeyId, Purpose};
use uuid::Uuid;

const ROUNDS: usize = 5;

fn main() {
    let file = std::env::args().nth(1).expect("a file");
    let text = std::fs::read(file).expect("readable");
    let lines: Vec<&[u8]> = text.split(|&b| b == b'\n').filter(|line| !line.is_empty()).collect();
    let keys = Keys::new();
    let to = ValueKeys { mask: key_id(1), hash: key_id(2) };
    let under = FieldPlan { from: to, to, watermark: Uuid::nil() };
    let plan = Plan { fields: Fields::always().map(|_, ()| under), seal: key_id(3) };
    let mut masker = Masker::new(plan, &keys).expect("all keys");
    let near = NearNames::default();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        times[0].push(nanoseconds(&lines, |body| {
            black_box(parse(&body, FIXED_DAY, Reading::default(), &near)).is_ok()
        }));
        times[1].push(nanoseconds(&lines, |body| {
            let verdict = masker.judge(&body, Uuid::nil, FIXED_DAY, Reading::default(), &near);
            matches!(black_box(verdict), Ok(Verdict::Login(_)))
        }));
    }
    let [parsing, masking] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    });
    println!("{{\"parse\": {parsing:.1}, \"parse_and_mask\": {masking:.1}}}");
}

/// Of a line, all of which must be events.
fn nanoseconds(lines: &[&[u8]], mut work: impl FnMut(Body) -> bool) -> f64 {
    let started = Instant::now();
    let good = lines.iter().filter(|line| work(Body::new(line.to_vec()))).count();
    let elapsed = started.elapsed().as_nanos() as f64;
    assert_eq!(good, lines.len(), "all lines are events");
    elapsed / lines.len() as f64
}

struct Keys([DataKey; 3]);

impl Keys {
    fn new() -> Self {
        let key = |purpose: Purpose, byte: u8| {
            let secret = SecretBytes::new(vec![byte; purpose.key_len()]);
            DataKey::new(purpose, secret).expect("of its length")
        };
        Self([key(Purpose::Mask, 1), key(Purpose::Hash, 2), key(Purpose::Seal, 3)])
    }
}

impl KeySource for Keys {
    fn data_key(&self, id: KeyId) -> Option<&DataKey> {
        self.0.get(id.to_i64() as usize - 1)
    }
}

fn key_id(id: u32) -> KeyId {
    KeyId::new(id).expect("a key id")
}

//! The detection of a file's form under strangers' bytes: no panic, and no word of the
//! file in a refusal.
//!
//! For 20 seconds, or for as many inputs as `FUZZ_INPUTS` says.

#![allow(clippy::print_stderr, reason = "a soak is run for its figures, too")]

use std::time::{Duration, Instant};

use jiff::civil::date;
use loginetl::login::form::{Packing, examine};
use loginetl::login::{NearNames, Reading, parse};

const EVENT: &str =
    r#"{"user_id":"SECRET","app_version":"2.3.0","ip":"192.0.2.7","device_id":"SECRET"}"#;

/// Pieces of which files are made, whole and broken ones.
const PIECES: [&[u8]; 34] = [
    EVENT.as_bytes(),
    b"SECRET",
    b"\"SECRET\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\t",
    b";",
    b"\n",
    b"\r",
    b"\r\n",
    b"\"",
    b"\\",
    b"\x1e",
    b"\0",
    b"\0\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18",
    b"PK\x03\x04",
    b"\xfd7zXZ\0",
    b"user_id",
    b"\"user_id\":",
    b"null",
    b"1e400",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"\xc3",
    b" ",
];

/// xorshift64*: the same inputs in every run of a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }

    fn input(&mut self) -> Vec<u8> {
        let mut input: Vec<u8> =
            (0..self.below(16)).flat_map(|_| PIECES[self.below(PIECES.len())]).copied().collect();
        for _ in 0..self.below(4) {
            if !input.is_empty() {
                let place = self.below(input.len());
                input[place] = self.below(256) as u8;
            }
        }
        input
    }
}

#[test]
fn no_bytes_make_the_detection_of_a_form_panic_or_tell() {
    let wanted: Option<u64> =
        std::env::var("FUZZ_INPUTS").ok().map(|count| count.parse().expect("a number"));
    let seed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock")
        .as_nanos() as u64
        | 1;
    let (mut random, started) = (Random(seed), Instant::now());
    let (mut inputs, mut refused) = (0_u64, 0_u64);
    let is_done = |inputs: u64| match wanted {
        Some(wanted) => inputs >= wanted,
        None => inputs.is_multiple_of(1024) && started.elapsed() > Duration::from_secs(20),
    };
    let (day, near) = (date(2026, 1, 1), NearNames::default());
    while !is_done(inputs) {
        let input = random.input();
        let _ = Packing::of(&input);
        let form = examine(&input, inputs % 2 == 0, |line| {
            parse(line, day, Reading::default(), &near).map(drop)
        });
        if let Err(form) = form {
            refused += 1;
            let said = format!("{form} {form:?} {:?} {:?}", form.filter(), form.python_filter());
            assert!(
                !said.contains("SECRET") && !said.contains("192.0.2"),
                "seed {seed}, input {inputs}: {said}"
            );
        }
        inputs += 1;
    }
    eprintln!(
        "{inputs} inputs, {refused} refused, {:.1} s, seed {seed}",
        started.elapsed().as_secs_f64()
    );
    assert!(refused > inputs / 4 && refused < inputs, "{refused} of {inputs}");
}

//! The parsers that meet strangers' bytes, for a minute each.

use std::time::{Duration, Instant};

use crate::body_fuzz::{Chance, try_one};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
#[expect(clippy::print_stdout, reason = "a soak says how much it did")]
fn bodies_for_a_minute() {
    // Other bodies than last time, and which they were is told.
    let first = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() << 24;
    let started = Instant::now();
    let mut tried = 0;
    while started.elapsed() < MINUTE {
        (0..1_000).for_each(|n| try_one(&mut Chance::new(first + tried + n)));
        tried += 1_000;
    }
    println!("{tried} bodies, from seed {first}");
}

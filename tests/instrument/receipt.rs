//! Receipt handles: as long as those of SQS, with a message's slot and a number that is
//! used once in them.
//!
//! Invariant: what `write` wrote, `read` reads; whatever else it is given is no receipt.

use super::protocol::Answer;

const START: &str = "AQEB";
const FILL: &str = "sDYk3pWv7Qm0Zr5xTn8cJh2LfUa9GbEe6OiNw4MtKySVzXRCqPHlBdIgFujo1A";
/// Of a receipt of SQS.
const LENGTH: usize = 412;

pub fn write(slot: u32, number: u64, answer: &mut Answer) {
    answer.add(format_args!("{START}{slot:08x}{number:016x}"));
    let mut left = LENGTH - START.len() - 24;
    while left > 0 {
        let more = left.min(FILL.len());
        answer.text(&FILL[..more]);
        left -= more;
    }
}

pub fn read(handle: &str) -> Option<(u32, u64)> {
    let rest = handle.strip_prefix(START).filter(|_| handle.len() == LENGTH)?;
    Some((
        u32::from_str_radix(rest.get(..8)?, 16).ok()?,
        u64::from_str_radix(rest.get(8..24)?, 16).ok()?,
    ))
}

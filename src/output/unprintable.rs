//! Characters that a terminal obeys or nobody sees, and how JSON spells them.

use std::fmt::Write as _;

/// DEL, the second set of controls, line separators, and characters without width or with
/// a direction of their own.
#[must_use]
pub(super) fn is_unprintable(c: char) -> bool {
    matches!(
        c,
        '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// JSON with unprintable characters escaped, if there are any. JSON itself escapes only
/// the controls below U+0020.
#[must_use]
pub(super) fn spell_unprintable(json: &str) -> Option<String> {
    if !json.contains(is_unprintable) {
        return None;
    }
    // In one piece from the start: no reallocation leaves a part of a value behind.
    let count = json.chars().filter(|c| is_unprintable(*c)).count();
    let mut spelled = String::with_capacity(json.len() + 6 * count);
    for c in json.chars() {
        if is_unprintable(c) {
            // All of them are below U+10000; writing to a string does not fail.
            let _ = write!(spelled, "\\u{:04x}", u32::from(c));
        } else {
            spelled.push(c);
        }
    }
    Some(spelled)
}

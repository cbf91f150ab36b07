//! Names of fields that are almost known: in another case, or one letter off. What they
//! hold is not read.
//!
//! Invariant: a name that is kept is one of ours but for a letter, so that no value can
//! be in it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// The names of an event's fields.
const KNOWN: [&str; 8] = [
    "user_id",
    "app_version",
    "device_type",
    "ip",
    "locale",
    "device_id",
    "timestamp",
    "create_date",
];
/// So short a name has too many neighbours: `id` is not a misspelt `ip`.
const TOO_SHORT: usize = 2;
/// The longest known name, and one letter.
const LONGEST: usize = {
    let (mut longest, mut at) = (0, 0);
    while at < KNOWN.len() {
        let length = KNOWN[at].len();
        longest = if length > longest { length } else { longest };
        at += 1;
    }
    longest + 1
};
/// How many spellings are told apart; more are not counted.
const MOST_SPELLINGS: usize = 32;

/// A name as it was spelt, and the known one that it almost is.
pub(super) type NearName = (&'static str, Box<str>);

/// The known name that this one almost is. None is almost itself.
pub(super) fn near_name(name: &str) -> Option<&'static str> {
    // Most names of others end here.
    if KNOWN.iter().all(|known| known.len().abs_diff(name.len()) > 1) {
        return None;
    }
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.bytes().all(is_letter) || KNOWN.contains(&name) {
        return None;
    }
    let mut lower = [0; LONGEST];
    let lower = &mut lower[..name.len()];
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    let is_near = |known: &[u8]| {
        lower == known || (known.len() > TOO_SHORT && is_one_letter_off(lower, known))
    };
    let mut plausible = KNOWN.into_iter().filter(|known| known.len().abs_diff(name.len()) <= 1);
    plausible.find(|known| is_near(known.as_bytes()))
}

/// One letter replaced, left out, added, or in the place of its neighbour.
fn is_one_letter_off(name: &[u8], known: &[u8]) -> bool {
    let same = name.iter().zip(known).take_while(|(a, b)| a == b).count();
    match (&name[same..], &known[same..]) {
        ([_, name @ ..], [_, known @ ..]) if name == known => true,
        ([a, b, name @ ..], [c, d, known @ ..]) if (a, b) == (d, c) && name == known => true,
        ([_, name @ ..], known) | (known, [_, name @ ..]) if name == known => true,
        _ => false,
    }
}

/// How often each spelling has come.
#[derive(Default)]
pub struct NearNames {
    counts: Mutex<BTreeMap<NearName, Count>>,
    has_new: AtomicBool,
}

#[derive(Clone, Copy)]
struct Count {
    events: u64,
    is_told: bool,
}

/// A spelling and how many events had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearNameCount {
    /// As it was spelt.
    pub name: Box<str>,
    /// The known name.
    pub almost: &'static str,
    /// In so many events, in which the known name was not.
    pub count: u64,
}

impl NearNames {
    /// Counts the spellings in one event.
    pub(super) fn count(&self, names: impl IntoIterator<Item = NearName>) {
        names.into_iter().for_each(|name| self.add(name, 1));
    }

    /// Adds what was counted elsewhere.
    pub fn add_all(&self, others: &Self) {
        others.lock().iter().for_each(|(name, count)| self.add(name.clone(), count.events));
    }

    /// All spellings so far.
    #[must_use]
    pub fn counts(&self) -> Vec<NearNameCount> {
        self.lock().iter().map(|(name, count)| describe(name, *count)).collect()
    }

    /// The spellings that have come since this was asked last.
    pub fn take_new(&self) -> Vec<NearNameCount> {
        if !self.has_new.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut counts = self.lock();
        self.has_new.store(false, Ordering::Relaxed);
        let mut new = Vec::new();
        for (name, count) in counts.iter_mut().filter(|(_, count)| !count.is_told) {
            count.is_told = true;
            new.push(describe(name, *count));
        }
        new
    }

    fn add(&self, name: NearName, more: u64) {
        let mut counts = self.lock();
        if let Some(count) = counts.get_mut(&name) {
            count.events += more;
        } else if counts.len() < MOST_SPELLINGS {
            counts.insert(name, Count { events: more, is_told: false });
            self.has_new.store(true, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NearName, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe((almost, name): &NearName, count: Count) -> NearNameCount {
    NearNameCount { name: name.clone(), almost, count: count.events }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_another_case_or_one_letter_off_are_almost_known() {
        for (name, known) in [
            ("Locale", "locale"),
            ("devide_type", "device_type"),
            ("deviceId", "device_id"),
            ("USER_ID", "user_id"),
            ("user-id", "user_id"),
            ("appVersion", "app_version"),
            ("deivce_id", "device_id"),
            ("timestamps", "timestamp"),
            ("IP", "ip"),
        ] {
            assert_eq!(near_name(name), Some(known), "{name}");
        }
        for name in [
            "locale",
            "ip",
            "id",
            "ips",
            "user",
            "type",
            "",
            "xx",
            "device",
            "éocale",
            "loc\0le",
            "version",
            "user__name",
        ] {
            assert_eq!(near_name(name), None, "{name}");
        }
    }

    #[test]
    fn spellings_are_counted_and_are_new_once() {
        let names = NearNames::default();
        assert_eq!(names.take_new(), []);
        names.count([("ip", "IP".into()), ("locale", "Locale".into())]);
        names.count([("ip", "IP".into())]);
        assert_eq!((names.take_new().len(), names.take_new().len()), (2, 0));
        let all = NearNames::default();
        all.add_all(&names);
        let counts: Vec<_> =
            all.counts().into_iter().map(|c| (c.name.into_string(), c.almost, c.count)).collect();
        assert_eq!(counts, [("IP".to_owned(), "ip", 2), ("Locale".to_owned(), "locale", 1)]);
        (0..100).for_each(|n| all.count([("ip", format!("{n}").into())]));
        assert_eq!(all.counts().len(), MOST_SPELLINGS);
    }
}

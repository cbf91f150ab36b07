//! Figures that may come from a sample, and how people read them.
//!
//! Invariant: what is shown holds what was estimated: rounding never narrows a margin.

use std::fmt::{self, Display};
use std::ops::Add;

use serde::Serialize;

/// How figures come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// All are counted, however long that takes.
    All,
    /// A large table is sampled.
    Sample,
}

/// A number, and how far it may be off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figure {
    /// How many.
    pub count: i64,
    /// How many more or fewer it may be; none where they were counted.
    pub margin: Option<i64>,
}

/// What was read of a table that was not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Sample {
    /// How many blocks.
    pub blocks: i64,
    /// Of how many.
    pub of_blocks: i64,
    /// What no block showed may be there so often.
    pub unseen_at_most: i64,
}

impl Counting {
    /// What `--exact` asks for.
    #[must_use]
    pub(crate) const fn of(is_exact: bool) -> Self {
        if is_exact { Self::All } else { Self::Sample }
    }
}

impl Figure {
    /// How it came about, for programs.
    #[must_use]
    pub(crate) const fn origin(self) -> &'static str {
        if self.margin.is_some() { "estimated" } else { "counted" }
    }
}

/// Both may be off at once, and to the same side.
impl Add for Figure {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let margin = match (self.margin, other.margin) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        };
        Self { count: self.count + other.count, margin }
    }
}

impl Sample {
    /// How figures came about, for programs.
    #[must_use]
    pub(crate) const fn origin(sample: Option<Self>) -> &'static str {
        if sample.is_some() { "estimated" } else { "counted" }
    }

    /// What nothing was seen of: none, as far as a sample can tell.
    #[must_use]
    pub(crate) fn unseen(sample: Option<Self>) -> Figure {
        Figure { count: 0, margin: sample.map(|sample| sample.unseen_at_most) }
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, margin } = *self;
        let Some(margin) = margin else { return write!(f, "{count}") };
        let at_most = |number| grouped(rounded_up(number, unit(number)));
        if count == 0 {
            return write!(f, "none seen, ≤ {}", at_most(margin));
        }
        let unit = unit(margin);
        let half = unit / 2;
        match (count + half) / unit * unit {
            // What was seen is not called none.
            0 => write!(f, "some, ≤ {}", at_most(count + margin)),
            about => {
                write!(f, "~{} ± {}", grouped(about), grouped(rounded_up(margin + half, unit)))
            }
        }
    }
}

/// What was read, and what it may have missed.
impl Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, of_blocks, unseen_at_most } = *self;
        write!(
            f,
            "estimated from {} of {} blocks, which may miss {} of a kind; --exact counts",
            grouped(blocks),
            grouped(of_blocks),
            grouped(rounded_up(unseen_at_most, unit(unseen_at_most)))
        )
    }
}

/// The power of ten that leaves two digits of a number.
fn unit(of: i64) -> i64 {
    let digits = of.max(1).ilog10();
    10_i64.pow(digits.saturating_sub(1))
}

fn rounded_up(number: i64, unit: i64) -> i64 {
    number.saturating_add(unit - 1) / unit * unit
}

/// `1,234,567`.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_says_whether_it_was_counted() {
        for (count, margin, expected) in [
            (119, None, "119"),
            (5_000_000, None, "5000000"),
            (1_999_848, Some(13_306), "~2,000,000 ± 14,000"),
            (4_998_213, Some(100_000), "~5,000,000 ± 110,000"),
            (40, Some(7), "~40 ± 7"),
            (1_234, Some(99), "~1,234 ± 99"),
            (0, Some(12_043), "none seen, ≤ 13,000"),
            (0, Some(0), "none seen, ≤ 0"),
            (52, Some(12_043), "some, ≤ 13,000"),
            (600, Some(12_043), "~1,000 ± 13,000"),
        ] {
            assert_eq!(Figure { count, margin }.to_string(), expected);
        }
        let sample = Sample { blocks: 3_000, of_blocks: 155_332, unseen_at_most: 12_043 };
        let expected = "estimated from 3,000 of 155,332 blocks, which may miss 13,000 of a kind; \
                        --exact counts";
        assert_eq!(sample.to_string(), expected);
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_holds_what_was_estimated(
            count in 1_i64..1 << 40,
            margin in 0_i64..1 << 40,
        ) {
            let text = Figure { count, margin: Some(margin) }.to_string().replace(',', "");
            let (low, high): (i64, i64) = if let Some((about, wide)) = text.split_once(" ± ") {
                let about: i64 = about.trim_start_matches('~').parse().unwrap();
                proptest::prop_assert!(about > 0);
                let wide: i64 = wide.parse().unwrap();
                (about - wide, about + wide)
            } else {
                (0, text.trim_start_matches("some ≤ ").parse().unwrap())
            };
            proptest::prop_assert!(low <= (count - margin).max(0) && count + margin <= high);
        }
    }
}

//! Whether a failed call is worth another try: one answer for every loop that tries
//! again, and for the exit code.
//!
//! Each error says it of itself (`retry()`); how long and how often a loop tries is its
//! own affair.

/// What another try of the same call is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Nothing is faulty: somebody else goes first. The caller waits a moment, and counts
    /// no fault.
    Now,
    /// The fault may pass by itself: the caller waits, longer each time,
    /// and gives up at last.
    Later,
    /// The same call fails again until a person has changed something.
    Never,
}

impl Retry {
    /// Whether another try may succeed.
    #[must_use]
    pub(crate) const fn may_help(self) -> bool {
        matches!(self, Self::Now | Self::Later)
    }
}

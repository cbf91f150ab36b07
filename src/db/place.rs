//! Where a row lies, and what a reader has seen: so that a step finds rows again without
//! looking for them.
//!
//! Invariant: both only save work. A row is changed only if it still carries the token
//! that was read and a hash in the range, and a range counts as complete only if nobody
//! else can have written since it was read.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use super::DbError;

/// A row's place in its table (its ctid): page and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    page: u32,
    number: u16,
}

impl<'a> FromSql<'a> for Place {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let [a, b, c, d, e, f] = *<&[u8; 6]>::try_from(raw)?;
        Ok(Self { page: u32::from_be_bytes([a, b, c, d]), number: u16::from_be_bytes([e, f]) })
    }

    accepts!(TID);
}

impl ToSql for Place {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.page.to_be_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
        Ok(IsNull::No)
    }

    accepts!(TID);
    to_sql_checked!();
}

/// How much of a range was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// All rows that this snapshot, taken before the first of them was
    /// read, can have shown.
    Whole(Snapshot),
    /// As many as fit; there may be more.
    Part,
}

/// Which transactions a reader has seen: all below `until`, but for those in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    until: u64,
    in_progress: Vec<u64>,
}

impl Snapshot {
    /// Parses `xmin:xmax:xip,xip…`.
    pub(crate) fn parse(text: &str) -> Result<Self, DbError> {
        const INVALID: DbError = DbError::Invalid("snapshot");
        let number = |text: &str| text.parse::<u64>().map_err(|_| INVALID);
        let mut parts = text.splitn(3, ':').skip(1);
        let until = number(parts.next().ok_or(INVALID)?)?;
        let in_progress = parts.next().ok_or(INVALID)?.split(',').filter(|text| !text.is_empty());
        Ok(Self { until, in_progress: in_progress.map(number).collect::<Result<_, _>>()? })
    }

    /// Whether only `own` transactions can have written between this snapshot and `now`.
    pub(super) fn only_own_since(&self, now: &Self, own: &[u64]) -> bool {
        // Whoever wrote in between has a number that this snapshot does not see: one that
        // was in progress then, or one given since. No number is given twice. So if as
        // many of our own are among them as there are at all, nobody else has one. Those
        // who wrote elsewhere count too, which costs no more than a second look. Numbers
        // fall back only when the server has crashed; then they prove nothing.
        let Some(begun) = now.until.checked_sub(self.until) else { return false };
        let is_unseen =
            |id: &&u64| self.in_progress.contains(id) || (self.until..now.until).contains(*id);
        self.in_progress.len() as u64 + begun == own.iter().filter(is_unseen).count() as u64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::Snapshot;

    #[test]
    fn whoever_else_may_have_written_counts() {
        let since = |then: &str, now: &str, own: &[u64]| {
            Snapshot::parse(then).unwrap().only_own_since(&Snapshot::parse(now).unwrap(), own)
        };
        assert!(since("10:10:", "10:10:", &[]), "nobody");
        assert!(since("10:10:", "10:10:", &[10]), "its own, which is under way");
        assert!(
            since("10:11:10", "12:12:", &[10, 11]),
            "its own: one under way when it was read, one begun since"
        );
        assert!(!since("10:11:10", "11:11:", &[]), "another's that was under way");
        assert!(!since("10:10:", "11:11:", &[]), "another's that began since");
        assert!(!since("10:12:10", "13:13:", &[10]), "another's beside its own");
        assert!(since("10:13:10,12", "13:13:", &[10, 12]), "two of its own");
        assert!(!since("10:13:10", "12:12:", &[10]), "numbers that fell back");
        assert!(
            Snapshot::parse("10").is_err()
                && Snapshot::parse("1:x:").is_err()
                && Snapshot::parse("1:2:y").is_err()
        );
    }
}

//! Times of an event: when its message was sent, and which day the row carries.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

/// The ledger day of messages whose SentTimestamp is absent or absurd, and of file
/// chunks. Never dropped.
pub const FIXED_DAY: Date = date(1970, 1, 1);

/// Epoch numbers below this are seconds (until the year 5138), others milliseconds.
const FIRST_MILLISECOND: i64 = 100_000_000_000;

/// When the queue says that a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentAt(Option<Timestamp>);

impl SentAt {
    /// Reads SentTimestamp: milliseconds on AWS, seconds on old emulators. Outside
    /// 2004…2100 it counts as absent.
    #[must_use]
    pub fn from_attribute(text: Option<&str>) -> Self {
        let timestamp = text.and_then(epoch_digits);
        Self(timestamp.filter(is_plausible))
    }

    /// Reads it out of an archive: digits as SentTimestamp has them, or RFC 3339. Nothing
    /// where it would count as absent.
    pub(super) fn from_archive(text: &str) -> Option<Self> {
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return Some(Self::from_attribute(Some(text))).filter(|sent| sent.0.is_some());
        }
        text.parse().ok().filter(is_plausible).map(|sent| Self(Some(sent)))
    }

    /// The time, where it is known.
    #[must_use]
    pub fn timestamp(self) -> Option<Timestamp> {
        self.0
    }

    /// The day of the ledger: the same at every redelivery.
    #[must_use]
    pub fn ledger_day(self) -> Date {
        self.0.map_or(FIXED_DAY, utc_day)
    }

    /// The day of the row when its body carries none: that of sending,
    /// else that of `now`.
    #[must_use]
    pub fn row_day(self, now: Timestamp) -> Date {
        utc_day(self.0.unwrap_or(now))
    }
}

/// The UTC day of a time.
#[must_use]
pub fn utc_day(timestamp: Timestamp) -> Date {
    timestamp.to_zoned(TimeZone::UTC).date()
}

/// The day of a `create_date`: `YYYY-MM-DD` and nothing else.
pub(super) fn calendar_day(text: &str) -> Option<Date> {
    let shape = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(i, b)| if matches!(i, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
    shape.then(|| text.parse().ok()).flatten().filter(|day: &Date| day.year() >= 1)
}

/// The day of a textual `timestamp`: digits as epoch seconds or
/// milliseconds, or RFC 3339.
pub(super) fn timestamp_day(text: &str) -> Option<Date> {
    let timestamp = if text.bytes().all(|b| b.is_ascii_digit()) {
        epoch_digits(text)
    } else {
        text.parse().ok()
    };
    timestamp.map(utc_day).filter(|day| day.year() >= 1)
}

/// The day of which an envelope says that the event was published then. Like
/// SentTimestamp, it counts as absent when it is absurd: it is not the event's own.
pub(super) fn published_day(text: &str) -> Option<Date> {
    text.parse().ok().filter(is_plausible).map(utc_day)
}

fn is_plausible(timestamp: &Timestamp) -> bool {
    (2004..=2100).contains(&utc_day(*timestamp).year())
}

/// The day of a numeric `timestamp`: epoch seconds or milliseconds, fractions dropped.
pub(super) fn epoch_day(epoch: i64) -> Option<Date> {
    epoch_timestamp(epoch).map(utc_day)
}

fn epoch_digits(text: &str) -> Option<Timestamp> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
        .and_then(epoch_timestamp)
}

fn epoch_timestamp(epoch: i64) -> Option<Timestamp> {
    match epoch {
        0..FIRST_MILLISECOND => Timestamp::from_second(epoch).ok(),
        FIRST_MILLISECOND.. => Timestamp::from_millisecond(epoch).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sent_timestamps_are_seconds_or_milliseconds() {
        let day = |text| SentAt::from_attribute(text).ledger_day();
        assert_eq!(day(Some("1700000000")), date(2023, 11, 14));
        assert_eq!(day(Some("1700000000000")), date(2023, 11, 14));
        for absurd in [
            None,
            Some(""),
            Some("0"),
            Some("x"),
            Some("-5"),
            Some("99999999999999999999"),
            Some("1000000000"),
            Some("5000000000"),
        ] {
            assert_eq!(day(absurd), FIXED_DAY, "{absurd:?}");
        }
    }

    #[test]
    fn dates_have_one_shape() {
        assert_eq!(calendar_day("2024-02-29"), Some(date(2024, 2, 29)));
        for text in [
            "2023-02-29",
            "2024-2-29",
            "20240229",
            "2024-02-29T00:00:00Z",
            "0000-01-01",
            "",
            "2024/02/29",
        ] {
            assert_eq!(calendar_day(text), None, "{text:?}");
        }
        assert_eq!(timestamp_day("2024-02-29T23:30:00-01:00"), Some(date(2024, 3, 1)));
        assert_eq!(timestamp_day("1700000000"), Some(date(2023, 11, 14)));
        for text in ["", "2024-02-29", "yesterday", "1.7e9", "2024-02-29T23:30:00"] {
            assert_eq!(timestamp_day(text), None, "{text:?}");
        }
        assert_eq!(epoch_day(-1), None);
        assert_eq!(epoch_day(1_700_000_000_000), Some(date(2023, 11, 14)));
    }
}

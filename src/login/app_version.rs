//! `app_version` as an integer: two or three groups of ASCII digits, by one of three
//! encodings in use.

use super::RejectReason;

/// How a version becomes the integer column `app_version`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppVersionEncoding {
    /// major·1,000,000 + minor·1,000 + patch: the order of versions is the order of
    /// integers (`2.3` = `2.3.0` = 2003000).
    #[default]
    Ordered,
    /// The first group alone (`2.3.0` = 2).
    Major,
    /// The digits without the dots (`2.3.0` = 230).
    Digits,
}

impl AppVersionEncoding {
    /// All of them.
    const ALL: [Self; 3] = [Self::Ordered, Self::Major, Self::Digits];

    /// Its word, in flags and plans.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Major => "major",
            Self::Digits => "digits",
        }
    }

    /// The encoding of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name)
    }

    /// Encodes `text`.
    ///
    /// # Errors
    /// The reason why it is no version, or does not fit.
    pub(super) fn encode(self, text: &str) -> Result<i32, RejectReason> {
        let groups: Vec<&str> = text.split('.').collect();
        let well_formed = |g: &&str| !g.is_empty() && g.bytes().all(|b| b.is_ascii_digit());
        if !(2..=3).contains(&groups.len()) || !groups.iter().all(well_formed) {
            return Err(RejectReason::InvalidAppVersion);
        }
        match self {
            Self::Ordered => encode_in_order(&groups),
            Self::Major => groups[0].parse().ok(),
            Self::Digits => groups.concat().parse().ok(),
        }
        .ok_or(RejectReason::AppVersionOutOfRange)
    }
}

fn encode_in_order(groups: &[&str]) -> Option<i32> {
    let small =
        |group: Option<&&str>| group.map_or(Some(0), |g| g.parse().ok().filter(|n| *n <= 999));
    let major: i32 = groups[0].parse().ok()?;
    let minor: i32 = small(groups.get(1))?;
    let patch: i32 = small(groups.get(2))?;
    major.checked_mul(1_000_000)?.checked_add(minor * 1_000 + patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_versions() {
        let ordered = |text| AppVersionEncoding::Ordered.encode(text);
        assert_eq!(ordered("2.3.0"), Ok(2_003_000));
        assert_eq!(ordered("2.3"), Ok(2_003_000));
        assert_eq!(ordered("0.96"), Ok(96_000));
        assert_eq!(ordered("6.02"), Ok(6_002_000));
        assert_eq!(ordered("2147.483.647"), Ok(i32::MAX));
        assert_eq!(AppVersionEncoding::Major.encode("2.3.0"), Ok(2));
        assert_eq!(AppVersionEncoding::Digits.encode("2.3.0"), Ok(230));
        assert_eq!(AppVersionEncoding::Digits.encode("0.96"), Ok(96));
    }

    #[test]
    fn what_is_no_version_is_rejected() {
        for text in [
            "", "1", "a.b", "1.2.3.4", "1.", ".1", "1..2", "1.2 ", "+1.2", "-1.2", "1.2-rc1", "١.٢",
        ] {
            assert_eq!(
                AppVersionEncoding::Ordered.encode(text),
                Err(RejectReason::InvalidAppVersion),
                "{text:?}"
            );
        }
        for text in ["1.1000", "1.0.1000", "2148.0", "2147.483.648", "99999999999.0"] {
            assert_eq!(
                AppVersionEncoding::Ordered.encode(text),
                Err(RejectReason::AppVersionOutOfRange),
                "{text:?}"
            );
        }
        assert_eq!(
            AppVersionEncoding::Digits.encode("2147483.648"),
            Err(RejectReason::AppVersionOutOfRange)
        );
    }

    proptest! {
        #[test]
        fn integers_keep_the_order_of_versions(
            a in (0..2147i32, 0..1000i32, 0..1000i32),
            b in (0..2147i32, 0..1000i32, 0..1000i32),
        ) {
            let encode = |(major, minor, patch): (i32, i32, i32)| {
                AppVersionEncoding::Ordered.encode(&format!("{major}.{minor}.{patch}"))
            };
            let (x, y) = (encode(a), encode(b));
            prop_assert!(x.is_ok() && y.is_ok());
            prop_assert_eq!(x.ok().cmp(&y.ok()), a.cmp(&b));
        }
    }
}

//! The words of the schema as types: how each stands in a parameter and in a
//! row, in one place.
//!
//! Invariant: whatever stands in the database, reading it is an error and no panic.
//! Somebody may have changed it.

use std::error::Error;

use tokio_postgres::Row;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use super::DbError;
use super::session::Parameter;
use crate::audit::{Group, Head, RecordKind};
use crate::token::{Field, Holder, KeyId, KeyState, Purpose};

type Failure = Box<dyn Error + Sync + Send>;

/// What may stand in a column, and what an error calls it.
pub(super) trait Word: for<'a> FromSql<'a> {
    const WHAT: &'static str;
}

/// A word of the schema is text there.
macro_rules! text_words {
    ($($word:ty: $what:literal),*) => {$(
        impl ToSql for $word {
            fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
                self.name().to_sql(of, out)
            }

            accepts!(TEXT);
            to_sql_checked!();
        }

        impl<'a> FromSql<'a> for $word {
            fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
                let name = <&str>::from_sql(of, raw)?;
                Self::from_name(name).ok_or_else(|| concat!("no ", $what).into())
            }

            accepts!(TEXT);
        }

        impl Word for $word {
            const WHAT: &'static str = $what;
        }
    )*};
}

text_words!(
    Field: "field",
    Purpose: "key purpose",
    KeyState: "key state",
    Holder: "holder of a wrap",
    RecordKind: "kind of record",
    Group: "group"
);

impl ToSql for KeyId {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        self.to_i64().to_sql(of, out)
    }

    accepts!(INT8);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for KeyId {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Self::try_from(i64::from_sql(of, raw)?)?)
    }

    accepts!(INT8);
}

impl Word for KeyId {
    const WHAT: &'static str = "key id";
}

/// The word of a column that has one.
pub(super) fn word<T: Word>(row: &Row, column: usize) -> Result<T, DbError> {
    row.try_get(column).map_err(|_| DbError::Invalid(T::WHAT))
}

/// The words of a column that is an array.
pub(super) fn words<T: Word>(row: &Row, column: usize) -> Result<Vec<T>, DbError> {
    row.try_get(column).map_err(|_| DbError::Invalid(T::WHAT))
}

/// Number and hash of a record, from two columns.
pub(super) fn head(row: &Row, seq: usize) -> Head {
    Head { seq: row.get(seq), hash: row.get(seq + 1) }
}

/// The owner of our schemas, as a parameter.
pub(super) const OWNER: Parameter<'static> = (&Group::Owner, Type::TEXT);

/// All groups, as a parameter.
pub(super) const GROUPS: Parameter<'static> = (&Group::ALL, Type::TEXT_ARRAY);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn goes_there_and_back<T: ToSql + Word + PartialEq + std::fmt::Debug>(all: &[T], of: &Type) {
        for word in all {
            let mut raw = BytesMut::new();
            assert!(matches!(word.to_sql(of, &mut raw), Ok(IsNull::No)));
            assert_eq!(&T::from_sql(of, &raw).unwrap(), word);
        }
        assert!(T::from_sql(of, b"nonsense").is_err());
    }

    #[test]
    fn each_word_comes_back_as_it_went_and_no_other_is_taken() {
        goes_there_and_back(&Purpose::ALL, &Type::TEXT);
        goes_there_and_back(&KeyState::ALL, &Type::TEXT);
        goes_there_and_back(&Holder::ALL, &Type::TEXT);
        goes_there_and_back(&RecordKind::ALL, &Type::TEXT);
        goes_there_and_back(&Group::ALL, &Type::TEXT);
        goes_there_and_back(&[1, u32::MAX].map(|id| KeyId::new(id).unwrap()), &Type::INT8);
        for beyond in [0, -1, i64::from(u32::MAX) + 1] {
            assert!(KeyId::from_sql(&Type::INT8, &beyond.to_be_bytes()).is_err(), "{beyond}");
        }
    }

    /// The words between the quotes of a list behind `before`, up to
    /// the next parenthesis.
    fn listed(sql: &str, before: &str) -> Vec<String> {
        let list =
            sql.split_once(before).unwrap().1.split_once('(').unwrap().1.split_once(')').unwrap().0;
        let mut words: Vec<String> =
            list.split('\'').skip(1).step_by(2).map(ToOwned::to_owned).collect();
        words.sort();
        words
    }

    fn names<T: Copy>(
        of: impl IntoIterator<Item = T>,
        name: impl Fn(T) -> &'static str,
    ) -> Vec<String> {
        let mut names: Vec<String> = of.into_iter().map(|word| name(word).to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_files_of_sql_have_these_words() {
        let tables = include_str!("../../sql/V1__foundation.sql");
        assert_eq!(listed(tables, "check (purpose in"), names(Purpose::ALL, Purpose::name));
        assert_eq!(listed(tables, "check (state in"), names(KeyState::ALL, KeyState::name));
        assert_eq!(listed(tables, "check (holder in"), names(Holder::ALL, Holder::name));
        let log = include_str!("../../sql/functions/audit.sql");
        let signed = RecordKind::ALL.into_iter().filter(|kind| kind.is_signed());
        assert_eq!(listed(log, "due.kind not in"), names(signed, RecordKind::name));
    }

    #[test]
    fn functions_name_no_kind_of_record_and_no_group_that_is_none() {
        for file in super::super::expected::FUNCTIONS {
            for word in file.split('\'').skip(1).step_by(2) {
                let family = word.split_once('.').map(|(family, _)| family);
                if RecordKind::ALL.iter().any(|kind| Some(kind.family()) == family) {
                    assert!(RecordKind::from_name(word).is_some(), "{word}");
                }
                if word.starts_with("loginetl_") {
                    assert!(Group::from_name(word).is_some(), "{word}");
                }
            }
        }
    }
}

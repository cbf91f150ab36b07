//! The gate before every recovered value: a request, its keys, its outcome, each in a
//! transaction of its own.
//!
//! Invariant: the functions behind it decide (sql/functions/gate.sql); this file only
//! calls them.

use tokio_postgres::types::Type;

use super::audit::{PARTS, record_of};
use super::keys::{KeyRow, key_row};
use super::session::Parameter;
use super::words::head;
use super::{DbError, Session};
use crate::audit::{Group, Head, Record, RecordKind};
use crate::token::KeyId;

/// The database's answer to a request, which is committed either way.
pub(crate) struct Requested {
    /// Whether this login may recover values.
    pub is_granted: bool,
    /// The record of the request, or of its denial.
    pub head: Head,
}

/// A committed request of this login, and how it stands.
pub(crate) struct OwnRequest {
    /// The request, with all that its hash is made of.
    pub record: Record,
    /// Whether a signature for it is stored.
    pub is_signed: bool,
    /// Whether it has its outcome, or was withdrawn.
    pub is_closed: bool,
    /// Whether it is too old for a release.
    pub is_late: bool,
}

impl Session {
    /// The login, and whether it is an unmasker.
    pub(crate) async fn who_unmasks(&self) -> Result<(String, bool), DbError> {
        let statement = "select session_user::text, pg_has_role(session_user, $1, 'member')";
        let row = self
            .read_one("asking who this login is", statement, &[(&Group::Unmasker, Type::TEXT)])
            .await?;
        Ok((row.get(0), row.get(1)))
    }

    /// Records and commits what is asked and why, as a request of this kind.
    ///
    /// # Errors
    /// When the database is gone, or does not even let this login ask.
    pub(crate) async fn request_unmask(
        &self,
        kind: RecordKind,
        details: &str,
        keys: &[KeyId],
    ) -> Result<Requested, DbError> {
        let parameters: [Parameter<'_>; 3] =
            [(&kind.family(), Type::TEXT), (&details, Type::TEXT), (&keys, Type::INT8_ARRAY)];
        let statement = "select granted, seq, hash from vault.request_unmask($1, $2, $3)";
        let row = self.write_one("recording the request", statement, &parameters).await?;
        Ok(Requested { is_granted: row.get(0), head: head(&row, 1) })
    }

    /// A committed request of this login; none, where no request of it has this number.
    ///
    /// # Errors
    /// When the database is gone, or does not let this login ask.
    pub(crate) async fn own_request(&self, request: i64) -> Result<Option<OwnRequest>, DbError> {
        let statement = format!(
            "select {PARTS}, o.signed, o.closed, o.late from vault.own_request($1) o cross \
               join lateral (select (o.asked).*) l"
        );
        let rows =
            self.read("looking for the request", &statement, &[(&request, Type::INT8)]).await?;
        let own = |row| {
            Ok(OwnRequest {
                record: record_of(row)?,
                is_signed: row.get(13),
                is_closed: row.get(14),
                is_late: row.get(15),
            })
        };
        rows.first().map(own).transpose()
    }

    /// Records that a key is released for a signed request, and commits that.
    ///
    /// # Errors
    /// [`super::SqlKind::Gate`]: the request does not entitle this login to the key, now.
    pub(crate) async fn release_key(&self, request: i64, key: KeyId) -> Result<(), DbError> {
        let parameters: [Parameter<'_>; 2] = [(&request, Type::INT8), (&key, Type::INT8)];
        self.write("releasing a recovery key", "select vault.release_key($1, $2)", &parameters)
            .await
            .map(drop)
    }

    /// The recovery wrap of a key whose release is committed.
    ///
    /// # Errors
    /// [`super::SqlKind::Gate`]: the release is not committed, or the request does not
    /// entitle this login to the key any more.
    pub(crate) async fn released_wrap(&self, request: i64, key: KeyId) -> Result<KeyRow, DbError> {
        let parameters: [Parameter<'_>; 2] = [(&request, Type::INT8), (&key, Type::INT8)];
        let statement = "select $2, purpose, check_value, kms_key_arn, wrapped \
                           from vault.released_wrap($1, $2)";
        key_row(&self.write_one("handing out a recovery key", statement, &parameters).await?)
    }

    /// Closes a request of this login for which no key was released.
    ///
    /// # Errors
    /// [`super::SqlKind::Gate`]: there is no such request, a key was released for it, or
    /// it is closed.
    pub(crate) async fn withdraw_request(
        &self,
        request: i64,
        details: &str,
    ) -> Result<Head, DbError> {
        let parameters: [Parameter<'_>; 2] = [(&request, Type::INT8), (&details, Type::TEXT)];
        let statement = "select seq, hash from vault.withdraw_request($1, $2)";
        let row = self.write_one("withdrawing a request", statement, &parameters).await?;
        Ok(head(&row, 0))
    }

    /// Records and commits what came of a request.
    ///
    /// # Errors
    /// [`super::SqlKind::Gate`]: it is not this login's, or has its outcome.
    pub(crate) async fn record_outcome(
        &self,
        request: i64,
        details: &str,
    ) -> Result<Head, DbError> {
        let parameters: [Parameter<'_>; 2] = [(&request, Type::INT8), (&details, Type::TEXT)];
        let row = self
            .write_one(
                "recording the outcome",
                "select seq, hash from vault.record_outcome($1, $2)",
                &parameters,
            )
            .await;
        row.map(|row| head(&row, 0))
    }
}

//! Rows of `user_logins` as arrays, one a column, and the proof that they stand there as they were sent.
//!
//! Invariant: what is called loaded was counted by the statement that inserted it; where triggers of others ran on the
//! insert, it was read again in the same transaction by the owner of our functions, and compared.

use jiff::civil::Date;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::session::{Parameter, Transaction};
use super::sight::{RowChange, row_triggers};
use super::{DbError, Fenced};
use crate::login::MaskedLogin;

/// The columns, in the order of [`RowColumns::parameters`].
macro_rules! row_columns {
    () => {
        "user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, device_id_hash"
    };
}
pub(super) use row_columns;

/// Whether triggers of others run on an insert. The transaction holds the table, so it stays so.
macro_rules! has_insert_triggers {
    () => {
        "exists (select from pg_trigger where tgrelid = 'public.user_logins'::regclass::oid and not tgisinternal \
                 and tgenabled in ('O', 'A') and tgtype::int & 4 <> 0)"
    };
}
pub(super) use has_insert_triggers;

const COUNT_WRITTEN: &str = "select ingest.count_written($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const COMPARING: &str = "comparing the rows with what was sent";

/// One array a column.
#[derive(Default)]
pub(super) struct RowColumns<'a> {
    user_id: Vec<&'a str>,
    device_type: Vec<Option<&'a str>>,
    masked_ip: Vec<&'a str>,
    masked_device_id: Vec<&'a str>,
    locale: Vec<Option<&'a str>>,
    app_version: Vec<i32>,
    create_date: Vec<Date>,
    ip_hash: Vec<Uuid>,
    device_id_hash: Vec<Uuid>,
}

impl<'a> RowColumns<'a> {
    pub(super) fn of(logins: impl Iterator<Item = &'a MaskedLogin>) -> Self {
        let mut columns = Self::default();
        logins.for_each(|login| columns.push(login));
        columns
    }

    pub(super) fn push(&mut self, login: &'a MaskedLogin) {
        self.user_id.push(&login.user_id);
        self.device_type.push(login.device_type.as_deref());
        self.masked_ip.push(login.ip.token.as_str());
        self.masked_device_id.push(login.device_id.token.as_str());
        self.locale.push(login.locale.as_deref());
        self.app_version.push(login.app_version);
        self.create_date.push(login.create_date);
        self.ip_hash.push(login.ip.hash);
        self.device_id_hash.push(login.device_id.hash);
    }

    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        vec![
            (&self.user_id, Type::TEXT_ARRAY),
            (&self.device_type, Type::TEXT_ARRAY),
            (&self.masked_ip, Type::TEXT_ARRAY),
            (&self.masked_device_id, Type::TEXT_ARRAY),
            (&self.locale, Type::TEXT_ARRAY),
            (&self.app_version, Type::INT4_ARRAY),
            (&self.create_date, Type::DATE_ARRAY),
            (&self.ip_hash, Type::UUID_ARRAY),
            (&self.device_id_hash, Type::UUID_ARRAY),
        ]
    }
}

impl Fenced<'_> {
    /// Whether so many of these rows were written by this transaction and stand there as they were sent, after all
    /// triggers have run, deferred ones too.
    ///
    /// # Errors
    /// [`DbError::Swallowed`]: they do not. [`super::SqlKind::Data`]: a deferred trigger refuses one of them.
    pub(super) async fn compare(&self, rows: &RowColumns<'_>, inserted: u64) -> Result<(), DbError> {
        let failed = |e| DbError::sql(COMPARING, &e);
        self.transaction.batch_execute("set constraints all immediate").await.map_err(failed)?;
        let there = self.transaction.query_typed_one(COUNT_WRITTEN, &rows.parameters()).await.map_err(failed)?;
        self.require_count(inserted, there.get::<_, i64>(0).unsigned_abs()).await
    }

    /// Whether as many rows were inserted as should have been.
    ///
    /// # Errors
    /// [`DbError::Swallowed`]: they were not.
    pub(super) async fn require_count(&self, wanted: u64, found: u64) -> Result<(), DbError> {
        if wanted == found {
            return Ok(());
        }
        let mut suspects = row_triggers(&self.transaction, RowChange::Insert).await?;
        suspects.insert(0, format!("{found} of {wanted} rows stand there"));
        Err(DbError::Swallowed { action: "inserting rows", suspects })
    }
}

/// How many rows carry one of these tokens with its hash; `columns` are that of tokens and that of hashes.
pub(super) async fn count_pairs(
    transaction: &Transaction<'_>,
    columns: (&str, &str),
    hashes: &[Uuid],
    tokens: &[&str],
) -> Result<u64, DbError> {
    let (masked, hash) = columns;
    let statement = format!(
        "select pg_catalog.count(*) from public.user_logins u \
         join (select distinct hash, token from unnest($1::uuid[], $2::text[]) as n (hash, token)) as n \
           on u.{hash} = n.hash and u.{masked}::text = n.token"
    );
    let parameters: [Parameter<'_>; 2] = [(&hashes, Type::UUID_ARRAY), (&tokens, Type::TEXT_ARRAY)];
    let row = transaction.query_typed_one(&statement, &parameters).await;
    row.map(|row| row.get::<_, i64>(0).unsigned_abs()).map_err(|e| DbError::sql("counting rows under the new key", &e))
}

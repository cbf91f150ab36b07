//! Rows of an earlier loader, with plain values in columns of their own: read in chunks,
//! masked, and cleared in place.
//!
//! Invariant: a row is masked and its plain values cleared in one statement, in a
//! transaction that holds the fence.

use tokio_postgres::types::Type;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::rows::count_pairs;
use super::session::{Mode, Parameter};
use super::sight::{RowChange, Work, require_sight, row_triggers};
use super::{DbError, Fenced, Session};
use crate::login::MaskedField;
use crate::token::{Field, Fields, PerField};

/// A range of places is read from its start, in the order of places, and no further than
/// the limit.
const BY_PLACE: &str = "\
    set local enable_seqscan = off; set local enable_indexscan = off; \
      set local enable_bitmapscan = off; \
    set local max_parallel_workers_per_gather = 0";

/// Columns of `user_logins` that hold plain values, by the field that masks them.
pub(crate) type PlainColumns = PerField<String>;

/// A row without a hash, and its plain values.
pub(crate) struct PlainRow {
    /// Its place in the table, valid within the transaction.
    pub place: String,
    /// The values that are to be masked. They are zeroed when dropped.
    pub values: PerField<Zeroizing<String>>,
}

/// What a row gets.
pub(crate) struct MaskedRow<'a> {
    /// Its place.
    pub place: &'a str,
    /// Token and hash of each value that it had.
    pub masked: PerField<MaskedField>,
}

/// The next rows that hold a plain value without a hash.
fn select_sql(columns: &PlainColumns) -> String {
    let mut values = Vec::new();
    for (field, column) in columns.iter() {
        values.push(format!(
            "case when {} is null then {}::text end as {field}",
            field.hash_column(),
            quote(column)
        ));
    }
    let names: Vec<&str> = columns.fields().map(Field::name).collect();
    let is_there: Vec<String> = names.iter().map(|name| format!("{name} is not null")).collect();
    format!(
        "select ctid::text, {} from (select ctid, {} from public.user_logins \
         where ctid > $1::text::tid and ({}) for update) as plain where {} limit $2",
        names.join(", "),
        values.join(", "),
        any_hash_is_null(columns.which(), ""),
        is_there.join(" or ")
    )
}

/// Tokens and hashes into rows, which lose their plain values.
fn update_sql(columns: &PlainColumns) -> String {
    let (mut sets, mut names, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
    for (field, column) in columns.iter() {
        let (token, hash) = (field.token_column(), field.hash_column());
        sets.push(format!("{token} = coalesce(n.{token}, u.{token})"));
        sets.push(format!("{hash} = coalesce(n.{hash}, u.{hash})"));
        // A plain value in the column of tokens is overwritten; elsewhere it is cleared.
        if !is_token_column(column) {
            sets.push(format!("{0} = case when n.{hash} is null then u.{0} end", quote(column)));
        }
        names.push(format!("{token}, {hash}"));
        arrays.push(format!(
            "${}::text[], ${}::uuid[]",
            arrays.len() * 2 + 2,
            arrays.len() * 2 + 3
        ));
    }
    format!(
        "update public.user_logins u set {} from unnest($1::text[], {}) as n (place, {}) \
         where u.ctid = n.place::tid and ({})",
        sets.join(", "),
        arrays.join(", "),
        names.join(", "),
        any_hash_is_null(columns.which(), "u.")
    )
}

fn any_hash_is_null(fields: Fields, table: &str) -> String {
    let is_null = |field: Field| format!("{table}{} is null", field.hash_column());
    fields.fields().map(is_null).collect::<Vec<_>>().join(" or ")
}

fn is_token_column(column: &str) -> bool {
    Field::ALL.into_iter().any(|field| field.token_column() == column)
}

fn quote(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}

impl Session {
    /// One of these columns that the table does not have.
    pub(crate) async fn missing_column(
        &self,
        columns: &PlainColumns,
    ) -> Result<Option<String>, DbError> {
        let names: Vec<&str> = columns.iter().map(|(_, column)| column.as_str()).collect();
        let statement = "\
            select name from unnest($1::text[]) as name \
              where not exists (select from pg_catalog.pg_attribute \
            where attrelid = to_regclass('public.user_logins') and attname = name and attnum > 0 \
              and not attisdropped)";
        let missing =
            self.read("reading the columns", statement, &[(&names, Type::TEXT_ARRAY)]).await;
        Ok(missing?.first().map(|row| row.get(0)))
    }

    /// How many rows lack the hash of one of these fields. Reads the table.
    ///
    /// # Errors
    /// When the database is gone, does not let this role, or hides rows from it.
    pub(crate) async fn rows_without_hash(&self, fields: Fields) -> Result<i64, DbError> {
        const ACTION: &str = "counting rows without hash";
        let statement = format!(
            "select count(*) from public.user_logins where {}",
            any_hash_is_null(fields, "")
        );
        let transaction = self.begin(Mode::Read, "", ACTION).await?;
        let row = transaction
            .query_typed_one(&statement, &[])
            .await
            .map_err(|e| DbError::sql(ACTION, &e))?;
        require_sight(&transaction, Work::Count).await?;
        Ok(row.get(0))
    }
}

impl Fenced<'_> {
    /// The next plain rows after a place.
    ///
    /// # Errors
    /// When a column is missing, or the database is gone or does not let this role.
    pub(crate) async fn plain_rows(
        &self,
        columns: &PlainColumns,
        after: &str,
        limit: i64,
    ) -> Result<Vec<PlainRow>, DbError> {
        let failed = |e| DbError::sql("reading plain rows", &e);
        self.transaction.batch_execute(BY_PLACE).await.map_err(failed)?;
        let parameters: [Parameter<'_>; 2] = [(&after, Type::TEXT), (&limit, Type::INT8)];
        let rows = self.transaction.query_typed(&select_sql(columns), &parameters).await;
        let rows = rows.map_err(failed)?;
        let values = |row: &tokio_postgres::Row| {
            let value = |(place, field)| {
                Some((field, Zeroizing::new(row.get::<_, Option<String>>(place)?)))
            };
            (1..).zip(columns.fields()).filter_map(value).collect()
        };
        Ok(rows.iter().map(|row| PlainRow { place: row.get(0), values: values(row) }).collect())
    }

    /// Masks rows and clears their plain values; returns how many were still there. Where
    /// triggers of others run on an update, what stands there afterwards is counted.
    ///
    /// # Errors
    /// [`DbError::Swallowed`]: less stands there than was written.
    pub(crate) async fn mask_rows(
        &self,
        columns: &PlainColumns,
        rows: &[MaskedRow<'_>],
    ) -> Result<u64, DbError> {
        let failed = |e| DbError::sql(MASKING, &e);
        let masked: Vec<MaskedColumn<'_>> =
            columns.iter().map(|(field, column)| MaskedColumn::of(field, column, rows)).collect();
        let places: Vec<&str> = rows.iter().map(|row| row.place).collect();
        let mut parameters: Vec<Parameter<'_>> = vec![(&places, Type::TEXT_ARRAY)];
        for column in &masked {
            parameters.push((&column.tokens, Type::TEXT_ARRAY));
            parameters.push((&column.hashes, Type::UUID_ARRAY));
        }
        let triggers = row_triggers(&self.transaction, RowChange::Update).await?;
        let before = if triggers.is_empty() { 0 } else { self.count_masked(&masked).await? };
        let changed = self
            .transaction
            .execute_typed(&update_sql(columns), &parameters)
            .await
            .map_err(failed)?;
        require_sight(&self.transaction, Work::Backfill).await?;
        if !triggers.is_empty() {
            self.transaction
                .batch_execute("set constraints all immediate")
                .await
                .map_err(failed)?;
            let written: u64 =
                masked.iter().map(|column| column.tokens.iter().flatten().count() as u64).sum();
            let is_kept = self.count_masked(&masked).await? >= before + written;
            if !is_kept || self.has_plain_values(&masked).await? {
                return Err(DbError::Swallowed { action: MASKING, suspects: triggers });
            }
        }
        Ok(changed)
    }

    /// Whether a row that was masked holds its plain value still, or again.
    async fn has_plain_values(&self, masked: &[MaskedColumn<'_>]) -> Result<bool, DbError> {
        for column in masked.iter().filter(|column| !is_token_column(column.plain)) {
            let hashes: Vec<Uuid> = column.hashes.iter().flatten().copied().collect();
            let statement = format!(
                "select exists (select from public.user_logins where {} = any($1) \
                   and {} is not null)",
                column.field.hash_column(),
                quote(column.plain)
            );
            let found =
                self.transaction.query_typed_one(&statement, &[(&hashes, Type::UUID_ARRAY)]).await;
            if found.map_err(|e| DbError::sql(MASKING, &e))?.get(0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rows that carry one of these tokens with its hash, each field for itself.
    async fn count_masked(&self, masked: &[MaskedColumn<'_>]) -> Result<u64, DbError> {
        let mut count = 0;
        for column in masked {
            let (tokens, hashes): (Vec<&str>, Vec<Uuid>) =
                column.tokens.iter().flatten().zip(column.hashes.iter().flatten()).unzip();
            count += count_pairs(&self.transaction, column.field, &hashes, &tokens).await?;
        }
        Ok(count)
    }
}

const MASKING: &str = "masking rows in place";

/// What rows get in one field: nothing where it is not masked.
struct MaskedColumn<'a> {
    field: Field,
    /// The column that held the plain values.
    plain: &'a str,
    tokens: Vec<Option<&'a str>>,
    hashes: Vec<Option<Uuid>>,
}

impl<'a> MaskedColumn<'a> {
    fn of(field: Field, plain: &'a str, rows: &'a [MaskedRow<'_>]) -> Self {
        let of_row = |row: &'a MaskedRow<'_>| {
            let masked = row.masked.get(field);
            (masked.map(|masked| masked.token.as_str()), masked.map(|masked| masked.hash))
        };
        let (tokens, hashes) = rows.iter().map(of_row).unzip();
        Self { field, plain, tokens, hashes }
    }
}

//! Rows of an earlier loader, with plain values in columns of their own: read in chunks, masked, and cleared in place.
//!
//! Invariant: a row is masked and its plain values cleared in one statement, in a transaction that holds the fence.

use tokio_postgres::types::Type;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::rows::count_pairs;
use super::session::{Mode, Parameter};
use super::sight::{RowChange, Work, require_sight, row_triggers};
use super::{DbError, Fenced, Session};
use crate::login::MaskedField;

/// A range of places is read from its start, in the order of places, and no further than the limit.
const BY_PLACE: &str = "\
    set local enable_seqscan = off; set local enable_indexscan = off; set local enable_bitmapscan = off; \
    set local max_parallel_workers_per_gather = 0";

/// Columns of `user_logins` that hold plain values.
pub struct PlainColumns {
    /// The column of addresses.
    pub ip: Option<String>,
    /// The column of device ids.
    pub device_id: Option<String>,
}

/// A row without a hash, and its plain values. They are zeroed when dropped.
pub struct PlainRow {
    /// Its place in the table, valid within the transaction.
    pub place: String,
    /// The address, where it is to be masked.
    pub ip: Option<Zeroizing<String>>,
    /// The device id, where it is to be masked.
    pub device_id: Option<Zeroizing<String>>,
}

/// What a row gets.
pub struct MaskedRow<'a> {
    /// Its place.
    pub place: &'a str,
    /// Token and hash of its address.
    pub ip: Option<MaskedField>,
    /// Token and hash of its device id.
    pub device_id: Option<MaskedField>,
}

impl PlainColumns {
    /// A plain value that is still to be masked, as SQL; nothing for a field that is not asked for.
    fn value(column: Option<&String>, hash: &str) -> String {
        column.map_or_else(
            || "null::text".to_owned(),
            |column| format!("case when {hash} is null then {}::text end", quoted(column)),
        )
    }

    fn select(&self) -> String {
        let (ip, device_id) = (Self::value(self.ip.as_ref(), "ip_hash"), Self::value(self.device_id.as_ref(), "device_id_hash"));
        format!(
            "select ctid::text, ip, device_id from (select ctid, {ip} as ip, {device_id} as device_id from public.user_logins \
             where ctid > $1::text::tid and (ip_hash is null or device_id_hash is null) for update) as plain \
             where ip is not null or device_id is not null limit $2"
        )
    }

    fn update(&self) -> String {
        let mut sets = vec![
            "masked_ip = coalesce(n.ip, u.masked_ip)".to_owned(),
            "ip_hash = coalesce(n.ip_hash, u.ip_hash)".to_owned(),
            "masked_device_id = coalesce(n.device_id, u.masked_device_id)".to_owned(),
            "device_id_hash = coalesce(n.device_id_hash, u.device_id_hash)".to_owned(),
        ];
        for (column, hash) in [(&self.ip, "ip_hash"), (&self.device_id, "device_id_hash")] {
            // A plain value in the column of tokens is overwritten; elsewhere it is cleared.
            if let Some(column) = column.as_ref().filter(|column| !is_token_column(column)) {
                sets.push(format!("{0} = case when n.{hash} is null then u.{0} end", quoted(column)));
            }
        }
        format!(
            "update public.user_logins u set {} \
             from unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::uuid[]) as n (place, ip, ip_hash, device_id, device_id_hash) \
             where u.ctid = n.place::tid and (u.ip_hash is null or u.device_id_hash is null)",
            sets.join(", ")
        )
    }
}

fn is_token_column(column: &str) -> bool {
    ["masked_ip", "masked_device_id"].contains(&column)
}

fn quoted(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}

impl Session {
    /// One of these columns that the table does not have.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn missing_column(&self, columns: &PlainColumns) -> Result<Option<String>, DbError> {
        let names: Vec<&str> = [&columns.ip, &columns.device_id].into_iter().flatten().map(String::as_str).collect();
        let statement = "\
            select name from unnest($1::text[]) as name where not exists (select from pg_catalog.pg_attribute \
            where attrelid = to_regclass('public.user_logins') and attname = name and attnum > 0 and not attisdropped)";
        let missing = self.read("reading the columns", statement, &[(&names, Type::TEXT_ARRAY)]).await;
        Ok(missing?.first().map(|row| row.get(0)))
    }

    /// How many rows lack a hash, of an address or of a device id. Reads the table.
    ///
    /// # Errors
    /// When the database is gone, does not let this role, or hides rows from it.
    pub async fn rows_without_hash(&self) -> Result<i64, DbError> {
        const ACTION: &str = "counting rows without hash";
        let statement = "select count(*) from public.user_logins where ip_hash is null or device_id_hash is null";
        let transaction = self.begin(Mode::Read, "", ACTION).await?;
        let row = transaction.query_typed_one(statement, &[]).await.map_err(|e| DbError::sql(ACTION, &e))?;
        require_sight(&transaction, Work::Count).await?;
        Ok(row.get(0))
    }
}

impl Fenced<'_> {
    /// The next plain rows after a place.
    ///
    /// # Errors
    /// When a column is missing, or the database is gone or does not let this role.
    pub async fn plain_rows(&self, columns: &PlainColumns, after: &str, limit: i64) -> Result<Vec<PlainRow>, DbError> {
        let failed = |e| DbError::sql("reading plain rows", &e);
        self.transaction.batch_execute(BY_PLACE).await.map_err(failed)?;
        let parameters: [Parameter<'_>; 2] = [(&after, Type::TEXT), (&limit, Type::INT8)];
        let rows = self.transaction.query_typed(&columns.select(), &parameters).await;
        let rows = rows.map_err(failed)?;
        let value = |row: &tokio_postgres::Row, column| row.get::<_, Option<String>>(column).map(Zeroizing::new);
        Ok(rows.iter().map(|row| PlainRow { place: row.get(0), ip: value(row, 1), device_id: value(row, 2) }).collect())
    }

    /// Masks rows and clears their plain values; returns how many were still there. Where triggers of others run on an
    /// update, what stands there afterwards is counted.
    ///
    /// # Errors
    /// [`DbError::Swallowed`]: less stands there than was written. Or the database is gone or refuses.
    pub async fn mask_rows(&self, columns: &PlainColumns, rows: &[MaskedRow<'_>]) -> Result<u64, DbError> {
        let failed = |e| DbError::sql(MASKING, &e);
        let fields = [MaskedColumn::of(rows, |row| row.ip.as_ref()), MaskedColumn::of(rows, |row| row.device_id.as_ref())];
        let places: Vec<&str> = rows.iter().map(|row| row.place).collect();
        let [ip, device_id] = &fields;
        let parameters: [Parameter<'_>; 5] = [
            (&places, Type::TEXT_ARRAY),
            (&ip.tokens, Type::TEXT_ARRAY),
            (&ip.hashes, Type::UUID_ARRAY),
            (&device_id.tokens, Type::TEXT_ARRAY),
            (&device_id.hashes, Type::UUID_ARRAY),
        ];
        let triggers = row_triggers(&self.transaction, RowChange::Update).await?;
        let before = if triggers.is_empty() { 0 } else { self.count_masked(&fields).await? };
        let masked = self.transaction.execute_typed(&columns.update(), &parameters).await.map_err(failed)?;
        require_sight(&self.transaction, Work::Backfill).await?;
        if !triggers.is_empty() {
            self.transaction.batch_execute("set constraints all immediate").await.map_err(failed)?;
            let written: u64 = fields.iter().map(|field| field.tokens.iter().flatten().count() as u64).sum();
            let is_kept = self.count_masked(&fields).await? >= before + written;
            if !is_kept || self.has_plain_values(columns, &fields).await? {
                return Err(DbError::Swallowed { action: MASKING, suspects: triggers });
            }
        }
        Ok(masked)
    }

    /// Whether a row that was masked holds its plain value still, or again.
    async fn has_plain_values(&self, columns: &PlainColumns, fields: &[MaskedColumn<'_>; 2]) -> Result<bool, DbError> {
        let plain = [(&columns.ip, "ip_hash"), (&columns.device_id, "device_id_hash")];
        for (field, (column, hash)) in fields.iter().zip(plain) {
            let Some(column) = column.as_ref().filter(|column| !is_token_column(column)) else { continue };
            let hashes: Vec<Uuid> = field.hashes.iter().flatten().copied().collect();
            let statement = format!(
                "select exists (select from public.user_logins where {hash} = any($1) and {} is not null)",
                quoted(column)
            );
            let found = self.transaction.query_typed_one(&statement, &[(&hashes, Type::UUID_ARRAY)]).await;
            if found.map_err(|e| DbError::sql(MASKING, &e))?.get(0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rows that carry one of these tokens with its hash, each field for itself.
    async fn count_masked(&self, fields: &[MaskedColumn<'_>; 2]) -> Result<u64, DbError> {
        let mut count = 0;
        for (field, columns) in fields.iter().zip([("masked_ip", "ip_hash"), ("masked_device_id", "device_id_hash")]) {
            let (tokens, hashes): (Vec<&str>, Vec<Uuid>) =
                field.tokens.iter().flatten().zip(field.hashes.iter().flatten()).unzip();
            count += count_pairs(&self.transaction, columns, &hashes, &tokens).await?;
        }
        Ok(count)
    }
}

const MASKING: &str = "masking rows in place";

/// What rows get in one field: nothing where it is not masked.
struct MaskedColumn<'a> {
    tokens: Vec<Option<&'a str>>,
    hashes: Vec<Option<Uuid>>,
}

impl<'a> MaskedColumn<'a> {
    fn of(rows: &'a [MaskedRow<'_>], field: impl Fn(&'a MaskedRow<'_>) -> Option<&'a MaskedField>) -> Self {
        let of_row = |row| (field(row).map(|field| field.token.as_str()), field(row).map(|field| field.hash));
        let (tokens, hashes) = rows.iter().map(of_row).unzip();
        Self { tokens, hashes }
    }
}

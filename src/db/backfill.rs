//! Rows of an earlier loader, with plain values in columns of their own: read in chunks, masked, and cleared in place.
//!
//! Invariant: a row is masked and its plain values cleared in one statement, in a transaction that holds the fence.

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{DbError, Fenced, Session};
use crate::login::MaskedField;

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

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
             where ctid > $1::text::tid and (ip_hash is null or device_id_hash is null)) as plain \
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
            if let Some(column) = column.as_ref().filter(|column| !["masked_ip", "masked_device_id"].contains(&column.as_str())) {
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
        let missing = self.client.query_typed(statement, &[(&names, Type::TEXT_ARRAY)]).await;
        Ok(missing.map_err(|e| DbError::sql("reading the columns", &e))?.first().map(|row| row.get(0)))
    }

    /// How many rows have no hash of an address, and of a device id. Reads the table.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role.
    pub async fn rows_without_hash(&self) -> Result<(i64, i64), DbError> {
        let statement = "\
            select count(*) filter (where ip_hash is null), count(*) filter (where device_id_hash is null) from public.user_logins";
        let row =
            self.client.query_typed_one(statement, &[]).await.map_err(|e| DbError::sql("counting rows without hash", &e))?;
        Ok((row.get(0), row.get(1)))
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

    /// Masks rows and clears their plain values.
    ///
    /// # Errors
    /// When the database is gone or refuses.
    pub async fn mask_rows(&self, columns: &PlainColumns, rows: &[MaskedRow<'_>]) -> Result<u64, DbError> {
        type Of = for<'b> fn(&'b MaskedRow<'b>) -> Option<&'b MaskedField>;
        let token = |of: Of| -> (Vec<Option<String>>, Vec<Option<Uuid>>) {
            rows.iter().map(|row| (of(row).map(|f| f.token.as_str().to_owned()), of(row).map(|f| f.hash))).unzip()
        };
        let places: Vec<&str> = rows.iter().map(|row| row.place).collect();
        let (ip, ip_hash) = token(|row| row.ip.as_ref());
        let (device_id, device_id_hash) = token(|row| row.device_id.as_ref());
        let parameters: [Parameter<'_>; 5] = [
            (&places, Type::TEXT_ARRAY),
            (&ip, Type::TEXT_ARRAY),
            (&ip_hash, Type::UUID_ARRAY),
            (&device_id, Type::TEXT_ARRAY),
            (&device_id_hash, Type::UUID_ARRAY),
        ];
        let masked = self.transaction.execute_typed(&columns.update(), &parameters).await;
        masked.map_err(|e| DbError::sql("masking rows in place", &e))
    }
}

//! An existing `public.user_logins`: does it fit what loginetl writes? Compared column by column before any change.

use tokio_postgres::Client;

use super::DbError;

/// Name and type of each column, as `format_type` prints it (fixed).
const COLUMNS: [(&str, &str); 9] = [
    ("user_id", "character varying(128)"),
    ("device_type", "character varying(32)"),
    ("masked_ip", "character varying(256)"),
    ("masked_device_id", "character varying(256)"),
    ("locale", "character varying(32)"),
    ("app_version", "integer"),
    ("create_date", "date"),
    ("ip_hash", "uuid"),
    ("device_id_hash", "uuid"),
];

/// Columns that loginetl may leave null.
const NULLABLE: [&str; 2] = ["device_type", "locale"];

const EXISTING: &str = "\
    select attname::text, format_type(atttypid, atttypmod), attnotnull, atthasdef or attidentity <> '' \
    from pg_catalog.pg_attribute \
    where attrelid = to_regclass('public.user_logins') and attnum > 0 and not attisdropped order by attnum";

/// What stood there before `init`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFinding {
    /// Whether the table stood there.
    pub existed: bool,
    /// Whether it held rows without hashes: they stay as they are.
    pub has_unmasked_rows: bool,
    /// Columns of ours that it lacked.
    pub missing: Vec<&'static str>,
}

/// Compares an existing table with ours.
pub(super) async fn inspect(client: &Client) -> Result<TableFinding, DbError> {
    let failed = |e| DbError::sql("inspecting the table user_logins", &e);
    let rows = client.query_typed(EXISTING, &[]).await.map_err(failed)?;
    if rows.is_empty() {
        return Ok(TableFinding::default());
    }
    let kind = "select relkind = 'r' from pg_catalog.pg_class where oid = to_regclass('public.user_logins')";
    if !client.query_typed_one(kind, &[]).await.map_err(failed)?.get::<_, bool>(0) {
        return Err(DbError::Table("it is a view or partitioned table, and must be an ordinary table".to_owned()));
    }
    let existing: Vec<(String, String, bool, bool)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
    let problems: Vec<String> =
        existing.iter().filter_map(|(name, of_type, not_null, default)| problem(name, of_type, *not_null, *default)).collect();
    if !problems.is_empty() {
        return Err(DbError::Table(problems.join("; ")));
    }
    let missing: Vec<_> =
        COLUMNS.iter().map(|(name, _)| *name).filter(|name| !existing.iter().any(|(have, ..)| have == name)).collect();
    let hashes_missing = missing.iter().any(|name| name.ends_with("_hash"));
    let unmasked = if hashes_missing {
        "select exists (select from public.user_logins)"
    } else {
        "select exists (select from public.user_logins where ip_hash is null or device_id_hash is null)"
    };
    let has_unmasked_rows = client.query_typed_one(unmasked, &[]).await.map_err(failed)?.get(0);
    Ok(TableFinding { existed: true, has_unmasked_rows, missing })
}

fn problem(name: &str, of_type: &str, not_null: bool, default: bool) -> Option<String> {
    let alter = format!("alter table public.user_logins alter column \"{name}\"");
    match COLUMNS.iter().find(|(ours, _)| *ours == name) {
        Some((_, wanted)) if *wanted != of_type => {
            Some(format!("column {name} is {of_type}, not {wanted}; run: {alter} type {wanted} using {name}::{wanted}"))
        }
        Some(_) if not_null && NULLABLE.contains(&name) => {
            Some(format!("column {name} is not null, but events may lack it; run: {alter} drop not null"))
        }
        None if not_null && !default => {
            Some(format!("column {name} is none of ours, not null and without a default; run: {alter} drop not null"))
        }
        _ => None,
    }
}

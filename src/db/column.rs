//! The columns of an existing `public.user_logins`, as they stand there, with what stands
//! on them.

use tokio_postgres::Row;

use super::DbError;
use super::session::Transaction;

pub(super) const INSPECTING: &str = "inspecting the table user_logins";

const EXISTING: &str = "\
    select a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef, \
           a.attidentity::text, a.attgenerated::text, y.typname::text, y.typcategory::text, \
           k.conname::text, coalesce(not l.collisdeterministic, false), \
           exists (select from pg_depend d \
                   where d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid \
                     and d.refobjsubid = a.attnum \
                     and not (d.classid = 'pg_attrdef'::regclass and exists \
                              (select from pg_attrdef f \
                               where f.oid = d.objid and f.adnum = a.attnum)) \
                     and not (d.classid = 'pg_class'::regclass and exists \
                              (select from pg_class s where s.oid = d.objid and s.relkind = 'S')) \
                     and not (d.classid = 'pg_constraint'::regclass and exists \
                              (select from pg_constraint n \
                               where n.oid = d.objid and n.contype = 'n'))) \
             or exists (select from pg_depend d join pg_class c on c.oid = a.attrelid \
                        where d.refclassid = 'pg_type'::regclass and d.refobjid = c.reltype \
                          and d.deptype = 'n') \
    from pg_attribute a join pg_type y on y.oid = a.atttypid \
    left join pg_collation l on l.oid = a.attcollation \
    left join pg_constraint k on k.conrelid = a.attrelid and k.contype = 'p' \
      and a.attnum = any(k.conkey) \
    where a.attrelid = to_regclass('public.user_logins') and a.attnum > 0 and not a.attisdropped \
    order by a.attnum";

/// A column as it stands there.
pub(super) struct Column {
    pub(super) name: String,
    /// As `format_type` prints it.
    pub(super) of_type: String,
    pub(super) not_null: bool,
    pub(super) has_default: bool,
    pub(super) identity: String,
    pub(super) generated: String,
    pub(super) type_name: String,
    pub(super) category: String,
    /// The primary key that it is part of.
    pub(super) primary_key: Option<String>,
    pub(super) has_loose_collation: bool,
    /// Views, constraints, indexes, policies or other columns stand on it.
    pub(super) has_dependents: bool,
}

impl Column {
    /// All columns, in their order.
    pub(super) async fn read_all(transaction: &Transaction<'_>) -> Result<Vec<Self>, DbError> {
        let rows = transaction.query_typed(EXISTING, &[]).await;
        let rows = rows.map_err(|e| DbError::schema(INSPECTING, &e))?;
        Ok(rows.iter().map(column).collect())
    }
}

fn column(row: &Row) -> Column {
    Column {
        name: row.get(0),
        of_type: row.get(1),
        not_null: row.get(2),
        has_default: row.get(3),
        identity: row.get(4),
        generated: row.get(5),
        type_name: row.get(6),
        category: row.get(7),
        primary_key: row.get(8),
        has_loose_collation: row.get(9),
        has_dependents: row.get(10),
    }
}

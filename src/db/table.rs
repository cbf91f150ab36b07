//! An existing `public.user_logins`: does it fit what loginetl writes? Compared column by
//! column before any change.
//!
//! Invariant: each problem names the statement that ends it (`alter.rs`), and that
//! statement runs on this table.

use super::column::{Column, INSPECTING};
use super::session::Transaction;
use super::{DbError, alter, nulls};
use crate::token::{Field, Fields};

/// A column that loginetl writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnColumn {
    pub(super) name: &'static str,
    /// As `format_type` prints it.
    pub(super) of_type: String,
    /// Whether loginetl may leave it null.
    pub(super) is_nullable: bool,
}

/// The columns where these fields are masked, in the order of a new table (fixed): those
/// of a field that is optional come last.
pub(super) fn own_columns(fields: Fields) -> Vec<OwnColumn> {
    let column = |name, of_type: &str, is_nullable| OwnColumn {
        name,
        of_type: of_type.to_owned(),
        is_nullable,
    };
    let token = |field: Field| {
        column(field.token_column(), &format!("character varying({})", field.token_width()), false)
    };
    let hash = |field: Field| column(field.hash_column(), "uuid", false);
    let (chosen, always): (Vec<Field>, Vec<Field>) =
        fields.fields().partition(|field| field.is_optional());
    let mut columns = vec![
        column("user_id", "character varying(128)", fields.contains(Field::UserId)),
        column("device_type", "character varying(32)", true),
    ];
    columns.extend(always.iter().copied().map(token));
    columns.push(column("locale", "character varying(32)", true));
    columns.push(column("app_version", "integer", false));
    columns.push(column("create_date", "date", false));
    columns.extend(always.iter().copied().map(hash));
    columns.extend(chosen.into_iter().flat_map(|field| [token(field), hash(field)]));
    columns
}

const ABOUT: &str = "\
    select to_regnamespace('public') is not null, c.oid is not null, c.relkind::text, \
           c.relispartition, c.relpersistence = 'u', pg_get_userbyid(c.relowner)::text, \
           coalesce(pg_has_role(current_user, c.relowner, 'usage'), true), session_user::text, \
           array(select i.inhrelid::regclass::text from pg_inherits i \
                 where i.inhparent = c.oid order by 1), \
           (select i.inhparent::regclass::text from pg_inherits i \
            where i.inhrelid = c.oid and c.relispartition) \
    from (select 1) as one left join pg_class c on c.oid = to_regclass('public.user_logins')";

/// What stood there before `init`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableFinding {
    /// Whether the table stood there.
    pub existed: bool,
    /// Whether it held rows without hashes: they stay as they are.
    pub has_unmasked_rows: bool,
    /// Columns of ours that it lacked.
    pub missing: Vec<&'static str>,
}

/// Compares an existing table with ours, where these fields are masked.
pub(super) async fn inspect(
    transaction: &Transaction<'_>,
    fields: Fields,
) -> Result<TableFinding, DbError> {
    let failed = |e| DbError::schema(INSPECTING, &e);
    let about = transaction.query_typed_one(ABOUT, &[]).await.map_err(failed)?;
    if !about.get::<_, bool>(0) {
        return Err(DbError::Table(
            "there is no schema public, where it must stand; run: create schema public".to_owned(),
        ));
    }
    if !about.get::<_, bool>(1) {
        return Ok(TableFinding::default());
    }
    if !about.get::<_, bool>(6) {
        return Err(DbError::Owner { owner: about.get(5), login: about.get(7) });
    }
    refuse(kind_problems(&about))?;
    let columns = Column::read_all(transaction).await?;
    let ours = own_columns(fields);
    let mut problems = Vec::new();
    for column in &columns {
        problems.extend(problem(transaction, column, &columns, &ours).await?);
    }
    if fields.contains(Field::UserId) {
        problems.extend(nulls::find_problems(transaction).await?);
    }
    refuse(problems)?;
    let names = ours.iter().map(|column| column.name);
    let missing: Vec<_> =
        names.filter(|name| !columns.iter().any(|column| column.name == *name)).collect();
    let hashes: Vec<&str> = fields.fields().map(Field::hash_column).collect();
    let unmasked = if hashes.iter().any(|hash| missing.contains(hash)) {
        "select exists (select from public.user_logins)".to_owned()
    } else {
        format!(
            "select exists (select from public.user_logins where num_nulls({}) > 0)",
            hashes.join(", ")
        )
    };
    let has_unmasked_rows =
        transaction.query_typed_one(&unmasked, &[]).await.map_err(failed)?.get(0);
    Ok(TableFinding { existed: true, has_unmasked_rows, missing })
}

fn refuse(problems: Vec<String>) -> Result<(), DbError> {
    match problems.as_slice() {
        [] => Ok(()),
        [one] => Err(DbError::Table(one.clone())),
        many => Err(DbError::Table(many.iter().map(|problem| format!("\n  {problem}")).collect())),
    }
}

/// What is wrong with the table as a whole.
fn kind_problems(about: &tokio_postgres::Row) -> Vec<String> {
    let (kind, children, parent): (String, Vec<String>, Option<String>) =
        (about.get(2), about.get(8), about.get(9));
    if kind != "r" {
        return vec![
            "it is a view or partitioned table, and must be an ordinary table; run: \
             alter table public.user_logins rename to user_logins_before"
                .to_owned(),
        ]
        .into_iter()
        .map(|text| if kind == "v" { text.replace("alter table", "alter view") } else { text })
        .collect();
    }
    let mut problems = Vec::new();
    if let Some(parent) = parent {
        let run = format!("alter table {parent} detach partition public.user_logins");
        problems
            .push(format!("it is a partition of {parent}, which takes only some rows; run: {run}"));
    }
    for child in children {
        let run = format!("alter table {child} no inherit public.user_logins");
        problems.push(format!(
            "it has the child table {child}, whose rows loginetl cannot keep apart from its own; \
             run: {run}"
        ));
    }
    if about.get(4) {
        let run = "alter table public.user_logins set logged";
        problems
            .push(format!("it is unlogged, and a crash of the server would empty it; run: {run}"));
    }
    problems
}

/// What is wrong with a column, and the statement that ends it.
async fn problem(
    transaction: &Transaction<'_>,
    column: &Column,
    all: &[Column],
    ours: &[OwnColumn],
) -> Result<Option<String>, DbError> {
    let name = &column.name;
    let Some(OwnColumn { of_type: wanted, is_nullable, .. }) =
        ours.iter().find(|own| own.name == name)
    else {
        let gets_no_value = column.not_null
            && !column.has_default
            && column.identity.is_empty()
            && column.generated.is_empty();
        if !gets_no_value {
            return Ok(None);
        }
        let run = alter::give_a_value(transaction, column).await?;
        return Ok(Some(format!(
            "column {name} is none of ours, not null and without a default; run: {run}"
        )));
    };
    let problem = match () {
        () if column.generated == "s" => Some((
            "is generated, and loginetl writes it".to_owned(),
            alter::drop_expression(column),
        )),
        () if !column.generated.is_empty() => {
            Some(("is generated, and loginetl writes it".to_owned(), alter::rename(column, all)))
        }
        () if !column.identity.is_empty() => Some((
            "is an identity column, and loginetl writes it".to_owned(),
            alter::drop_identity(column),
        )),
        () if column.of_type != *wanted => {
            let run = alter::change_type(transaction, column, wanted, all).await?;
            Some((format!("is {}, not {wanted}", column.of_type), run))
        }
        () if column.not_null && *is_nullable && name == Field::UserId.name() => Some((
            "is not null, and stays null where user ids are masked".to_owned(),
            alter::drop_not_null(column),
        )),
        () if column.not_null && *is_nullable => {
            Some(("is not null, but events may lack it".to_owned(), alter::drop_not_null(column)))
        }
        () if column.has_loose_collation => {
            let run = alter::collate(column, wanted, all);
            Some(("has a collation for which different tokens may be equal".to_owned(), run))
        }
        () => None,
    };
    Ok(problem.map(|(what, run)| format!("column {name} {what}; run: {run}")))
}

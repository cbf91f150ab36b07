//! What must be there, in one list: sql/expected.txt, the functions of sql/functions/,
//! and what follows from the table as it is (policies, sequences behind defaults,
//! publications). `init` makes it so and `check` compares.
//!
//! Invariant: a deviation names its object and carries the statement that ends it, or
//! says that only a person can.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::comments::compare_comments;
use super::deviation::{COMPARING, Deviation, Remedy};
use super::expected::ExpectedStructure;
use super::facts::{FACTS, POLICIES, RLS_IS_ON};
use super::fields::read_fields;
use super::functions::compare_functions;
use super::grants::compare_grants;
use super::remedies::{parts, relation_of, remedy, remedy_of_excess};
use super::session::{Mode, Parameter, Transaction};
use super::table::own_columns;
use super::words::OWNER;
use super::{DbError, Session};
use crate::token::{Field, Fields};

impl Session {
    /// What is not as it must be.
    pub(crate) async fn deviations(&self) -> Result<Vec<Deviation>, DbError> {
        let transaction = self.begin(Mode::Read, "", COMPARING).await?;
        deviations(&transaction).await
    }
}

pub(super) async fn deviations(transaction: &Transaction<'_>) -> Result<Vec<Deviation>, DbError> {
    let fields = read_fields(transaction).await?;
    let listed = ExpectedStructure::of(fields);
    let facts = read_facts(transaction, fields).await?;
    let mut found = compare_facts(&listed, &facts);
    found.extend(compare_functions(transaction).await?);
    let is_sound = |fact: &str| {
        listed.facts.get(fact).is_none_or(|wanted| facts.get(fact).is_some_and(|is| is == wanted))
    };
    found.extend(compare_comments(transaction, is_sound).await?);
    found.extend(compare_fields(transaction).await?);
    found.extend(compare_policies(transaction).await?);
    found.extend(compare_publications(transaction).await?);
    found.extend(compare_grants(transaction, listed.grants).await?);
    Ok(found)
}

async fn read_facts(
    transaction: &Transaction<'_>,
    fields: Fields,
) -> Result<BTreeMap<String, String>, DbError> {
    let columns = own_columns(fields);
    let all: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let nullable: Vec<&str> =
        columns.iter().filter(|column| column.is_nullable).map(|column| column.name).collect();
    let hashes: Vec<&str> = fields.fields().map(Field::hash_column).collect();
    let parameters: [Parameter<'_>; 4] = [
        (&all, Type::TEXT_ARRAY),
        (&nullable, Type::TEXT_ARRAY),
        (&hashes, Type::TEXT_ARRAY),
        OWNER,
    ];
    let rows = transaction
        .query_typed(FACTS, &parameters)
        .await
        .map_err(|e| DbError::sql(COMPARING, &e))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn compare_facts(listed: &ExpectedStructure, actual: &BTreeMap<String, String>) -> Vec<Deviation> {
    let mut found = Vec::new();
    for (fact, wanted) in &listed.facts {
        let is = actual.get(*fact).map(String::as_str);
        // What belongs to a relation that is gone comes back with it, or not at all.
        if is != Some(*wanted) && !is_without_relation(fact, actual) {
            let what = is.map_or_else(
                || format!("{fact} is missing"),
                |is| format!("{fact} is {is}, not {wanted}"),
            );
            found.push(Deviation { what, is_privilege: false, remedy: remedy(fact, wanted, is) });
        }
    }
    for (fact, is) in actual {
        if !listed.facts.contains_key(fact.as_str())
            && let Some(remedy) = remedy_of_excess(fact, is)
        {
            let what = match parts(fact) {
                ("owner", object) => format!("owner of {object} is {is}"),
                _ => format!("{fact} is none of loginetl's: {is}"),
            };
            found.push(Deviation { what, is_privilege: false, remedy });
        }
    }
    found
}

fn is_without_relation(fact: &str, actual: &BTreeMap<String, String>) -> bool {
    let (kind, object) = parts(fact);
    let depends =
        ["column", "default", "constraint", "trigger", "option", "identity"].contains(&kind);
    depends && !actual.contains_key(&format!("relation {}", relation_of(object)))
}

/// Fields that were masked for good, as the log says, and are not any more.
async fn compare_fields(transaction: &Transaction<'_>) -> Result<Vec<Deviation>, DbError> {
    let failed = |e| DbError::sql(COMPARING, &e);
    let exists = "select to_regprocedure('vault.lost_fields()') is not null \
                    and to_regclass('vault.fields') is not null";
    if !transaction.query_typed_one(exists, &[]).await.map_err(failed)?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    // Where its owner has lost a right, that is named by itself, and this is looked at
    // once it is mended.
    transaction.batch_execute("savepoint fields").await.map_err(failed)?;
    let rows =
        match transaction.query_typed("select name from vault.lost_fields() as name", &[]).await {
            Ok(rows) => rows,
            Err(error) if error.as_db_error().is_none() => return Err(failed(error)),
            Err(_) => Vec::new(),
        };
    transaction
        .batch_execute("rollback to savepoint fields; release savepoint fields")
        .await
        .map_err(failed)?;
    let deviation = |field: Field| Deviation {
        what: format!(
            "field {field} was masked for good, says the audit log, and vault.fields does \
             not have it"
        ),
        is_privilege: false,
        remedy: Remedy::Statement(format!(
            "insert into vault.fields (field, token_prefix, position) \
             select '{field}', '{}', max(position) + 1 from vault.fields",
            field.prefix()
        )),
    };
    Ok(rows.iter().filter_map(|row| Field::from_name(row.get(0))).map(deviation).collect())
}

/// Publications that make the server refuse a rotation.
async fn compare_publications(transaction: &Transaction<'_>) -> Result<Vec<Deviation>, DbError> {
    let failed = |e| DbError::sql(COMPARING, &e);
    let statement = "\
        select p, (select relreplident = 'f' from pg_class \
          where oid = to_regclass('public.user_logins')) \
        from vault.refusing_publications() p";
    let exists = "select to_regprocedure('vault.refusing_publications()') is not null";
    if !transaction.query_typed_one(exists, &[]).await.map_err(failed)?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let rows = transaction.query_typed(statement, &[]).await.map_err(failed)?;
    let deviation = |row: &tokio_postgres::Row| {
        let (name, is_full): (&str, bool) = (row.get(0), row.get(1));
        let (what, remedy) = if is_full {
            let remedy = Remedy::Person(
                "take the list of columns off the publication, or give the table a primary key \
                 that is in it",
            );
            (
                format!(
                    "publication {name} publishes some columns of public.user_logins, and the \
                     server refuses its updates"
                ),
                remedy,
            )
        } else {
            let what = format!(
                "publication {name} publishes updates of public.user_logins, which has no replica \
                 identity (REPLICA IDENTITY FULL writes each old row into the WAL too)"
            );
            (
                what,
                Remedy::Statement(
                    "alter table public.user_logins replica identity full".to_owned(),
                ),
            )
        };
        Deviation { what, is_privilege: false, remedy }
    };
    Ok(rows.iter().map(deviation).collect())
}

/// With row-level security on, each group needs a policy for what it does; analysts see
/// what their own policies show.
async fn compare_policies(transaction: &Transaction<'_>) -> Result<Vec<Deviation>, DbError> {
    const WANTED: [(&str, &str, &str); 3] = [
        (
            "loginetl_insert",
            "a {loginetl_loader} - true",
            "for insert to loginetl_loader with check (true)",
        ),
        (
            "loginetl_select",
            "r {loginetl_owner,loginetl_rotator,loginetl_unmasker} true -",
            "for select to loginetl_rotator, loginetl_unmasker, loginetl_owner using (true)",
        ),
        (
            "loginetl_update",
            "w {loginetl_rotator} true true",
            "for update to loginetl_rotator using (true) with check (true)",
        ),
    ];
    let failed = |e| DbError::sql(COMPARING, &e);
    if !transaction.query_typed_one(RLS_IS_ON, &[]).await.map_err(failed)?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let rows = transaction.query_typed(POLICIES, &[]).await.map_err(failed)?;
    let actual: BTreeMap<String, String> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut found = Vec::new();
    for (name, wanted, definition) in WANTED {
        let is = actual.get(name);
        if is.is_none_or(|is| is != wanted) {
            let drop =
                is.map_or(String::new(), |_| format!("drop policy {name} on public.user_logins; "));
            found.push(Deviation {
                what: format!(
                    "policy {name} on public.user_logins is missing or another, and row-level \
                     security is on"
                ),
                is_privilege: false,
                remedy: Remedy::Statement(format!(
                    "{drop}create policy {name} on public.user_logins {definition}"
                )),
            });
        }
    }
    Ok(found)
}

//! What must be there, in one list: sql/expected.txt, the functions of sql/functions/,
//! and what follows from the table as it is (policies, sequences behind defaults,
//! publications). `init` makes it so and `check` compares.
//!
//! Invariant: a deviation names its object and carries the statement that ends it, or
//! says that only a person can.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Type;

use super::comments::compare_comments;
use super::deviation::{COMPARING, Deviation, Remedy};
use super::expected::{ExpectedStructure, body_of};
use super::facts::{
    FACTS, GRANTS, LOST_BY_OWNER, LOST_IN_DATABASE, POLICIES, RLS_IS_ON, SEQUENCES,
    SHUT_OUT_OF_PUBLIC,
};
use super::fields::read_fields;
use super::functions::compare_functions;
use super::session::{Mode, Parameter, Transaction};
use super::table::own_columns;
use super::words::{GROUPS, OWNER};
use super::{DbError, Session};
use crate::audit::Group;
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

fn parts(fact: &str) -> (&str, &str) {
    fact.split_once(' ').unwrap_or((fact, ""))
}

/// `vault.keys.state` → `vault.keys`.
fn relation_of(object: &str) -> &str {
    object
        .rsplit_once('.')
        .filter(|(relation, _)| relation.contains('.'))
        .map_or(object, |(relation, _)| relation)
}

/// The statement that makes a fact of the list true.
fn remedy(fact: &str, wanted: &str, is: Option<&str>) -> Remedy {
    let (kind, object) = parts(fact);
    let (relation, name) = (relation_of(object), object.rsplit('.').next().unwrap_or_default());
    let alter = |rest: String| Remedy::Statement(format!("alter table {relation} {rest}"));
    match kind {
        "relation" => match (wanted, is) {
            ("table", Some("unlogged table")) => {
                Remedy::Statement(format!("alter table {object} set logged"))
            }
            ("table", None) if object == "vault.fence" => {
                Remedy::Statement("create table vault.fence ()".to_owned())
            }
            ("sequence", None) => Remedy::Statement(format!(
                "create sequence {object} as bigint minvalue 1 maxvalue 4294967295; \
                 select setval('{object}', greatest(max(key_id), 1), max(key_id) is not null) \
                   from vault.data_keys"
            )),
            // What was made in the place of a view goes first, and then is missing.
            // One that stands on it goes with it, and comes again too.
            ("view, security_barrier", Some(is)) if is.starts_with("view") => {
                let above = if object == "vault.field_plans" { "vault.plan, " } else { "" };
                Remedy::Statement(format!("drop view if exists {above}{object}"))
            }
            ("view, security_barrier", None) => Remedy::Functions,
            ("partition", None) => Remedy::Statement(format!(
                "create table {object} partition of ingest.ledger for values in ('1970-01-01')"
            )),
            ("partition", Some(_)) => Remedy::Statement(format!("alter table {object} set logged")),
            _ => Remedy::Person("restore it from a backup"),
        },
        "column" => column_remedy(relation, name, wanted, is),
        "default" => alter(format!("alter column {name} set default {wanted}")),
        "constraint" => alter(format!(
            "{}add constraint {name} {wanted}",
            is.map_or(String::new(), |_| format!("drop constraint {name}, "))
        )),
        // Whatever its name: that of ours may belong to a table that was swapped away.
        "index" if object.starts_with("public.") => {
            let column = name.trim_start_matches("user_logins_");
            Remedy::Statement(format!("create index on public.user_logins using btree ({column})"))
        }
        "index" => Remedy::Statement(format!(
            "{}{wanted}",
            is.map_or(String::new(), |_| format!("drop index {object}; "))
        )),
        "trigger" if is.is_some_and(|is| is.ends_with(" (disabled)")) => {
            alter(format!("enable trigger {name}"))
        }
        "trigger" if is.is_some() => {
            Remedy::Statement(format!("drop trigger {name} on {relation}"))
        }
        "option" => alter(format!("set ({name} = {wanted})")),
        "identity" => alter("replica identity default".to_owned()),
        "owner" => Remedy::Statement(owner_statement(object, wanted)),
        _ => Remedy::Functions,
    }
}

fn column_remedy(relation: &str, name: &str, wanted: &str, is: Option<&str>) -> Remedy {
    let Some(is) = is else { return Remedy::Person("restore it from a backup") };
    if relation == "public.user_logins" {
        return Remedy::Person("run: loginetl init, which prints the statement for this table");
    }
    let type_of = |text: &str| {
        text.split(" not null")
            .next()
            .unwrap_or_default()
            .split(" generated")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let mut changes = Vec::new();
    let (wanted_type, is_type) = (type_of(wanted), type_of(is));
    if wanted_type != is_type {
        let bare = wanted_type.trim_end_matches(" external");
        changes.push(format!("alter column {name} type {bare} using {name}::{bare}"));
        if bare != wanted_type {
            changes.push(format!("alter column {name} set storage external"));
        }
    }
    match (wanted.contains(" not null"), is.contains(" not null")) {
        (true, false) => changes.push(format!("alter column {name} set not null")),
        (false, true) => changes.push(format!("alter column {name} drop not null")),
        _ => {}
    }
    let mut after = String::new();
    if wanted.contains(" generated always") && is.contains(" by default") {
        changes.push(format!("alter column {name} set generated always"));
    } else if wanted.contains(" generated") && !is.contains(" generated") {
        changes.push(format!("alter column {name} add generated always as identity"));
        after = format!(
            "; select setval(pg_get_serial_sequence('{relation}', '{name}'), \
             greatest(max({name}), 1), max({name}) is not null) from {relation}"
        );
    }
    if changes.is_empty() {
        return Remedy::Person("alter it by hand");
    }
    Remedy::Statement(format!("alter table {relation} {}{after}", changes.join(", ")))
}

/// What stands on loginetl's own tables and can be taken off without losing anything.
fn remedy_of_excess(fact: &str, is: &str) -> Option<Remedy> {
    let (kind, object) = parts(fact);
    let (relation, name) = (relation_of(object), object.rsplit('.').next().unwrap_or_default());
    match kind {
        "default" => Some(Remedy::Statement(format!(
            "alter table {relation} alter column {name} drop default"
        ))),
        "constraint" => {
            Some(Remedy::Statement(format!("alter table {relation} drop constraint \"{name}\"")))
        }
        "column" => Some(Remedy::Person("drop it, unless you know who needs it")),
        "security" => Some(Remedy::Statement(format!(
            "alter table {object} disable row level security; \
               alter table {object} no force row level security"
        ))),
        "rule" => Some(Remedy::Statement(format!("drop rule \"{name}\" on {relation}"))),
        "relation" if is.starts_with("unlogged") => {
            Some(Remedy::Statement(format!("alter table {object} set logged")))
        }
        // Of one of our names, but with other parameters: it would stand in the way of
        // ours.
        "function" if body_of(object.split('(').next().unwrap_or_default()).is_some() => {
            Some(Remedy::Statement(format!("drop function {object}")))
        }
        "owner" => Some(Remedy::Statement(owner_statement(object, Group::Owner.name()))),
        _ => None,
    }
}

/// `function vault.f(bigint)` or `table vault.t` or `schema vault`.
fn owner_statement(object: &str, owner: &str) -> String {
    format!("alter {object} owner to {owner}")
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

async fn compare_grants(
    transaction: &Transaction<'_>,
    mut wanted: BTreeSet<String>,
) -> Result<Vec<Deviation>, DbError> {
    let failed = |e| DbError::sql(COMPARING, &e);
    let rows = transaction.query_typed(GRANTS, &[OWNER, GROUPS]).await.map_err(failed)?;
    let actual: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let on_rows: Vec<Group> =
        Group::ALL.into_iter().filter(|group| group.works_on_rows()).collect();
    for row in transaction
        .query_typed(SHUT_OUT_OF_PUBLIC, &[(&on_rows, Type::TEXT_ARRAY)])
        .await
        .map_err(failed)?
    {
        wanted.insert(format!("{} USAGE public", row.get::<_, &str>(0)));
    }
    for row in transaction.query_typed(SEQUENCES, &[]).await.map_err(failed)? {
        wanted.insert(format!("{} USAGE {}", Group::Loader, row.get::<_, &str>(0)));
    }
    let deviation = |what, remedy| Deviation { what, is_privilege: true, remedy };
    let lost = transaction.query_typed(LOST_BY_OWNER, &[OWNER]).await.map_err(failed)?;
    let lost: Vec<String> = lost.iter().map(|row| row.get(0)).collect();
    let missing = wanted.difference(&actual).chain(&lost).map(|grant| {
        deviation(
            format!("missing: {grant}"),
            Remedy::Statement(grant_statement(grant, "grant", "to")),
        )
    });
    let excess = actual.difference(&wanted).map(|grant| {
        let is_ours = grant.starts_with("loginetl_")
            || (grant.starts_with("PUBLIC ") && !grant.contains(" public."));
        let remedy = if is_ours {
            Remedy::Statement(grant_statement(grant, "revoke", "from"))
        } else {
            Remedy::Person("REVOKE it, unless you know who needs it")
        };
        deviation(format!("beyond what init grants: {grant}"), remedy)
    });
    let mut found: Vec<Deviation> = missing.chain(excess).collect();
    for row in transaction.query_typed(LOST_IN_DATABASE, &[OWNER]).await.map_err(failed)? {
        let (owner, privilege): (Group, &str) = (Group::Owner, row.get(0));
        let grant = format!(
            "execute format('grant {privilege} on database %I to {owner}', current_database())"
        );
        found.push(deviation(
            format!("missing: {owner} {privilege} on this database"),
            Remedy::Statement(format!("do $$ begin {grant}; end $$")),
        ));
    }
    Ok(found)
}

/// `loginetl_loader SELECT vault.keys (state)` → `grant SELECT (state) on vault.keys to
/// loginetl_loader`.
fn grant_statement(grant: &str, verb: &str, preposition: &str) -> String {
    let mut words = grant.splitn(3, ' ');
    let (who, privilege, object) = (words.next(), words.next(), words.next().unwrap_or_default());
    let (who, privilege) = (who.unwrap_or_default(), privilege.unwrap_or_default());
    let (object, column) = object
        .split_once(" (")
        .map_or((object, String::new()), |(object, column)| (object, format!(" ({column}")));
    let kind = match privilege {
        "EXECUTE" => "function ",
        "USAGE" | "CREATE" if !object.contains('.') => "schema ",
        "USAGE" => "sequence ",
        _ => "",
    };
    format!("{verb} {privilege}{column} on {kind}{object} {preposition} {who}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_the_statement_that_makes_it() {
        let grant = |text| grant_statement(text, "grant", "to");
        assert_eq!(
            grant("loginetl_loader SELECT vault.keys"),
            "grant SELECT on vault.keys to loginetl_loader"
        );
        assert_eq!(
            grant("loginetl_rotator SELECT vault.t (a)"),
            "grant SELECT (a) on vault.t to loginetl_rotator"
        );
        assert_eq!(
            grant("loginetl_auditor USAGE audit"),
            "grant USAGE on schema audit to loginetl_auditor"
        );
        assert_eq!(
            grant("loginetl_loader USAGE public.s"),
            "grant USAGE on sequence public.s to loginetl_loader"
        );
        assert_eq!(
            grant_statement("PUBLIC EXECUTE vault.f", "revoke", "from"),
            "revoke EXECUTE on function vault.f from PUBLIC"
        );
    }
}

//! What ends a deviation from a fact of the list: a statement, where one does it without
//! losing anything, and a person otherwise.

use super::deviation::Remedy;
use super::expected::body_of;
use crate::audit::Group;

/// `column vault.keys.state` → its kind and its object.
pub(super) fn parts(fact: &str) -> (&str, &str) {
    fact.split_once(' ').unwrap_or((fact, ""))
}

/// `vault.keys.state` → `vault.keys`.
pub(super) fn relation_of(object: &str) -> &str {
    object
        .rsplit_once('.')
        .filter(|(relation, _)| relation.contains('.'))
        .map_or(object, |(relation, _)| relation)
}

/// The statement that makes a fact of the list true.
pub(super) fn remedy(fact: &str, wanted: &str, is: Option<&str>) -> Remedy {
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
pub(super) fn remedy_of_excess(fact: &str, is: &str) -> Option<Remedy> {
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
        // Of one of our names, but with other parameters: it would stand
        // in the way of ours.
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

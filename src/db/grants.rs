//! Who may do what: the grants of sql/expected.txt and those that follow from the table
//! as it is, compared with what the database says.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;

use super::DbError;
use super::deviation::{COMPARING, Deviation, Remedy};
use super::facts::{GRANTS, LOST_BY_OWNER, LOST_IN_DATABASE, SEQUENCES, SHUT_OUT_OF_PUBLIC};
use super::session::Transaction;
use super::words::{GROUPS, OWNER};
use crate::audit::Group;

/// What is granted beyond the list, and what of it is missing.
pub(super) async fn compare_grants(
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

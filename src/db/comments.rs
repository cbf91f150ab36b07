//! Comments on what is loginetl's: the statements of sql/functions/comments.sql, each run
//! where its object is there and has another comment.
//!
//! Invariants: what is not there stops nothing; a comment of somebody else on
//! public.user_logins stays; a view's comment keeps the digest that tells whether the
//! view was replaced.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::session::Transaction;
use super::{DbError, Deviation, Remedy};

/// More than so many are told in one line: after a restore that took no comments along,
/// it is all of them.
const TOLD_ONE_BY_ONE: usize = 3;

const COMMENTING: &str = "writing the comments";

/// Each object that may have a comment of ours, and what its comment says. Of several
/// functions of one name, `FACTS` has those that must go first.
const SAID: &str = "\
with relations as (
    select c.oid, format('%s.%s', n.nspname, c.relname) as name,
           case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end as kind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'S')
      and (n.nspname in ('vault', 'ingest', 'audit') or (n.nspname = 'public'
        and c.relname = 'user_logins'))
), said as (
    select 'schema ' || nspname as object, obj_description(oid, 'pg_namespace') as text
    from pg_namespace where nspname in ('vault', 'ingest', 'audit')
    union all
    select format('%s %s', kind, name),
           regexp_replace(obj_description(oid, 'pg_class'),
             ' ?[(]?made by loginetl init, [0-9a-f]{32}[)]?$', '')
    from relations
    union all
    select format('column %s.%s', r.name, a.attname), col_description(r.oid, a.attnum)
    from relations r join pg_attribute a on a.attrelid = r.oid where a.attnum > 0
      and not a.attisdropped
    union all
    select format('trigger %s.%s', r.name, g.tgname), obj_description(g.oid, 'pg_trigger')
    from relations r join pg_trigger g on g.tgrelid = r.oid where not g.tgisinternal
    union all
    select format('function %s.%s', n.nspname, p.proname), min(obj_description(p.oid, 'pg_proc'))
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('vault', 'ingest', 'audit') group by n.nspname, p.proname
      having count(*) = 1
)
select object, coalesce(text, '') from said";

/// A statement of the file.
struct Comment {
    /// Kind and name of its object, as `SAID` has them.
    object: String,
    /// What it says.
    text: String,
    statement: String,
}

static COMMENTS: LazyLock<Vec<Comment>> = LazyLock::new(|| {
    let file = include_str!("../../sql/functions/comments.sql");
    let code: Vec<&str> = file.lines().filter(|line| !line.starts_with("--")).collect();
    code.join("\n")
        .split(";\n")
        .filter_map(|statement| comment(statement.trim().trim_end_matches(';')))
        .collect()
});

fn comment(statement: &str) -> Option<Comment> {
    let (on, literal) = statement.strip_prefix("comment on ")?.split_once(" is\n")?;
    let object = match on.strip_prefix("trigger ").and_then(|trigger| trigger.split_once(" on ")) {
        Some((name, relation)) => format!("trigger {relation}.{name}"),
        None => on.to_owned(),
    };
    // A long text stands on several lines, each a literal of its own.
    let literal = literal.trim().replace("'\n    '", "");
    let quoted = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    let statement = match object.strip_prefix("view ") {
        Some(view) => format!(
            // It may just have gone with one that it stands on.
            "do $$ begin if to_regclass('{view}') is not null then execute \
             format('comment on view {view} is %L', '{quoted} (made by loginetl init, ' || \
             md5(pg_get_viewdef(to_regclass('{view}'))) || ')'); end if; end $$"
        ),
        None => format!("comment on {on} is {literal}"),
    };
    Some(Comment { object, text: quoted.replace("''", "'"), statement })
}

/// What the objects of ours say, where `is_sound` is true of the fact on which a comment
/// stands: what is not as it must be may go and come again, and gets its comment then.
pub(super) async fn compare_comments(
    transaction: &Transaction<'_>,
    is_sound: impl Fn(&str) -> bool,
) -> Result<Vec<Deviation>, DbError> {
    let said = read(transaction).await?;
    let others: Vec<&Comment> = find_wrong(&said)
        .into_iter()
        .filter(|comment| is_sound(&fact_of(&comment.object)))
        .collect();
    let statements = others.iter().map(|comment| comment.statement.clone());
    if others.len() > TOLD_ONE_BY_ONE {
        let what = format!("comments on {} objects are missing or others", others.len());
        return Ok(vec![deviation(what, statements.collect::<Vec<_>>().join("; "))]);
    }
    let told =
        others.iter().map(|comment| format!("comment on {} is missing or another", comment.object));
    Ok(told.zip(statements).map(|(what, statement)| deviation(what, statement)).collect())
}

/// Comments on the rows, where nobody has written one; and on what is ours, if it was
/// just made (`all`).
pub(super) async fn write_comments(
    transaction: &Transaction<'_>,
    all: bool,
) -> Result<(), DbError> {
    let said = read(transaction).await?;
    let on_rows = COMMENTS.iter().filter(|comment| {
        is_on_rows(comment) && said.get(&comment.object).is_some_and(String::is_empty)
    });
    let on_ours = if all { find_wrong(&said) } else { Vec::new() };
    let statements: Vec<&str> =
        on_rows.chain(on_ours).map(|comment| comment.statement.as_str()).collect();
    if statements.is_empty() {
        return Ok(());
    }
    transaction
        .batch_execute(&statements.join("; "))
        .await
        .map_err(|e| DbError::schema(COMMENTING, &e))
}

async fn read(transaction: &Transaction<'_>) -> Result<BTreeMap<String, String>, DbError> {
    let rows = transaction
        .query_typed(SAID, &[])
        .await
        .map_err(|e| DbError::sql("reading the comments", &e))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn is_on_rows(comment: &Comment) -> bool {
    comment.object.contains(" public.")
}

/// Comments of ours whose objects are there and say something else.
fn find_wrong(said: &BTreeMap<String, String>) -> Vec<&'static Comment> {
    let is_wrong = |comment: &&Comment| {
        !is_on_rows(comment) && said.get(&comment.object).is_some_and(|is| *is != comment.text)
    };
    COMMENTS.iter().filter(is_wrong).collect()
}

/// The fact that says whether the object of a comment stays: that of its relation, but a
/// trigger has its own.
fn fact_of(object: &str) -> String {
    match object.split_once(' ') {
        Some(("table" | "view" | "sequence", relation)) => format!("relation {relation}"),
        Some(("column", column)) => {
            format!("relation {}", column.rsplit_once('.').map_or(column, |(relation, _)| relation))
        }
        _ => object.to_owned(),
    }
}

fn deviation(what: String, statement: String) -> Deviation {
    Deviation { what, is_privilege: false, remedy: Remedy::Statement(statement) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_the_file_is_read() {
        let file = include_str!("../../sql/functions/comments.sql");
        assert_eq!(
            COMMENTS.len(),
            file.lines().filter(|line| line.starts_with("comment on ")).count()
        );
    }

    #[test]
    fn a_statement_says_what_it_is_about() {
        let read = comment("comment on trigger t on vault.k is\n    'it''s so'").unwrap();
        assert_eq!((read.object.as_str(), read.text.as_str()), ("trigger vault.k.t", "it's so"));
        let read = comment("comment on table t is\n    'one '\n    'text'").unwrap();
        assert_eq!(
            (read.text.as_str(), read.statement.as_str()),
            ("one text", "comment on table t is 'one text'")
        );
        let read = comment("comment on view vault.v is\n    'rows'").unwrap();
        assert!(read.statement.contains("'rows (made by loginetl init, '"), "{}", read.statement);
        assert_eq!(fact_of("column vault.v.a"), "relation vault.v");
    }
}

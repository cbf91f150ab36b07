//! What on an existing table refuses a null in `user_id`, which every new row has where
//! user ids are masked.
//!
//! Invariant: found before anything is masked, for masking is for good; each problem
//! names the statement that ends it.

use super::DbError;
use super::column::INSPECTING;
use super::session::Transaction;

/// Check constraints about `user_id`, with their expressions.
const CHECKS: &str = "\
    select quote_ident(k.conname), pg_get_expr(k.conbin, k.conrelid) from pg_constraint k \
    join pg_attribute a on a.attrelid = k.conrelid and a.attname = 'user_id' \
      and a.attnum = any(k.conkey) \
    where k.conrelid = to_regclass('public.user_logins') and k.contype = 'c' order by 1";

/// Unique indexes over `user_id` for which two nulls are one value (from PostgreSQL 15
/// on), and how each goes.
const UNIQUES: &str = "\
    select i.relname::text, \
           case when k.conname is null then format('drop index %s', i.oid::regclass) \
                else format('alter table public.user_logins drop constraint %I', k.conname) end \
    from pg_index x join pg_class i on i.oid = x.indexrelid \
    join pg_attribute a on a.attrelid = x.indrelid and a.attname = 'user_id' \
      and a.attnum = any(x.indkey::int2[]) \
    left join pg_constraint k on k.conindid = x.indexrelid and k.conrelid = x.indrelid \
      and k.contype in ('p', 'u', 'x') \
    where x.indrelid = to_regclass('public.user_logins') and x.indisunique \
      and (to_jsonb(x) ->> 'indnullsnotdistinct')::bool order by 1";

/// The problems of a table whose user ids are masked from now on.
pub(super) async fn find_problems(transaction: &Transaction<'_>) -> Result<Vec<String>, DbError> {
    let failed = |e| DbError::schema(INSPECTING, &e);
    let mut problems = Vec::new();
    for row in transaction.query_typed(CHECKS, &[]).await.map_err(failed)? {
        let (name, expression): (&str, &str) = (row.get(0), row.get(1));
        if !takes_null(transaction, expression).await? {
            problems.push(format!(
                "constraint {name} refuses a null user_id, which new rows have where user ids are \
                 masked; run: alter table public.user_logins drop constraint {name}"
            ));
        }
    }
    for row in transaction.query_typed(UNIQUES, &[]).await.map_err(failed)? {
        let (name, run): (&str, &str) = (row.get(0), row.get(1));
        problems.push(format!(
            "index {name} takes one null user_id only, and each new row has one where user ids \
             are masked; run: {run}"
        ));
    }
    Ok(problems)
}

/// Whether a check holds for a row of nulls. One that fails of itself is no answer that a
/// load could count on.
async fn takes_null(transaction: &Transaction<'_>, expression: &str) -> Result<bool, DbError> {
    let failed = |e| DbError::schema(INSPECTING, &e);
    let probe = format!(
        "select ({expression}) is not false from (select (null::public.user_logins).*) as \
           user_logins"
    );
    transaction.batch_execute("savepoint probe").await.map_err(failed)?;
    let holds = match transaction.query_typed_one(&probe, &[]).await {
        Ok(row) => row.get(0),
        Err(error) if error.as_db_error().is_none() => return Err(failed(error)),
        Err(_) => false,
    };
    transaction
        .batch_execute("rollback to savepoint probe; release savepoint probe")
        .await
        .map_err(failed)?;
    Ok(holds)
}

//! The functions, triggers and views: files that `init` runs again whenever they differ
//! from what the database has.
//!
//! Invariant: the checksum of the files stands beside those of the migrations, as version
//! 0, from the transaction on that ran them; what was changed since then is found by its
//! body, settings or digest.

use jiff::Timestamp;
use sha2::Digest as _;
use tokio_postgres::types::Type;

use super::DbError;
use super::deviation::{COMPARING, Deviation, Remedy};
use super::expected::{FUNCTIONS, body_of};
use super::session::{Parameter, Transaction};
use crate::audit::Group;

const ENTER: &str = "\
    insert into vault.schema_version (version, name, applied_on, checksum) \
      values (0, 'functions', $1, $2) \
    on conflict (version) do update set name = excluded.name, applied_on = excluded.applied_on, \
      checksum = excluded.checksum";

/// Makes the functions, triggers and views, as their owner.
pub(super) async fn run_functions(transaction: &Transaction<'_>) -> Result<(), DbError> {
    let failed = |e| DbError::schema("making the functions", &e);
    transaction
        .batch_execute(&format!("set local role {}", Group::Owner))
        .await
        .map_err(|e| DbError::roles(&e))?;
    for file in FUNCTIONS {
        transaction.batch_execute(file).await.map_err(failed)?;
    }
    transaction.batch_execute("reset role").await.map_err(failed)?;
    let (now, checksum) = (Timestamp::now().to_string(), checksum());
    let row: [Parameter<'_>; 2] = [(&now, Type::TEXT), (&checksum, Type::TEXT)];
    transaction.execute_typed(ENTER, &row).await.map(drop).map_err(failed)
}

/// SHA-256 of the files, each behind its length.
fn checksum() -> String {
    let mut digest = sha2::Sha256::new();
    for file in FUNCTIONS {
        digest.update((file.len() as u64).to_be_bytes());
        digest.update(file);
    }
    hex::encode(digest.finalize())
}

/// Whether the files ran as they are now, and each of their functions has the body that
/// it got.
pub(super) async fn compare_functions(
    transaction: &Transaction<'_>,
) -> Result<Vec<Deviation>, DbError> {
    let mut found = compare_bodies(transaction).await?;
    let statement =
        "select exists (select from vault.schema_version where version = 0 and checksum = $1)";
    let is_ours = transaction.query_typed_one(statement, &[(&checksum(), Type::TEXT)]).await;
    if !is_ours.map_err(|e| DbError::sql(COMPARING, &e))?.get::<_, bool>(0) {
        let what = "functions, triggers and views are not as this build makes them".to_owned();
        found.push(Deviation { what, is_privilege: false, remedy: Remedy::Functions });
    }
    Ok(found)
}

/// Each function of the files, with the body that stands there.
async fn compare_bodies(transaction: &Transaction<'_>) -> Result<Vec<Deviation>, DbError> {
    let statement = "\
        select format('%s.%s', n.nspname, p.proname), p.prosrc from pg_proc p join pg_namespace n \
          on n.oid = p.pronamespace \
        where n.nspname in ('vault', 'ingest', 'audit')";
    let rows =
        transaction.query_typed(statement, &[]).await.map_err(|e| DbError::sql(COMPARING, &e))?;
    let is_other = |name: &str, body: &str| body_of(name).is_some_and(|ours| ours != body);
    let others = rows.iter().filter(|row| is_other(row.get(0), row.get(1))).map(|row| Deviation {
        what: format!("function {} has another body", row.get::<_, &str>(0)),
        is_privilege: false,
        remedy: Remedy::Functions,
    });
    Ok(others.collect())
}

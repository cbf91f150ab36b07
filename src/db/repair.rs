//! What `init` does about deviations: each statement in the order in which they can run,
//! until none is left that a statement ends.

use super::DbError;
use super::deviation::{Deviation, Remedy};
use super::functions::run_functions;
use super::session::Transaction;
use super::structure::deviations;

/// One repair may bring another to light: a table that comes back has no constraints yet.
const ROUNDS: usize = 4;

const REPAIRING: &str = "repairing the schema";

/// Repairs; returns what was repaired and what only a person can put right. What
/// follows from a migration that was just applied (`is_upgrade`) is part of it,
/// and not told again.
pub(super) async fn repair(
    transaction: &Transaction<'_>,
    is_upgrade: bool,
) -> Result<(Vec<String>, Vec<Deviation>), DbError> {
    let mut repaired: Vec<String> = advance_sequences(transaction).await?;
    let mut found = deviations(transaction).await?;
    for _ in 0..ROUNDS {
        found.sort_by_key(rank);
        let mut has_run_functions = false;
        for deviation in &found {
            match &deviation.remedy {
                Remedy::Statement(statement) => {
                    transaction
                        .batch_execute(statement)
                        .await
                        .map_err(|e| DbError::schema(REPAIRING, &e))?;
                }
                Remedy::Functions if has_run_functions => {}
                Remedy::Functions => {
                    run_functions(transaction).await?;
                    has_run_functions = true;
                }
                Remedy::Person(_) => continue,
            }
            if (!is_upgrade || !deviation.is_privilege) && !repaired.contains(&deviation.what) {
                repaired.push(deviation.what.clone());
            }
        }
        let again = deviations(transaction).await?;
        let is_done = again.iter().all(|deviation| matches!(deviation.remedy, Remedy::Person(_)));
        found = again;
        if is_done {
            break;
        }
    }
    // A statement may run and change nothing: what is still there was not repaired.
    repaired.retain(|what| found.iter().all(|deviation| deviation.what != *what));
    Ok((repaired, found))
}

/// Numbers that a restore of data alone leaves behind would be given out twice.
async fn advance_sequences(transaction: &Transaction<'_>) -> Result<Vec<String>, DbError> {
    const BEHIND: [(&str, &str); 2] = [
        (
            "sequence vault.key_ids is behind the keys",
            "select setval('vault.key_ids', m.last) \
             from (select max(key_id) as last from vault.data_keys) m \
             where m.last > (select case when is_called then last_value else last_value - 1 end \
                             from vault.key_ids)",
        ),
        (
            "sequence of ingest.quarantine.id is behind the messages",
            "select setval(s.name, m.last) from (select max(id) as last from ingest.quarantine) m, \
                    (select pg_get_serial_sequence('ingest.quarantine', 'id') as name) s \
             where m.last > coalesce(pg_sequence_last_value(s.name::regclass), 0)",
        ),
    ];
    let mut advanced = Vec::new();
    for (what, statement) in BEHIND {
        let tables = "select to_regclass('vault.key_ids') is not null \
                        and to_regclass('vault.data_keys') is not null \
                      and to_regclass('ingest.quarantine') is not null";
        let failed = |e| DbError::schema(REPAIRING, &e);
        let are_there =
            transaction.query_typed_one(tables, &[]).await.map_err(failed)?.get::<_, bool>(0);
        if are_there && !transaction.query_typed(statement, &[]).await.map_err(failed)?.is_empty() {
            advanced.push(what.to_owned());
        }
    }
    Ok(advanced)
}

/// Relations before what belongs to them, owners before what they do, keys before what
/// refers to them, rights last.
fn rank(deviation: &Deviation) -> u8 {
    let begins = |word: &str| deviation.what.starts_with(word);
    match () {
        () if deviation.is_privilege => 9,
        // Last, for they stand on the rest; on a view that is there again.
        () if begins("comment") => 8,
        () if begins("owner of schema ") => 0,
        () if begins("owner ") => 1,
        () if begins("relation ") && matches!(deviation.remedy, Remedy::Statement(_)) => 2,
        () if matches!(&deviation.remedy, Remedy::Statement(sql) if sql.starts_with("drop ")) => 3,
        () if begins("constraint ") && deviation.what.contains(" is none of loginetl's") => 3,
        () if begins("column ") => 3,
        () if begins("constraint ") && deviation.what.contains("FOREIGN KEY") => 5,
        () if begins("constraint ") => 4,
        () if matches!(deviation.remedy, Remedy::Functions) => 7,
        () => 6,
    }
}

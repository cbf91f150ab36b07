//! What `init` does about deviations: each statement in the order in which they can run, until none is left that a
//! statement ends.

use super::DbError;
use super::error::CREATING_ROLES;
use super::session::Transaction;
use super::structure::{Deviation, FUNCTIONS, Remedy, deviations};

/// One repair may bring another to light: a table that comes back has no constraints yet.
const ROUNDS: usize = 4;

const REPAIRING: &str = "repairing the schema";

/// Repairs; returns what was repaired and what only a person can put right. What follows from a migration that was just
/// applied (`is_upgrade`) is part of it, and not told again.
pub(super) async fn repair(transaction: &Transaction<'_>, is_upgrade: bool) -> Result<(Vec<String>, Vec<Deviation>), DbError> {
    let mut repaired: Vec<String> = Vec::new();
    let mut found = deviations(transaction).await?;
    for _ in 0..ROUNDS {
        found.sort_by_key(rank);
        let mut has_run_functions = false;
        for deviation in &found {
            match &deviation.remedy {
                Remedy::Statement(statement) => {
                    transaction.batch_execute(statement).await.map_err(|e| DbError::schema(REPAIRING, &e))?;
                }
                Remedy::Functions if has_run_functions => {}
                Remedy::Functions => {
                    run_functions(transaction).await?;
                    has_run_functions = true;
                }
                Remedy::Person(_) => continue,
            }
            if !is_upgrade || !deviation.is_privilege {
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
    Ok((repaired, found))
}

/// Makes the functions, triggers and views, as their owner.
pub(super) async fn run_functions(transaction: &Transaction<'_>) -> Result<(), DbError> {
    let failed = |e| DbError::schema("making the functions", &e);
    transaction.batch_execute("set local role loginetl_owner").await.map_err(|e| DbError::schema(CREATING_ROLES, &e))?;
    for file in FUNCTIONS {
        transaction.batch_execute(file).await.map_err(failed)?;
    }
    transaction.batch_execute("reset role").await.map_err(failed)
}

/// Relations before what belongs to them, owners before what they do, keys before what refers to them, rights last.
fn rank(deviation: &Deviation) -> u8 {
    let begins = |word: &str| deviation.what.starts_with(word);
    match () {
        () if deviation.is_privilege => 9,
        () if begins("owner of schema ") => 0,
        () if begins("owner ") => 1,
        () if begins("relation ") && matches!(deviation.remedy, Remedy::Statement(_)) => 2,
        () if begins("column ") => 2,
        () if begins("constraint ") && deviation.what.contains("FOREIGN KEY") => 5,
        () if begins("constraint ") => 4,
        () if matches!(deviation.remedy, Remedy::Functions) => 7,
        () => 6,
    }
}

//! One file a subcommand, one story a file: `run` stands at the top and reads as the story does.

pub mod audit;
pub mod check;
pub mod init;
pub mod load;
pub mod quarantine;
pub mod status;
pub mod unmask;

use crate::cli::Global;
use crate::db::Target;
use crate::error::Error;
use crate::settings::Environment;

/// Where the database is, under the name by which its activity view shows us.
fn database(global: Global, environment: &Environment, command: &str) -> Result<Target, Error> {
    let url = environment.database_url(global.database_url)?;
    let target = Target::parse(&url, &format!("loginetl {command}"))?;
    if target.is_unverified() {
        tracing::warn!("sslmode=require: the connection is encrypted, but nobody checks that the server is the right one");
    }
    Ok(target)
}

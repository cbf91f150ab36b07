//! `loginetl audit`: the log, shown, taken elsewhere, or verified. Nothing here appends
//! to it.

mod connect;
mod export;
mod head_file;
mod list;
mod verify;

use crate::cli::{AuditCommand, Global};
use crate::error::{Error, Exit};
use crate::settings::Environment;

/// Runs one of the subcommands.
///
/// # Errors
/// When the role may not, or database, KMS or file cannot be used.
pub(crate) async fn run(
    command: AuditCommand,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    match command {
        AuditCommand::List(args) => {
            list::run(args, &super::database(global, environment, "audit")?).await
        }
        AuditCommand::Export(args) => {
            export::run(&args, &super::database(global, environment, "audit")?).await
        }
        AuditCommand::Verify(args) => verify::run(args, global, environment).await,
    }
}

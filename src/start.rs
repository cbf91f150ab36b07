//! From the command line to the exit code.

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::error::{Error, Exit};
use crate::settings::Environment;
use crate::{commands, logging, output, token};

/// Runs the command that the command line names.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::read();
    let exit = execute(cli).unwrap_or_else(|error| {
        let (exit, hint) = error.advice();
        output::failure(&error, &hint);
        exit
    });
    exit.into()
}

fn execute(cli: Cli) -> Result<Exit, Error> {
    let environment = Environment::read()?;
    logging::start(cli.global.log_format, &environment)?;
    output::panics_without_values();
    token::self_test().map_err(|_| Error::SelfTest)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::Start(e.to_string()))?;
    let result = runtime.block_on(async {
        match cli.command {
            Command::Init(args) => commands::init::run(args, cli.global, &environment).await,
            Command::Load(args) => commands::load::run(args, cli.global, &environment).await,
            Command::Quarantine(args) => commands::quarantine::run(args, cli.global, &environment).await,
            Command::Unmask(args) => commands::unmask::run(args, cli.global, &environment).await,
            Command::RotateKeys(args) => commands::rotate::run(args, cli.global, &environment).await,
            Command::Keys(args) => commands::keys::run(args, cli.global, &environment).await,
            Command::Backfill(args) => commands::backfill::run(args, cli.global, &environment).await,
            Command::Audit(args) => commands::audit::run(args, cli.global, &environment).await,
            Command::Check(args) => commands::check::run(args, cli.global, &environment).await,
            Command::Status(args) => commands::status::run(args, cli.global, &environment).await,
        }
    });
    // A thread that waits for standard input ends with the process.
    runtime.shutdown_background();
    result
}

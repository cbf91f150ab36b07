//! From the command line to the exit code.

use std::process::ExitCode;

use crate::cli::{Cli, Command, LogFormat, Misuse};
use crate::error::{Error, Exit};
use crate::load::Source;
use crate::settings::Environment;
use crate::{commands, logging, output, settings, token, version};

/// Runs the command that the command line names.
#[must_use]
pub fn run() -> ExitCode {
    let words = settings::words();
    // What is wrong with the words is said in the form that they ask for.
    if LogFormat::asked_by(&words) == LogFormat::Json {
        output::make_lines_json();
    }
    let Cli { global, command } = match Cli::read(words, &version::LONG_VERSION) {
        Ok(cli) => cli,
        Err(misuse) => return misread(&misuse),
    };
    start(global.log_format, async |environment| match command {
        Command::Init(args) => commands::init::run(args, global, environment).await,
        Command::Load(args) => commands::load::run(args, global, environment).await,
        Command::Quarantine(args) => commands::quarantine::run(args, global, environment).await,
        Command::Unmask(args) => commands::unmask::run(args, global, environment).await,
        Command::RotateKeys(args) => commands::rotate::run(args, global, environment).await,
        Command::Keys(args) => commands::keys::run(args, global, environment).await,
        Command::Backfill(args) => commands::backfill::run(args, global, environment).await,
        Command::Audit(args) => commands::audit::run(args, global, environment).await,
        Command::Mask(args) => commands::mask::run(args, global, environment).await,
        Command::Remask(args) => commands::remask::run(args, environment).await,
        Command::Archive(args) => commands::archive::run(args, global, environment).await,
        Command::Check(args) => commands::check::run(args, global, environment).await,
        Command::Status(args) => commands::status::run(args, global, environment).await,
        Command::Health(args) => commands::health::run(args).await,
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args),
    })
}

/// Loads from a source of one's own, as `loginetl load --format json` does from a queue
/// or a file: the settings come from the environment, a signal stops it in order, and the
/// last line of stdout is the summary.
#[must_use]
pub fn load_from(source: impl Source) -> ExitCode {
    let Cli { global, command } = Cli::of(&["loginetl", "load", "--format", "json"]);
    start(global.log_format, async |environment| match command {
        Command::Load(args) => commands::load::from_source(source, args, global, environment).await,
        _ => Err(Error::Start("this command line is no load".to_owned())),
    })
}

/// Says what is wrong with the command line; help and version are no error.
fn misread(misuse: &Misuse) -> ExitCode {
    let said = misuse.words().and_then(|(message, hint)| output::misuse(&message, &hint));
    said.map_or_else(|| misuse.print_and_exit(), ExitCode::from)
}

fn start(
    log_format: LogFormat,
    work: impl AsyncFnOnce(&Environment) -> Result<Exit, Error>,
) -> ExitCode {
    let exit = execute(log_format, work).unwrap_or_else(|error| {
        let (exit, hint) = error.advice();
        output::failure(&error, exit, &hint);
        exit
    });
    exit.into()
}

fn execute(
    log_format: LogFormat,
    work: impl AsyncFnOnce(&Environment) -> Result<Exit, Error>,
) -> Result<Exit, Error> {
    output::panics_without_values();
    let environment = Environment::read()?;
    logging::start(log_format, &environment)?;
    token::self_test().map_err(|_| Error::SelfTest)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::Start(e.to_string()))?;
    let result = runtime.block_on(work(&environment));
    // A thread that waits for standard input ends with the process.
    runtime.shutdown_background();
    result
}

//! `loginetl completions`: the script by which a shell completes this command line.

use clap::CommandFactory as _;
use clap_complete::shells;

use crate::cli::{Cli, CompletionsArgs, Shell};
use crate::error::{Error, Exit};
use crate::output;

/// Prints the script.
///
/// # Errors
/// When stdout cannot be written.
pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit, Error> {
    let (mut command, mut script) = (Cli::command(), Vec::new());
    match args.shell {
        Shell::Bash => clap_complete::generate(shells::Bash, &mut command, "loginetl", &mut script),
        Shell::Zsh => clap_complete::generate(shells::Zsh, &mut command, "loginetl", &mut script),
        Shell::Fish => clap_complete::generate(shells::Fish, &mut command, "loginetl", &mut script),
    }
    output::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}

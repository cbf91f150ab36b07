//! `loginetl man`: a manual page for each command, made of its help.

use std::path::Path;
use std::{fs, io};

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::cli::{Cli, ManArgs};
use crate::error::{Error, Exit};
use crate::output;

/// Writes the pages into a folder.
///
/// # Errors
/// When the folder cannot be made, or a page cannot be written.
pub(crate) fn run(args: &ManArgs) -> Result<Exit, Error> {
    // `help` prints what the pages say.
    let mut command = Cli::command().disable_help_subcommand(true);
    // This gives each command its full name, and the flags that all of them have.
    command.build();
    let written = fs::create_dir_all(&args.out).and_then(|()| write_pages(command, &args.out));
    let pages = written.map_err(|error| {
        let path = args.out.display().to_string();
        Error::Export { path, problem: error.to_string() }
    })?;
    output::note(&format!("wrote {pages} pages"));
    Ok(Exit::Done)
}

/// The page of a command and of all below it; returns how many there are.
fn write_pages(command: clap::Command, folder: &Path) -> io::Result<usize> {
    let mut pages = 1;
    for below in command.get_subcommands() {
        pages += write_pages(below.clone(), folder)?;
    }
    let source = concat!("loginetl ", env!("CARGO_PKG_VERSION"));
    Man::new(command).source(source).manual("loginetl").generate_to(folder)?;
    Ok(pages)
}

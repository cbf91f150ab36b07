//! Commands for those who install the program: completions of a shell, manual pages.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `completions`.
#[derive(Args)]
#[command(after_help = "\
The script knows commands, flags and their values. It is of this version: write
it again after an upgrade.

Examples:
  loginetl completions bash > ~/.local/share/bash-completion/completions/loginetl
  loginetl completions zsh > ~/.zfunc/_loginetl
  loginetl completions fish > ~/.config/fish/completions/loginetl.fish

zsh looks into ~/.zfunc if ~/.zshrc says so before it calls compinit:
  fpath+=~/.zfunc")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A shell that completes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash, with the package bash-completion.
    Bash,
    /// The Z shell.
    Zsh,
    /// fish.
    Fish,
}

/// `man`.
#[derive(Args)]
#[command(after_help = "\
They say what --help says. A page that is there already is replaced.

Examples:
  loginetl man --out ~/.local/share/man/man1
  man loginetl-rotate-keys")]
pub(crate) struct ManArgs {
    /// The folder for the pages, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

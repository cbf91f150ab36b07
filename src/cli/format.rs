//! `--format`: how results on stdout look.

use clap::ValueEnum;

/// How results on stdout look.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

//! What `rotate-keys` says at its end.

use serde::Serialize;

use crate::cli::Format;
use crate::error::Error;
use crate::output;
use crate::token::KeyId;

/// What this process has done.
#[derive(Default, Serialize)]
pub(super) struct Done {
    pub rows_moved: u64,
    pub bodies_sealed: u64,
    /// What does not open: field or `quarantine`, hash or number, and the
    /// rows that carry it.
    pub not_opened: Vec<Unopened>,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
pub(super) struct Unopened {
    pub what: &'static str,
    pub which: String,
    pub rows: i64,
}

/// What `--format json` prints.
#[derive(Serialize)]
pub(super) struct RotateReport<'a> {
    result: &'static str,
    #[serde(flatten)]
    done: &'a Done,
    pub keys_retired: &'a [KeyId],
    pub keys_left_retiring: &'a [KeyId],
}

impl<'a> RotateReport<'a> {
    /// A report in which no key has gone.
    pub(super) fn of(result: &'static str, done: &'a Done) -> Self {
        Self { result, done, keys_retired: &[], keys_left_retiring: &[] }
    }

    pub(super) fn print(&self, format: Format) -> Result<(), Error> {
        if format == Format::Json {
            return output::json(self);
        }
        output::line(&format!(
            "{}: moved {} rows, sealed {} bodies anew",
            self.result, self.done.rows_moved, self.done.bodies_sealed
        ))?;
        for not in &self.done.not_opened {
            output::line(&format!(
                "does not open: {} {} ({} rows)",
                not.what, not.which, not.rows
            ))?;
        }
        for key in self.keys_retired {
            output::line(&format!("key {key} is retired: nothing is under it any more"))?;
        }
        for key in self.keys_left_retiring {
            output::line(&format!(
                "key {key} stays retiring: something that does not open is still under it"
            ))?;
        }
        Ok(())
    }
}

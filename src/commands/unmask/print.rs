//! Recovered values on stdout: the one place where a plaintext leaves the program, and it
//! takes the receipt.

use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::{UnmaskArgs, UnmaskFormat};
use crate::error::Error;
use crate::output::{self, Cells};
use crate::recovery::{Answer, ConcludedRecovery, RecoveredValue};
use crate::settings::SettingsError;
use crate::vault::VaultError;

const HEADER: [&str; 10] = [
    "selector",
    "field",
    "value",
    "hash",
    "token",
    "key_id",
    "rows",
    "first_date",
    "last_date",
    "problem",
];

/// How the values look: the flags, as far as they go together.
#[derive(Clone, Copy)]
pub(super) enum ValueFormat {
    /// For people.
    Table,
    /// One object a line.
    Json,
    /// For programs, or for spreadsheets.
    Csv(Cells),
}

impl ValueFormat {
    /// What the flags ask for.
    ///
    /// # Errors
    /// When cells should be made safe, and there are none.
    pub(super) fn of(args: &UnmaskArgs) -> Result<Self, Error> {
        match (args.format, args.csv_safe) {
            (UnmaskFormat::Csv, true) => Ok(Self::Csv(Cells::Inert)),
            (UnmaskFormat::Csv, false) => Ok(Self::Csv(Cells::AsTheyAre)),
            (_, true) => {
                Err(SettingsError::Flags("--csv-safe goes with --format csv alone".to_owned())
                    .into())
            }
            (UnmaskFormat::Table, false) => Ok(Self::Table),
            (UnmaskFormat::Json, false) => Ok(Self::Json),
        }
    }
}

/// One answer, readable.
#[derive(Serialize)]
struct ValueView<'a> {
    selector: &'a str,
    field: Option<&'static str>,
    value: Option<&'a str>,
    hash: Option<String>,
    token: Option<&'a str>,
    key_id: Option<i64>,
    rows: Option<i64>,
    first_date: Option<String>,
    last_date: Option<String>,
    problem: Option<&'static str>,
}

/// Prints all answers.
///
/// # Errors
/// When stdout cannot be written, a closed pipe excepted.
pub(super) fn print(concluded: &ConcludedRecovery, format: ValueFormat) -> Result<(), Error> {
    let ConcludedRecovery { answers, receipt } = concluded;
    let disclose = |value: &RecoveredValue| {
        let bytes = value.value.disclose(receipt).map_err(VaultError::from)?;
        Ok::<_, Error>(Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()))
    };
    let values: Result<Vec<_>, _> = answers
        .iter()
        .map(|answer| answer.result.as_ref().ok().map(disclose).transpose())
        .collect();
    let values = values?;
    let shown = answers
        .iter()
        .zip(&values)
        .map(|(answer, value)| view(answer, value.as_ref().map(|value| value.as_str())));
    match format {
        ValueFormat::Json => shown.into_iter().try_for_each(|shown| output::json(&shown)),
        ValueFormat::Csv(kind) => {
            output::csv(&HEADER, shown.map(|shown| cells(&shown).map(Zeroizing::new)), kind)
        }
        ValueFormat::Table => {
            let header = ["selector", "field", "value", "rows", "first day", "last day", "key", ""];
            output::table(
                &header,
                shown.zip(answers).map(|(shown, answer)| table_cells(&shown, answer)).collect(),
            )
        }
    }
}

fn view<'a>(answer: &'a Answer, value: Option<&'a str>) -> ValueView<'a> {
    let found = answer.result.as_ref().ok();
    ValueView {
        selector: &answer.selector,
        field: found.and_then(|found| found.field).map(|field| field.name()),
        value,
        hash: found.and_then(|found| found.hash).map(|hash| hash.to_string()),
        token: found.and_then(|found| found.token.as_ref()).map(|token| token.as_str()),
        key_id: found.and_then(RecoveredValue::key_id).map(|key| key.to_i64()),
        rows: found.and_then(|found| found.rows),
        first_date: found.and_then(|found| found.first_date).map(|day| day.to_string()),
        last_date: found.and_then(|found| found.last_date).map(|day| day.to_string()),
        problem: answer.result.as_ref().err().map(|problem| problem.code()),
    }
}

fn cells(shown: &ValueView<'_>) -> [String; 10] {
    let number = |n: Option<i64>| n.map_or_else(String::new, |n| n.to_string());
    [
        shown.selector.to_owned(),
        shown.field.unwrap_or_default().to_owned(),
        shown.value.unwrap_or_default().to_owned(),
        shown.hash.clone().unwrap_or_default(),
        shown.token.unwrap_or_default().to_owned(),
        number(shown.key_id),
        number(shown.rows),
        shown.first_date.clone().unwrap_or_default(),
        shown.last_date.clone().unwrap_or_default(),
        shown.problem.unwrap_or_default().to_owned(),
    ]
}

fn table_cells(shown: &ValueView<'_>, answer: &Answer) -> Vec<String> {
    let [selector, field, value, _, _, key, rows, first, last, _] = cells(shown);
    let is_body = answer.result.as_ref().is_ok_and(|value| value.field.is_none());
    let problem = answer.result.as_ref().err().map_or("", |problem| problem.text()).to_owned();
    let field = if is_body { "body".to_owned() } else { field };
    vec![selector, field, value, rows, first, last, key, problem]
}

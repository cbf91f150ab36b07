//! Event in, masked line out: the rules of `load`, without its quarantine. A rejected
//! line becomes one that says why.

use jiff::civil::Date;

use super::arrow::ArrowRows;
use super::columns::Columns;
use super::filter::{Fate, Filter};
use super::row;
use crate::login::{
    Body, EventMasker, FieldPlan, NearNames, Reading, RejectReason, Rejection, ValueKeys, parse,
};
use crate::token::Field;
use crate::vault::{JobKeys, JobPlan, VaultError};

/// What each event has.
const NEEDED: [&str; 4] = ["user_id", "app_version", "ip", "device_id"];
/// In the envelope of SNS, the member that holds an event.
const ENVELOPED: &str = "Message";

/// How masked lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// A JSON object.
    Json,
    /// Cells, tabs between them.
    Tsv,
    /// A stream of Arrow IPC.
    Arrow,
}

/// What rows are written to.
enum RowWriter {
    Json,
    Tsv,
    Arrow(Box<ArrowRows>),
}

/// Masks lines under one plan.
pub(crate) struct EventFilter {
    masker: EventMasker,
    reading: Reading,
    day: Date,
    columns: Option<Columns>,
    writer: RowWriter,
    near: NearNames,
}

impl EventFilter {
    /// Keys the ciphers of a plan. Without columns, each line is a JSON object.
    ///
    /// # Errors
    /// When a key of the plan is missing.
    pub(crate) fn new(
        plan: &JobPlan,
        keys: &JobKeys,
        columns: Option<Columns>,
        output: Output,
    ) -> Result<Self, VaultError> {
        let under =
            |_: Field, to: ValueKeys| FieldPlan { from: to, to, watermark: uuid::Uuid::nil() };
        let masker =
            EventMasker::new(plan.fields.map(under), keys).map_err(VaultError::Unreadable)?;
        let reading = Reading {
            app_version: plan.app_version,
            envelopes: plan.envelopes,
            masked: masker.fields(),
        };
        let writer = match output {
            Output::Json => RowWriter::Json,
            Output::Tsv => RowWriter::Tsv,
            Output::Arrow => RowWriter::Arrow(Box::new(ArrowRows::new(masker.fields()))),
        };
        let near = NearNames::default();
        Ok(Self { masker, reading, day: plan.day, columns, writer, near })
    }

    /// The columns without which no line is an event; none where lines are objects, or
    /// may be envelopes.
    #[must_use]
    pub(crate) fn missing_columns(columns: Option<&Columns>) -> Vec<&'static str> {
        let has = |name: &str| columns.is_none_or(|all| all.position(name).is_some());
        if has(ENVELOPED) { Vec::new() } else { NEEDED.into_iter().filter(|n| !has(n)).collect() }
    }

    fn reject(&mut self, rejection: &Rejection, into: &mut Vec<u8>) -> Fate {
        match &mut self.writer {
            RowWriter::Json => row::append_rejection_json(rejection, into),
            RowWriter::Tsv => row::append_rejection_tsv(rejection, self.masker.fields(), into),
            RowWriter::Arrow(rows) => rows.reject(rejection),
        }
        Fate::Aside
    }
}

impl Filter for EventFilter {
    fn turn(&mut self, line: Body, into: &mut Vec<u8>) -> (Fate, Body) {
        let of_cells;
        let event = match self.columns.as_ref().map(|columns| columns.to_json(line.expose())) {
            None => &line,
            Some(Some(json)) => {
                of_cells = Body::from_secret(json);
                &of_cells
            }
            Some(None) => {
                let rejection = Rejection::body(RejectReason::ColumnCount, line.len());
                return (self.reject(&rejection, into), line);
            }
        };
        let fate = match parse(event, self.day, self.reading, &self.near) {
            Ok(event) => {
                let login = self.masker.mask(event);
                match &mut self.writer {
                    RowWriter::Json => row::append_json(&login, into),
                    RowWriter::Tsv => row::append_tsv(&login, into),
                    RowWriter::Arrow(rows) => rows.push(&login),
                }
                Fate::Through
            }
            // What was put together from cells is as long as they were on their line. A
            // message within it has a length of its own, as for `load`.
            Err(Rejection { field: None, reason, length }) if length == Some(event.len()) => {
                self.reject(&Rejection::body(reason, line.len()), into)
            }
            Err(rejection) => self.reject(&rejection, into),
        };
        (fate, line)
    }

    fn pass_over(&mut self, length: usize, into: &mut Vec<u8>) -> Option<Fate> {
        Some(self.reject(&Rejection::body(RejectReason::TooLong, length), into))
    }

    fn gather(&mut self, is_end: bool, into: &mut Vec<u8>) {
        if let RowWriter::Arrow(rows) = &mut self.writer {
            rows.gather(is_end, into);
        }
    }

    /// What was begun goes on: one stream, and each near name told once.
    fn renew(&mut self, newer: Self) {
        self.masker = newer.masker;
    }

    fn near_names(&self) -> Option<&NearNames> {
        Some(&self.near)
    }
}

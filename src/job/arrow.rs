//! Masked lines as a stream of Arrow IPC: the columns of `row`, each of its type.
//!
//! Invariant: a row a line, in order, whatever batches they come in.

use std::sync::Arc;

use arrow_array::builder::{Date32Builder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field as Column, Schema};
use jiff::civil::date;
use uuid::Uuid;

use super::row::{Cell, Plain, column_names, each_cell};
use crate::login::{MaskedLogin, Rejection};
use crate::token::Fields;

/// Rows that wait, and the stream that they go to.
pub(super) struct ArrowRows {
    schema: Arc<Schema>,
    columns: Vec<ColumnBuilder>,
    rows: usize,
    stream: StreamWriter<Vec<u8>>,
}

enum ColumnBuilder {
    Text(StringBuilder),
    Number(Int32Builder),
    Length(Int64Builder),
    Day(Date32Builder),
}

impl ColumnBuilder {
    fn of(name: &str) -> Self {
        match name {
            "app_version" => Self::Number(Int32Builder::new()),
            "create_date" => Self::Day(Date32Builder::new()),
            "length" => Self::Length(Int64Builder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Text(_) => DataType::Utf8,
            Self::Number(_) => DataType::Int32,
            Self::Length(_) => DataType::Int64,
            Self::Day(_) => DataType::Date32,
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Text(cells) => cells.append_null(),
            Self::Number(cells) => cells.append_null(),
            Self::Length(cells) => cells.append_null(),
            Self::Day(cells) => cells.append_null(),
        }
    }

    /// Each name has one type, and its cells are of it.
    fn push(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Self::Text(cells), Cell::Text(text)) => cells.append_value(text),
            (Self::Text(cells), Cell::Plain(Plain::Token(token))) => cells.append_value(token),
            (Self::Text(cells), Cell::Plain(Plain::Hash(hash))) => {
                let mut room = Uuid::encode_buffer();
                cells.append_value(hash.hyphenated().encode_lower(&mut room));
            }
            (Self::Number(cells), Cell::Number(number)) => cells.append_value(*number),
            (Self::Day(cells), Cell::Plain(Plain::Day(day))) => {
                // Days since 1970-01-01.
                cells.append_value(date(1970, 1, 1).until(*day).map_or(0, |span| span.get_days()));
            }
            (column, _) => column.push_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(cells) => Arc::new(cells.finish()),
            Self::Number(cells) => Arc::new(cells.finish()),
            Self::Length(cells) => Arc::new(cells.finish()),
            Self::Day(cells) => Arc::new(cells.finish()),
        }
    }
}

impl ArrowRows {
    /// A stream with the columns of these fields.
    pub(super) fn new(fields: Fields) -> Self {
        let names = column_names(fields);
        let columns: Vec<ColumnBuilder> =
            names.iter().map(|name| ColumnBuilder::of(name)).collect();
        let of_type =
            |(name, column): (&&str, &ColumnBuilder)| Column::new(*name, column.data_type(), true);
        let schema: Vec<Column> = names.iter().zip(&columns).map(of_type).collect();
        let schema = Arc::new(Schema::new(schema));
        #[expect(clippy::expect_used, reason = "plain columns, into memory")]
        let stream = StreamWriter::try_new(Vec::new(), &schema).expect("a schema can be written");
        Self { schema, columns, rows: 0, stream }
    }

    /// Adds a masked event.
    pub(super) fn push(&mut self, login: &MaskedLogin) {
        let mut columns = self.columns.iter_mut();
        each_cell(login, |_, cell| {
            columns.next().into_iter().for_each(|column| column.push(&cell));
        });
        columns.for_each(ColumnBuilder::push_null);
        self.rows += 1;
    }

    /// Adds what a line was rejected for.
    pub(super) fn reject(&mut self, rejection: &Rejection) {
        let masked = self.columns.len() - 3;
        self.columns[..masked].iter_mut().for_each(ColumnBuilder::push_null);
        if let [reason, field, length] = &mut self.columns[masked..] {
            reason.push(&Cell::Text(rejection.reason.code()));
            field.push(&rejection.field.into());
            match (length, rejection.length) {
                (ColumnBuilder::Length(cells), Some(length)) => cells.append_value(length as i64),
                (column, _) => column.push_null(),
            }
        }
        self.rows += 1;
    }

    /// The bytes of the stream since the last time, with a batch of the rows that wait.
    pub(super) fn gather(&mut self, is_end: bool, into: &mut Vec<u8>) {
        #[expect(clippy::expect_used, reason = "columns of one length and of their types")]
        if self.rows > 0 {
            let cells = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), cells);
            self.stream.write(&batch.expect("they fit the schema")).expect("memory takes it");
            self.rows = 0;
        }
        #[expect(clippy::expect_used, reason = "memory takes what is written")]
        if is_end {
            self.stream.finish().expect("memory takes it");
        }
        into.append(self.stream.get_mut());
    }
}

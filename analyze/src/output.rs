//! Answers as text.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::csv;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::json::EncoderOptions;
use arrow::json::writer::{JsonArray, LineDelimited, Writer, WriterBuilder, make_encoder};
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;

use crate::error::Error;
use crate::session::Answer;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table for people, of at most this many rows.
    Table {
        /// The most rows; `None` for all. All that are shown are held in memory.
        rows: Option<usize>,
    },
    /// One JSON object per line. Nulls are written.
    Ndjson,
    /// One JSON array.
    Json,
    /// RFC 4180, with a header. Lists are JSON text.
    Csv,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Whether there were more.
    pub cut: bool,
}

/// Writes an answer. Times are RFC 3339 in UTC, numbers exact, bytes hexadecimal.
///
/// # Errors
/// If the query fails on the way, or the answer cannot be written.
pub fn write_answer(out: &mut impl Write, answer: Answer<'_>, format: Format) -> Result<Written, Error> {
    match format {
        Format::Table { rows } => write_table(out, answer, rows),
        Format::Ndjson => write_json(json_builder().build::<_, LineDelimited>(out), answer),
        Format::Json => {
            let mut out = out;
            let written = write_json(json_builder().build::<_, JsonArray>(&mut out), answer)?;
            writeln!(out).map_err(|source| Error::Write { source })?;
            Ok(written)
        }
        Format::Csv => write_csv(out, answer),
    }
}

fn json_builder() -> WriterBuilder {
    WriterBuilder::new().with_explicit_nulls(true)
}

fn write_json<W: Write, F: arrow::json::writer::JsonFormat>(
    mut writer: Writer<W, F>,
    answer: Answer<'_>,
) -> Result<Written, Error> {
    let mut rows = 0;
    for batch in answer {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        writer.write(&batch).map_err(|error| unwritten("JSON", error))?;
    }
    writer.finish().map_err(|error| unwritten("JSON", error))?;
    Ok(Written { rows, cut: false })
}

fn write_csv(out: &mut impl Write, answer: Answer<'_>) -> Result<Written, Error> {
    // Through memory, batch by batch: the CSV writer would hide why `out` refuses.
    let mut write = |batch: &RecordBatch, header: bool| {
        let mut text = Vec::new();
        let mut writer = csv::WriterBuilder::new().with_header(header).build(&mut text);
        flat(batch)
            .and_then(|batch| writer.write(&batch))
            .map_err(|error| unwritten("CSV", error))?;
        drop(writer);
        out.write_all(&text).map_err(|source| Error::Write { source })
    };
    let mut rows = 0;
    // Without rows there still is a header.
    write(&RecordBatch::new_empty(answer.schema().clone()), true)?;
    for batch in answer {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        write(&batch, false)?;
    }
    Ok(Written { rows, cut: false })
}

/// The batch with lists and the like as JSON text: CSV has no form of its own for them.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let options = EncoderOptions::default();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if !field.data_type().is_nested() {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
            continue;
        }
        let mut encoder = make_encoder(field, column, &options)?;
        let texts: StringArray = (0..column.len())
            .map(|row| {
                column.is_valid(row).then(|| {
                    let mut text = Vec::new();
                    encoder.encode(row, &mut text);
                    String::from_utf8_lossy(&text).into_owned()
                })
            })
            .collect();
        fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
        columns.push(Arc::new(texts));
    }
    RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        columns,
        &RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
    )
}

fn write_table(out: &mut impl Write, answer: Answer<'_>, limit: Option<usize>) -> Result<Written, Error> {
    let schema = answer.schema().clone();
    let mut batches = vec![RecordBatch::new_empty(schema)];
    let (mut rows, mut cut) = (0, false);
    for batch in answer {
        let batch = batch?;
        let left = limit.map_or(batch.num_rows(), |limit| limit - rows);
        cut = batch.num_rows() > left;
        let shown = batch.slice(0, batch.num_rows().min(left));
        rows += shown.num_rows();
        batches.push(shown);
        if cut {
            break;
        }
    }
    let options = FormatOptions::new().with_display_error(false);
    let table = pretty_format_batches_with_options(&batches, &options)
        .map_err(|error| unwritten("a table", error))?;
    writeln!(out, "{table}").map_err(|source| Error::Write { source })?;
    Ok(Written {
        rows: rows as u64,
        cut,
    })
}

fn unwritten(format: &'static str, error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, source) => Error::Write { source },
        ArrowError::ExternalError(inner) if inner.is::<io::Error>() => match inner.downcast() {
            Ok(source) => Error::Write { source: *source },
            Err(inner) => Error::Format {
                format,
                message: inner.to_string(),
            },
        },
        other => Error::Format {
            format,
            message: other.to_string(),
        },
    }
}

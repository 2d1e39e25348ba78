//! Rows of tables as JSON, one a line. What is null is left out.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::reader::Decoder;
use arrow::json::{LineDelimitedWriter, ReaderBuilder};

/// The rows, each with the end of its line.
pub(super) fn to_json(rows: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(rows)?;
    writer.finish()?;
    Ok(writer.into_inner())
}

/// Rows that are being read.
pub(super) struct RowReader {
    schema: SchemaRef,
    decoder: Decoder,
    /// Kept to find the faulty one: its number and JSON.
    lines: Vec<(u64, Vec<u8>)>,
}

impl RowReader {
    /// For at most so many rows.
    pub(super) fn new(schema: SchemaRef, most: usize) -> Result<Self, ArrowError> {
        Ok(Self {
            decoder: decoder(&schema, most)?,
            schema,
            lines: Vec::new(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Takes the JSON of a line. Only its shape is looked at now.
    pub(super) fn push(&mut self, line: u64, json: Vec<u8>) -> Result<(), String> {
        let read = self.decoder.decode(&json).map_err(|error| error.to_string())?;
        let rows = self.lines.len() + 1;
        if read < json.len() || self.decoder.has_partial_record() || self.decoder.len() != rows {
            return Err("this is not one JSON object".to_owned());
        }
        self.lines.push((line, json));
        Ok(())
    }

    /// The rows. If they do not fit the columns, the number of the first line that does not is told.
    pub(super) fn finish(mut self) -> Result<Option<RecordBatch>, (u64, String)> {
        let error = match self.decoder.flush() {
            Ok(rows) => return Ok(rows),
            Err(error) => error,
        };
        for (line, json) in &self.lines {
            let alone = decoder(&self.schema, 1).and_then(|mut decoder| {
                decoder.decode(json)?;
                decoder.flush()
            });
            if let Err(error) = alone {
                return Err((*line, error.to_string()));
            }
        }
        Err((self.lines.first().map_or(0, |(line, _)| *line), error.to_string()))
    }
}

fn decoder(schema: &SchemaRef, most: usize) -> Result<Decoder, ArrowError> {
    ReaderBuilder::new(SchemaRef::clone(schema))
        .with_batch_size(most)
        .with_strict_mode(true)
        .build_decoder()
}

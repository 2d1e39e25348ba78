//! From a capture to a text.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use detectors_api::json::{self, Flavour, MAX_LINE};

use super::head::Head;
use super::{Rows, columns, rows};
use crate::manifest::FORMAT;
use crate::{CaptureReader, Entry, Error, Loss, State, files, loss_schema};

impl CaptureReader {
    /// Writes the capture as a text. The same capture gives the same bytes.
    ///
    /// # Errors
    /// If the capture is still being recorded, cannot be read or holds what a text cannot hold, or `out` fails.
    pub fn write_text(&self, out: impl Write) -> Result<(), Error> {
        if self.state() == State::Open {
            return Err(Error::BeingRecorded {
                path: self.path().to_owned(),
            });
        }
        if let Some((table, rows)) = self.unknown_tables().into_iter().next() {
            return Err(self.no_text(format!("{rows} rows of table {table} are of a newer version")));
        }
        let manifest = self.manifest();
        let head = Head {
            format: FORMAT.to_owned(),
            recording: manifest.header.clone(),
            state: manifest.state,
            totals: Some(manifest.totals),
        };
        let head = head.to_yaml().map_err(|error| self.no_text(error.to_string()))?;
        let mut writer = TextWriter {
            reader: self,
            out: BufWriter::new(out),
            columns: BTreeMap::from([(Rows::Loss, loss_schema().clone())]),
            line: Vec::new(),
        };
        writer.raw(head.as_bytes())?;
        for entry in self.entries()? {
            writer.entry(entry?)?;
        }
        writer.raw(b"end\n")?;
        writer.out.flush().map_err(|error| writer.failed(error))
    }

    /// [`write_text`](Self::write_text) into a new file that only its owner can read, which has its name when it is complete.
    /// One that is there is replaced if `overwrite` is set.
    ///
    /// # Errors
    /// As [`write_text`](Self::write_text), and if there is something already.
    pub fn write_text_to(&self, target: &Path, overwrite: bool) -> Result<(), Error> {
        files::create_whole(target, overwrite, |file| self.write_text(file))
    }

    fn no_text(&self, reason: String) -> Error {
        Error::NoText {
            path: self.path().to_owned(),
            reason,
        }
    }
}

struct TextWriter<'a, W: Write> {
    reader: &'a CaptureReader,
    out: BufWriter<W>,
    /// What has been told last of each table.
    columns: BTreeMap<Rows, SchemaRef>,
    /// Reused from event to event.
    line: Vec<u8>,
}

impl<W: Write> TextWriter<'_, W> {
    fn entry(&mut self, entry: Entry) -> Result<(), Error> {
        match entry {
            Entry::Beginning(beginning) => {
                for (store, frame) in beginning.frames {
                    self.rows(Rows::Keyframe(store), Some(beginning.seq), &frame)?;
                }
                for input in beginning.inputs {
                    self.rows(Rows::Input(input.store), Some(input.seq), &input.rows)?;
                }
                Ok(())
            }
            Entry::Input(input) => self.rows(Rows::Input(input.store), Some(input.seq), &input.rows),
            Entry::Event { seq, event } => {
                let mut line = std::mem::take(&mut self.line);
                line.clear();
                line.extend_from_slice(format!("event {seq} ").as_bytes());
                json::write_line(&event, Flavour::Extended, &mut line);
                self.bounded(&line)?;
                self.line = line;
                Ok(())
            }
            Entry::Loss(loss) => self.rows(Rows::Loss, None, &Loss::to_batch(&[loss])),
            Entry::Detections(rows) => self.rows(Rows::Detections, None, &rows),
        }
    }

    fn rows(&mut self, table: Rows, seq: Option<u64>, rows: &RecordBatch) -> Result<(), Error> {
        let schema = rows.schema();
        if self
            .columns
            .get(&table)
            .is_none_or(|told| told.fields() != schema.fields())
        {
            let columns = columns::describe(&schema).map_err(|column| {
                self.reader.no_text(format!(
                    "table {} has {column}, and a text has no such",
                    table.table()
                ))
            })?;
            self.raw(format!("columns {table}: {columns}\n").as_bytes())?;
            self.columns.insert(table.clone(), schema);
        }
        let start = match seq {
            Some(seq) => format!("{table} {seq} "),
            None => format!("{table} "),
        };
        let text = rows::to_json(rows).map_err(Error::table(table.table()))?;
        for row in text.split_inclusive(|byte| *byte == b'\n') {
            self.bounded(&[start.as_bytes(), row].concat())?;
        }
        Ok(())
    }

    /// Writes a line, unless no reader would take it.
    fn bounded(&mut self, line: &[u8]) -> Result<(), Error> {
        if line.len() > MAX_LINE {
            return Err(self
                .reader
                .no_text(format!("a line of {} bytes would be too long", line.len())));
        }
        self.raw(line)
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("write the text of", self.reader.path())(error)
    }
}

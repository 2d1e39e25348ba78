//! From a text to a capture.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use detectors_api::event::RecordedEvent;
use detectors_api::json;
use detectors_stores::Input;
use rayon::prelude::*;
use serde_json::{Map, Value};

use super::head::{self, Head};
use super::rows::RowReader;
use super::{Rows, columns};
use crate::import::CHUNK;
use crate::manifest::check_version;
use crate::part::ROW_GROUP_ROWS;
use crate::records::{CutLine, Lines};
use crate::{
    Beginning, CaptureReader, CaptureWriter, Entry, Error, JournalPolicy, Loss, State, Table, Temporary,
    WriterOptions, loss_schema,
};

/// Bytes of the longest head.
const MAX_HEAD: usize = 128 << 20;

/// JSON of rows that become a batch, in bytes.
const MAX_ROWS: usize = 64 << 20;

impl CaptureReader {
    /// Makes a capture of a text, in a place that is removed with the last clone of the reader, and opens it. It is called what
    /// `place` is called.
    ///
    /// # Errors
    /// If the source is no such text, or only a part of one, or the place cannot be written.
    pub fn open_text(mut source: impl BufRead, place: Temporary) -> Result<Self, Error> {
        let name = place.name().to_owned();
        let mut lines = Lines::new(&mut source);
        let head = read_head(&name, &mut lines)?;
        let options = WriterOptions {
            // A text without an end becomes no capture at all; the journal is what keeps one from being complete.
            journal: match head.state {
                State::Closed => JournalPolicy::Off,
                State::Open | State::Truncated => JournalPolicy::NoSync,
            },
            ..WriterOptions::default()
        };
        let writer = CaptureWriter::create(place.path(), head.recording, options)?;
        let mut assembly = Assembly {
            name,
            writer,
            columns: BTreeMap::from([(Rows::Loss, SchemaRef::clone(loss_schema()))]),
            beginning: None,
            begun: false,
            group: None,
            ended: false,
        };
        while let Some(chunk) = lines.chunk(CHUNK) {
            let parsed: Vec<_> = chunk.into_par_iter().map(Statement::parse).collect();
            for (line, statement) in parsed {
                assembly.take(line, statement)?;
            }
        }
        if !assembly.ended {
            let line = lines.number() + 1;
            return Err(assembly.fault(line, "the text breaks off here: it has no line `end`".to_owned()));
        }
        assembly.writer.flush()?;
        let found = assembly.writer.manifest().totals;
        if let Some(told) = head.totals.filter(|told| *told != found) {
            let reason =
                format!("the totals of what follows are not those of the head: {found:?}, not {told:?}");
            return Err(assembly.fault(1, reason));
        }
        if head.state == State::Closed {
            assembly.writer.finish()?;
        } else {
            // What a recorder leaves that does not come to its end.
            drop(assembly.writer);
        }
        Self::open_temporary_text(place)
    }
}

fn read_head(name: &Path, lines: &mut Lines<'_>) -> Result<Head, Error> {
    let fault = |line, reason: &str| Error::Text {
        file: name.to_owned(),
        line,
        reason: reason.to_owned(),
    };
    let mut head = Vec::new();
    let mut bytes = 0;
    while let Some(CutLine { number, text }) = lines.line() {
        let text = text
            .and_then(|text| String::from_utf8(text).map_err(|error| error.to_string()))
            .map_err(|reason| fault(number, &reason))?;
        let text = text.trim_ascii_end();
        if number == 1 && !text.starts_with(head::MAGIC) {
            return Err(fault(
                1,
                &format!("a capture as a text begins with `{}`", head::MAGIC.trim_end()),
            ));
        }
        if text == head::END {
            let head = Head::parse(&head).map_err(|error| fault(error.line, &error.reason))?;
            check_version(name, &head.format)?;
            return Ok(head);
        }
        bytes += text.len();
        if bytes > MAX_HEAD {
            return Err(fault(number, "the head is too long"));
        }
        if !is_comment(text.as_bytes()) {
            head.push((number, text.to_owned()));
        }
    }
    let line = lines.number() + 1;
    Err(fault(
        line,
        &format!("the text breaks off here: the head has no line `{}`", head::END),
    ))
}

fn is_comment(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.is_empty() || line.starts_with(b"#")
}

/// What a line says.
enum Statement {
    Nothing,
    Columns(Rows, SchemaRef),
    Row {
        table: Rows,
        seq: Option<u64>,
        json: Vec<u8>,
    },
    Event {
        seq: Option<u64>,
        event: Box<RecordedEvent>,
    },
    End,
}

impl Statement {
    fn parse(line: CutLine) -> (u64, Result<Self, String>) {
        let statement = line.text.and_then(|text| Self::of(text.trim_ascii()));
        (line.number, statement)
    }

    fn of(line: &[u8]) -> Result<Self, String> {
        if is_comment(line) {
            return Ok(Self::Nothing);
        }
        let (word, rest) = word(line);
        match word {
            "event" => {
                let (seq, json) = match rest.starts_with(b"{") {
                    true => (None, rest),
                    false => {
                        let (seq, json) = number(rest)?;
                        (Some(seq), json)
                    }
                };
                match json::read_line(json).map_err(|error| error.to_string())? {
                    json::Line::Event(event) => Ok(Self::Event { seq, event }),
                    json::Line::Log => Err("this is a line of a logger, and no event".to_owned()),
                }
            }
            "columns" => {
                let text = std::str::from_utf8(rest).map_err(|error| error.to_string())?;
                let (table, text) = text.split_once(": ").ok_or("there is no `: ` after the table")?;
                let (table, rest) = Self::table(table.as_bytes())?;
                match rest.is_empty() && table != Rows::Loss {
                    true => Ok(Self::Columns(table, columns::parse(text)?)),
                    false => {
                        Err("columns are those of `input STORE`, `keyframe STORE` or `detection`".to_owned())
                    }
                }
            }
            "end" if rest.is_empty() => Ok(Self::End),
            _ => {
                let (table, rest) = Self::table(line)?;
                let (seq, json) = match table {
                    Rows::Keyframe(_) | Rows::Input(_) => {
                        let (seq, json) = number(rest)?;
                        (Some(seq), json)
                    }
                    Rows::Loss | Rows::Detections => (None, rest),
                };
                // That it is one object, and nested no deeper than recursion can go.
                serde_json::from_slice::<Map<String, Value>>(json).map_err(|error| error.to_string())?;
                Ok(Self::Row {
                    table,
                    seq,
                    json: json.to_owned(),
                })
            }
        }
    }

    /// The table that a line names, and what follows.
    fn table(line: &[u8]) -> Result<(Rows, &[u8]), String> {
        let (first, rest) = word(line);
        let (table, rest) = match first {
            "loss" => (Rows::Loss, rest),
            "detection" => (Rows::Detections, rest),
            "input" | "keyframe" => {
                let (store, rest) = word(rest);
                let table = match first {
                    "input" => Rows::Input(store.to_owned()),
                    _ => Rows::Keyframe(store.to_owned()),
                };
                (table, rest)
            }
            _ => {
                return Err("a line begins with `event`, `input`, `keyframe`, `columns`, `loss`, `detection` or `end`"
                    .to_owned());
            }
        };
        match table.table().to_string().parse::<Table>() {
            Ok(Table::Unknown(name)) => Err(format!("this version knows no table {name}")),
            Ok(_) => Ok((table, rest)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The first word, if it is text, and what follows.
fn word(line: &[u8]) -> (&str, &[u8]) {
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (
        std::str::from_utf8(word).unwrap_or_default(),
        rest.trim_ascii_start(),
    )
}

fn number(line: &[u8]) -> Result<(u64, &[u8]), String> {
    let (number, rest) = word(line);
    let number = number
        .parse()
        .map_err(|_| format!("`{}` is no sequence number", number.escape_debug()))?;
    Ok((number, rest))
}

/// A capture that is being made of a text.
struct Assembly {
    name: PathBuf,
    writer: CaptureWriter,
    columns: BTreeMap<Rows, SchemaRef>,
    beginning: Option<Beginning>,
    /// Whether there was something that comes after a beginning.
    begun: bool,
    group: Option<Group>,
    ended: bool,
}

/// Rows that become a batch.
struct Group {
    table: Rows,
    seq: Option<u64>,
    rows: RowReader,
    line: u64,
    bytes: usize,
}

impl Assembly {
    fn take(&mut self, line: u64, statement: Result<Statement, String>) -> Result<(), Error> {
        let statement = statement.map_err(|reason| self.fault(line, reason))?;
        if matches!(statement, Statement::Nothing) {
            return Ok(());
        }
        if self.ended {
            return Err(self.fault(line, "something follows the line `end`".to_owned()));
        }
        match statement {
            Statement::Nothing => Ok(()),
            Statement::Columns(table, columns) => {
                self.finish_group()?;
                self.columns.insert(table, columns);
                Ok(())
            }
            Statement::Row { table, seq, json } => self.row(line, table, seq, json),
            Statement::Event { seq, event } => {
                self.finish_group()?;
                self.finish_beginning(line)?;
                let seq = seq.unwrap_or_else(|| self.writer.next_seq());
                self.write(line, Entry::Event { seq, event })
            }
            Statement::End => {
                self.finish_group()?;
                self.finish_beginning(line)?;
                self.ended = true;
                Ok(())
            }
        }
    }

    fn row(&mut self, line: u64, table: Rows, seq: Option<u64>, json: Vec<u8>) -> Result<(), Error> {
        let is_next = |group: &Group| {
            let is_full = group.rows.len() >= ROW_GROUP_ROWS || group.bytes + json.len() > MAX_ROWS;
            group.table == table && group.seq == seq && !is_full
        };
        if !self.group.as_ref().is_some_and(is_next) {
            self.finish_group()?;
        }
        let mut group = match self.group.take() {
            Some(group) => group,
            None => {
                let schema = self.columns.get(&table).ok_or_else(|| {
                    self.fault(line, format!("there is no line `columns {table}: …` before"))
                })?;
                let rows = RowReader::new(SchemaRef::clone(schema), ROW_GROUP_ROWS);
                Group {
                    rows: rows.map_err(Error::table(table.table()))?,
                    table,
                    seq,
                    line,
                    bytes: 0,
                }
            }
        };
        group.bytes += json.len();
        group
            .rows
            .push(line, json)
            .map_err(|reason| self.fault(line, reason))?;
        self.group = Some(group);
        Ok(())
    }

    fn finish_group(&mut self) -> Result<(), Error> {
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        let rows = group
            .rows
            .finish()
            .map_err(|(line, reason)| self.fault(line, reason))?;
        let Some(rows) = rows else { return Ok(()) };
        let (line, seq) = (group.line, group.seq.unwrap_or_default());
        match group.table {
            Rows::Keyframe(store) => return self.keyframe(line, store, seq, &rows),
            Rows::Input(store) => {
                let input = Input { store, seq, rows };
                match &mut self.beginning {
                    Some(beginning) if seq < beginning.seq => beginning.inputs.push(input),
                    _ => {
                        self.finish_beginning(line)?;
                        self.write(line, Entry::Input(input))?;
                    }
                }
            }
            Rows::Loss => {
                self.finish_beginning(line)?;
                for loss in Loss::from_batch(&rows) {
                    self.write(line, Entry::Loss(loss))?;
                }
            }
            Rows::Detections => {
                self.finish_beginning(line)?;
                self.write(line, Entry::Detections(rows))?;
            }
        }
        Ok(())
    }

    fn keyframe(&mut self, line: u64, store: String, seq: u64, rows: &RecordBatch) -> Result<(), Error> {
        if self.begun {
            return Err(self.fault(line, "a keyframe comes before everything else".to_owned()));
        }
        let beginning = self.beginning.get_or_insert_with(|| Beginning {
            seq,
            frames: Vec::new(),
            inputs: Vec::new(),
        });
        if beginning.seq != seq {
            let reason = format!(
                "there is a keyframe of the events before {} already",
                beginning.seq
            );
            return Err(self.fault(line, reason));
        }
        match beginning.frames.iter_mut().find(|(name, _)| *name == store) {
            None => beginning.frames.push((store, rows.clone())),
            Some((_, frame)) => {
                *frame = arrow::compute::concat_batches(&frame.schema(), [&*frame, rows])
                    .map_err(Error::table(Table::Keyframe(store)))?;
            }
        }
        Ok(())
    }

    fn finish_beginning(&mut self, line: u64) -> Result<(), Error> {
        self.begun = true;
        match self.beginning.take() {
            Some(beginning) => self.write(line, Entry::Beginning(beginning)),
            None => Ok(()),
        }
    }

    fn write(&mut self, line: u64, entry: Entry) -> Result<(), Error> {
        let written = self.writer.write_entry(entry);
        written.map_err(|error| match error.is_bad_input() {
            true => self.fault(line, error.explain()),
            false => error,
        })
    }

    fn fault(&self, line: u64, reason: String) -> Error {
        Error::Text {
            file: self.name.clone(),
            line,
            reason,
        }
    }
}

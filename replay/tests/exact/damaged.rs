//! Captures of which a stretch cannot be read.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};

use capture::{CaptureReader, Table};
use detectors_api::columns::{SEQ, layout};
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::recordings::Drawn;

/// A stretch of a file that can be damaged.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The event type; none, for the processes that events refer to.
    pub(crate) event_type: Option<&'static str>,
    /// The column of a row group; none, for the footer of the file.
    pub(crate) column: Option<String>,
    /// The numbers of the events that the row group, or the file, holds or speaks of.
    pub(crate) seqs: BTreeSet<u64>,
    file: PathBuf,
    bytes: Range<usize>,
}

impl Place {
    /// Whether no event can be read without it.
    pub(crate) fn is_needed_by_all(&self) -> bool {
        self.event_type.is_some() && self.column.as_deref().is_none_or(|column| column == SEQ)
    }

    /// Changes one bit of a byte of it, which may make it unreadable, or one of its values, or another value.
    pub(crate) fn flip(&self, byte: usize, bit: u32) {
        let mut bytes = fs::read(&self.file).expect("the file is there");
        bytes[self.bytes.start + byte % self.bytes.len()] ^= 1 << bit;
        fs::write(&self.file, bytes).expect("it is ours");
    }

    /// Makes it unreadable.
    pub(crate) fn damage(&self) {
        let mut bytes = fs::read(&self.file).expect("the file is there");
        // No page begins so, and no footer.
        bytes[self.bytes.clone()].fill(0xff);
        fs::write(&self.file, bytes).expect("it is ours");
    }
}

/// All places of a capture that hold events or their processes.
pub(crate) fn places(reader: &CaptureReader, drawn: &Drawn) -> Vec<Place> {
    let mut places = Vec::new();
    for table in reader.tables() {
        let event_type = match table {
            Table::Events(name) => Some(name),
            Table::Process => None,
            _ => continue,
        };
        for part in reader.parts(&table) {
            let segment = &reader.segments()[part.segment as usize];
            let Some(range) = segment.seq else { continue };
            let is_here = |seq: u64, name: &str| {
                (range.first..=range.last).contains(&seq)
                    && event_type.is_none_or(|event_type| layout(name).name() == event_type)
            };
            let events = drawn.events.iter();
            let here = events.filter(|(seq, event)| is_here(*seq, &event.event.name));
            let seqs: Vec<u64> = here.map(|(seq, _)| *seq).collect();
            add(&mut places, event_type, &reader.part_path(part), &seqs);
        }
    }
    places
}

fn add(places: &mut Vec<Place>, event_type: Option<&'static str>, file: &Path, seqs: &[u64]) {
    let opened =
        SerializedFileReader::new(File::open(file).expect("the file is there")).expect("it is whole");
    let length = fs::metadata(file).expect("the file is there").len() as usize;
    places.push(Place {
        event_type,
        column: None,
        seqs: seqs.iter().copied().collect(),
        file: file.to_owned(),
        // The length of the footer and the magic number come last.
        bytes: length - 40..length - 8,
    });
    let mut rest = seqs;
    for row_group in opened.metadata().row_groups() {
        let here = match event_type {
            Some(_) => rest
                .split_off(..row_group.num_rows() as usize)
                .expect("an event for every row"),
            None => rest,
        };
        for chunk in row_group.columns() {
            let (start, length) = chunk.byte_range();
            places.push(Place {
                event_type,
                column: Some(chunk.column_path().string()),
                seqs: here.iter().copied().collect(),
                file: file.to_owned(),
                bytes: start as usize..(start + length) as usize,
            });
        }
    }
}

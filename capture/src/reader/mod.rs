//! Reading a capture. Nothing in it is trusted.

mod bloom;
mod chunks;
mod contexts;
mod decode;
mod detections;
mod entries;
mod facts;
mod footer;
mod merge;
mod pack;
mod range;
mod scan;
mod sparse;
mod statistics;
mod stores;
mod task;
mod verify;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use detectors_api::columns::layout;
use detectors_api::event::{Contexts, EventBatch, context_schema};

pub use detections::DetectionsFile;
pub use entries::Entries;
pub use merge::Events;
pub use scan::{Scan, ScanBatches, ScanPart};
pub use task::{ScanTask, TaskBatches};
pub use verify::{Fault, Verification};

use crate::journal::{self, Cut, Replayed};
use crate::manifest::{Manifest, Part, SeqRange, State, TimeRange};
use crate::part::ROW_GROUP_ROWS;
use crate::volume::{Form, Stretch, Temporary, Volume};
use crate::{Error, Loss, Table, loss_schema, text};
use contexts::ContextCache;
use decode::{ParquetFile, ipc_batches, select};

/// Reads a capture: complete, being recorded, or left behind by a recorder that died. Cheap to clone.
///
/// A reader sees the capture as it was when it was opened.
#[derive(Clone, Debug)]
pub struct CaptureReader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    volume: Volume,
    manifest: Manifest,
    state: State,
    cut: Option<Cut>,
    segments: Vec<Segment>,
    /// Segments that are not yet Parquet, by number.
    journal: BTreeMap<u32, JournalSegment>,
    contexts: ContextCache,
}

/// A segment of a capture: a stretch of sequence numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number.
    pub number: u32,
    /// Number of events.
    pub events: u64,
    /// Sequence numbers of its events, if it has any.
    pub seq: Option<SeqRange>,
    /// Whether it is still in the journal.
    pub in_journal: bool,
}

/// A segment in memory.
#[derive(Debug, Default)]
struct JournalSegment {
    tables: BTreeMap<Table, Vec<RecordBatch>>,
    contexts: Contexts,
    events: BTreeMap<&'static str, Vec<EventBatch>>,
}

impl CaptureReader {
    /// Opens the capture at `path`: a directory, a pack, or a [`text`].
    ///
    /// # Errors
    /// If it is no capture, has a format that is too new, contradicts itself, or its journal holds what no recorder writes;
    /// and if a pack is damaged or holds what the manifest does not list. Parquet files are opened when they are read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        // What is not there has a message of its own.
        if path.exists() && text::is_text(path)? {
            let file = File::open(path).map_err(Error::io("open", path))?;
            return Self::open_text(BufReader::new(file), Temporary::new(path)?);
        }
        Self::of(&Volume::open(path)?)
    }

    /// Opens a capture that is removed with the last clone of the reader.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_temporary(capture: Temporary) -> Result<Self, Error> {
        Self::of(&Volume::temporary(capture, Form::Temporary)?)
    }

    pub(crate) fn open_temporary_text(capture: Temporary) -> Result<Self, Error> {
        Self::of(&Volume::temporary(capture, Form::Text)?)
    }

    /// Opens a pack that comes as a stream, which is called `name` in messages. It is kept in a temporary file without a name.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if the stream cannot be read or kept.
    pub fn open_stream(stream: impl Read, name: impl AsRef<Path>) -> Result<Self, Error> {
        Self::of(&Volume::stream(stream, name.as_ref())?)
    }

    fn of(volume: &Volume) -> Result<Self, Error> {
        let mut manifest = Manifest::read(volume)?;
        if volume.form() == Form::Pack {
            let inner = Inner::open(volume, manifest)?;
            return inner.without_unlisted().map(|inner| Self {
                inner: Arc::new(inner),
            });
        }
        loop {
            let opened = Inner::open(volume, manifest.clone());
            // A recorder may have made Parquet of the journal while it was being read.
            let now = Manifest::read(volume)?;
            if (now.segments, now.state) == (manifest.segments, manifest.state) {
                return Ok(Self {
                    inner: Arc::new(opened?),
                });
            }
            manifest = now;
        }
    }

    /// Where the capture is: its directory, its pack, or what it was imported from.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.inner.volume.name()
    }

    /// The form that the capture has.
    #[must_use]
    pub fn form(&self) -> Form {
        self.inner.volume.form()
    }

    /// The manifest, with what the journal holds counted in, and the state as [`state`](Self::state) has it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// Whether the capture is complete.
    #[must_use]
    pub fn state(&self) -> State {
        self.inner.state
    }

    /// What of the journal was cut off, because the recorder died while writing it.
    #[must_use]
    pub fn cut(&self) -> Option<&Cut> {
        self.inner.cut.as_ref()
    }

    /// The event types that the capture has, sorted: catalogue names and [`OTHER`](detectors_api::columns::OTHER).
    #[must_use]
    pub fn event_types(&self) -> Vec<&'static str> {
        self.tables()
            .into_iter()
            .filter_map(|table| match table {
                Table::Events(name) => Some(name),
                _ => None,
            })
            .collect()
    }

    /// The tables that the capture has, sorted.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let parts = self.inner.manifest.parts.iter().map(|part| &part.table);
        let journal = self
            .inner
            .journal
            .values()
            .flat_map(|segment| segment.tables.keys());
        let mut tables: Vec<_> = parts.chain(journal).cloned().collect();
        tables.sort();
        tables.dedup();
        tables
    }

    /// The segments in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.inner.segments
    }

    /// Stretches of sequence numbers that together have all events of `seq`, in order. They end where segments end, so that few
    /// row groups are cut, and are of `step` numbers, or of more where numbers are sparse.
    pub fn windows(&self, seq: RangeInclusive<u64>, step: u64) -> impl Iterator<Item = RangeInclusive<u64>> {
        let step = step.max(1);
        self.segments().iter().flat_map(move |segment| {
            let span = segment.seq.map(|found| {
                let (first, last) = (found.first.max(*seq.start()), found.last.min(*seq.end()));
                // A few events that are far apart, as only a forged capture has them, are not searched for step by step.
                let windows = (segment.events / step).saturating_mul(2).saturating_add(1);
                (
                    first,
                    last,
                    step.max(found.last.saturating_sub(found.first) / windows),
                )
            });
            span.into_iter().flat_map(|(first, last, step)| {
                let starts = std::iter::successors(Some(first), move |start| start.checked_add(step));
                starts
                    .take_while(move |start| *start <= last)
                    .map(move |start| start..=last.min(start.saturating_add(step - 1)))
            })
        })
    }

    /// The files of a table, in order of their segments; for readers of their own, next to
    /// [`journal_batches`](Self::journal_batches).
    pub fn parts<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = &'a Part> {
        self.inner
            .manifest
            .parts
            .iter()
            .filter(move |part| part.table == *table)
    }

    /// What a part is called in messages: where it lies, if the capture is a directory.
    #[must_use]
    pub fn part_path(&self, part: &Part) -> PathBuf {
        self.inner.volume.file_name(&part.path)
    }

    /// Opens a part for a reader of its own. Nothing has been checked but its place.
    ///
    /// # Errors
    /// If it is missing, lies outside of the capture, or cannot be opened.
    pub fn part_file(&self, part: &Part) -> Result<Stretch, Error> {
        self.inner.volume.file(&part.path)
    }

    /// The rows of a table that are not yet in a file, with the number of their segment.
    pub fn journal_batches<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = (u32, &'a RecordBatch)> {
        self.inner.journal.iter().flat_map(move |(number, segment)| {
            let batches = segment.tables.get(table).into_iter().flatten();
            batches.map(move |batch| (*number, batch))
        })
    }

    /// The process contexts of a segment.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn contexts(&self, segment: u32) -> Result<Contexts, Error> {
        self.inner.contexts(segment)
    }

    /// A scan over the events of one type: all columns, all events, unless told otherwise.
    #[must_use]
    pub fn scan(&self, event_type: &str) -> Scan {
        Scan::new(Arc::clone(&self.inner), layout(event_type).name())
    }

    /// All events in the order of their sequence numbers.
    ///
    /// # Errors
    /// If a file cannot be opened.
    pub fn events(&self) -> Result<Events, Error> {
        self.events_from(0..=u64::MAX)
    }

    /// The events of a range of sequence numbers, in order.
    ///
    /// # Errors
    /// If a file cannot be opened.
    pub fn events_from(&self, seq: RangeInclusive<u64>) -> Result<Events, Error> {
        self.events_of(&self.event_types(), seq)
    }

    /// The events of some types and a range of sequence numbers, in order.
    ///
    /// # Errors
    /// If a file cannot be opened.
    pub fn events_of(&self, event_types: &[&str], seq: RangeInclusive<u64>) -> Result<Events, Error> {
        let scans = event_types
            .iter()
            .map(|name| self.scan(name).seq_range(seq.clone()));
        Events::new(scans.collect())
    }

    /// What was lost, in the order in which it was noted.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn losses(&self) -> Result<Vec<Loss>, Error> {
        let mut losses = Vec::new();
        for batch in self.inner.table(&Table::Loss)? {
            losses.extend(Loss::from_batch(&select(self.path(), &batch, loss_schema())?));
        }
        Ok(losses)
    }

    /// What was detected while recording.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn detections(&self) -> Result<Vec<RecordBatch>, Error> {
        self.inner.table(&Table::Detections)
    }

    /// Tables that this version does not know, with their numbers of rows: those of a newer version, and events of types that
    /// are not in this version's catalogue. Nothing else of this reader gives them.
    #[must_use]
    pub fn unknown_tables(&self) -> BTreeMap<String, u64> {
        let mut unknown = BTreeMap::new();
        for part in &self.inner.manifest.parts {
            if let Table::Unknown(name) = &part.table {
                *unknown.entry(name.clone()).or_default() += part.rows;
            }
        }
        unknown
    }
}

impl Inner {
    fn open(volume: &Volume, mut manifest: Manifest) -> Result<Self, Error> {
        let mut segments: Vec<_> = (0..manifest.segments)
            .map(|number| Segment {
                number,
                events: 0,
                seq: None,
                in_journal: false,
            })
            .collect();
        for part in &manifest.parts {
            if let (Table::Events(_), Some(seq), Some(segment)) =
                (&part.table, part.seq, segments.get_mut(part.segment as usize))
            {
                segment.add(part.rows, seq);
            }
        }
        let mut journal = BTreeMap::new();
        let mut cut = None;
        let state = match manifest.state {
            State::Open if volume.is_being_recorded() => State::Open,
            State::Open => State::Truncated,
            state => state,
        };
        if manifest.state == State::Open {
            let mut number = manifest.segments;
            while let Some(replayed) = journal::replay(volume, number)? {
                let file = volume.file_name(&journal::journal_path(number));
                let segment = JournalSegment::decode(&file, &replayed, &mut manifest)?;
                segments.push(segment.describe(number));
                journal.insert(number, segment);
                // A frame that is being written is no loss.
                cut = cut.or(replayed.cut.filter(|_| state == State::Truncated));
                number += 1;
            }
        }
        let mut before: Option<SeqRange> = None;
        for seq in segments.iter().filter_map(|segment| segment.seq) {
            if let Some(before) = before.filter(|before| before.last >= seq.first) {
                return Err(Error::Order {
                    file: volume.file_name(crate::MANIFEST),
                    before: before.last,
                    seq: seq.first,
                });
            }
            before = Some(seq);
        }
        manifest.state = state;
        Ok(Self {
            volume: volume.clone(),
            manifest,
            state,
            cut,
            segments,
            journal,
            contexts: ContextCache::default(),
        })
    }

    /// A pack that holds more than the manifest lists was not made from this capture.
    fn without_unlisted(self) -> Result<Self, Error> {
        let unlisted = self.unlisted().map_err(Error::io("read", self.volume.name()))?;
        match unlisted.into_iter().next() {
            None => Ok(self),
            Some(entry) => Err(Error::Unlisted {
                pack: self.volume.name().to_owned(),
                entry,
            }),
        }
    }

    /// All rows of a table that is not large.
    fn table(&self, table: &Table) -> Result<Vec<RecordBatch>, Error> {
        let mut batches = Vec::new();
        for part in self.manifest.parts.iter().filter(|part| part.table == *table) {
            batches.extend(self.part(part, None)?);
        }
        for segment in self.journal.values() {
            batches.extend(segment.tables.get(table).into_iter().flatten().cloned());
        }
        Ok(batches)
    }

    /// These columns of a part, or all.
    fn part(&self, part: &Part, columns: Option<&Arc<[String]>>) -> Result<Vec<RecordBatch>, Error> {
        let file = ParquetFile::open(&self.volume, part, false)?;
        let mut batches = Vec::new();
        for row_group in 0..file.row_groups() {
            for batch in file.batches(row_group, columns.cloned(), None, ROW_GROUP_ROWS)? {
                batches.push(batch?);
            }
        }
        Ok(batches)
    }
}

impl Segment {
    fn add(&mut self, events: u64, seq: SeqRange) {
        self.events = self.events.saturating_add(events);
        self.seq = Some(self.seq.map_or(seq, |all| all.join(seq)));
    }
}

impl JournalSegment {
    /// Decodes what was replayed, and counts it in `manifest`.
    fn decode(file: &Path, replayed: &Replayed, manifest: &mut Manifest) -> Result<Self, Error> {
        let broken = |reason: String| Error::Journal {
            file: file.to_owned(),
            offset: 0,
            reason,
        };
        let rows = Error::rows(file, None);
        let mut segment = Self::default();
        for (table, stream) in &replayed.streams {
            let batches = ipc_batches(stream).map_err(|reason| broken(format!("table {table}: {reason}")))?;
            segment.tables.insert(table.clone(), batches);
        }
        for batch in segment.tables.get(&Table::Process).into_iter().flatten() {
            let batch = select(file, batch, context_schema())?;
            segment.contexts = segment.contexts.with(batch).map_err(&rows)?;
        }
        for (table, batches) in &segment.tables {
            let Table::Events(name) = table else { continue };
            let mut events: Vec<EventBatch> = Vec::with_capacity(batches.len());
            for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
                let batch =
                    EventBatch::try_new(name, batch.clone(), segment.contexts.clone()).map_err(&rows)?;
                let before = events.last().and_then(|batch| batch.seqs().last().copied());
                scan::check_order(file, before, batch.seqs())?;
                let (seq, time) = crate::writer::ranges(&batch);
                manifest.count(name, batch.len() as u64, seq, time);
                events.push(batch);
            }
            segment.events.insert(name, events);
        }
        for batch in segment.tables.get(&Table::Loss).into_iter().flatten() {
            let losses = Loss::from_batch(&select(file, batch, loss_schema())?);
            manifest.count_lost(
                losses
                    .iter()
                    .fold(0, |sum: u64, loss| sum.saturating_add(loss.count)),
            );
        }
        if let Some(counters) = replayed.counters {
            let totals = manifest.totals;
            let found = (counters.received, counters.written, counters.lost);
            if found != (totals.received, totals.written, totals.lost) {
                return Err(broken(format!(
                    "the frames hold other numbers of events than their counters say: {totals:?}, not {counters:?}"
                )));
            }
        }
        Ok(segment)
    }

    fn describe(&self, number: u32) -> Segment {
        let mut segment = Segment {
            number,
            events: 0,
            seq: None,
            in_journal: true,
        };
        for batch in self.events.values().flatten() {
            segment.add(batch.len() as u64, crate::writer::ranges(batch).0);
        }
        segment
    }
}

/// The time range of a part, or of everything.
pub(crate) fn overlaps(range: Option<TimeRange>, wanted: Option<TimeRange>) -> bool {
    match (range, wanted) {
        (_, None) => true,
        // Events without a time are in no range of times.
        (None, Some(_)) => false,
        (Some(range), Some(wanted)) => range.first <= wanted.last && wanted.first <= range.last,
    }
}

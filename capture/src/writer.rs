//! Writing a capture.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{max, min};
use arrow::datatypes::{SchemaRef, TimestampNanosecondType};
use detectors_api::columns;
use detectors_api::event::{BatchBuilder, EventBatch, RecordedEvent};
use detectors_stores::{FoldError, Input, Stores};
use nix::fcntl::{Flock, FlockArg};

use crate::journal::{self, Counters, JournalPolicy, JournalWriter};
use crate::manifest::{Header, MANIFEST, Manifest, Part, SeqRange, State, TimeRange, chain, hex};
use crate::part::{PartWriter, ROW_GROUP_ROWS};
use crate::stores::{self, Keeper};
use crate::{Beginning, Entry, Error, Loss, Table, files, loss_schema};

/// Memory for row groups that are not yet full, over all event types.
const MAX_BUFFERED: usize = 192 << 20;

/// Events that are flushed together when entries of another capture are written.
const COPIED: usize = 16_384;

/// How a capture is written.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// When a flush is acknowledged.
    pub journal: JournalPolicy,
    /// A segment ends when it has this many events …
    pub segment_rows: u64,
    /// … or about this many bytes of Parquet …
    pub segment_bytes: u64,
    /// … or when it is this old.
    pub segment_time: Option<Duration>,
    /// The most rows of a row group, 1 to 65,536: what a reader decodes at a time. Small ones prune well and give many parallel tasks;
    /// larger ones compress no better.
    pub row_group_rows: usize,
    /// zstd level, 1 to 22.
    pub compression: i32,
    /// Replace a capture that is in the way. Nothing but a capture is ever replaced.
    pub overwrite: bool,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            journal: JournalPolicy::default(),
            segment_rows: 1_000_000,
            segment_bytes: 256 << 20,
            segment_time: None,
            row_group_rows: ROW_GROUP_ROWS,
            compression: 1,
            overwrite: false,
        }
    }
}

/// Writes a capture.
///
/// Events are pushed in order and become durable with [`flush`](Self::flush). Dropped without [`finish`](Self::finish), the
/// capture stays incomplete, and readers say so.
#[derive(Debug)]
pub struct CaptureWriter {
    directory: PathBuf,
    options: WriterOptions,
    manifest: Manifest,
    builder: BatchBuilder,
    next_seq: u64,
    losses: Vec<Loss>,
    keeper: Keeper,
    /// Rows of other tables that wait for the flush.
    pending: Vec<(Table, RecordBatch)>,
    segment: OpenSegment,
    /// Held as long as the writer lives.
    _lock: Flock<File>,
}

#[derive(Debug)]
struct OpenSegment {
    scratch: PathBuf,
    journal: Option<JournalWriter>,
    parts: BTreeMap<Table, PartWriter>,
    rows: u64,
    /// When the first rows came.
    since: Option<Instant>,
}

impl CaptureWriter {
    /// Begins a capture in the directory `path`, which must not exist unless [`WriterOptions::overwrite`] is set.
    ///
    /// # Errors
    /// If something is there already, or the directory cannot be made.
    pub fn create(path: impl AsRef<Path>, mut header: Header, options: WriterOptions) -> Result<Self, Error> {
        let directory = path.as_ref().to_owned();
        if directory.symlink_metadata().is_ok() {
            if !(options.overwrite && is_replaceable(&directory)) {
                return Err(Error::Exists { path: directory });
            }
            fs::remove_dir_all(&directory).map_err(Error::io("replace", &directory))?;
        }
        files::make_dir(&directory.join(journal::DIRECTORY))?;
        let lock_path = directory.join(journal::LOCK);
        let lock = Flock::lock(files::create(&lock_path)?, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, error)| Error::io("lock", &lock_path)(error.into()))?;
        if header.capture_id.is_empty() {
            header.capture_id = random_id()?;
        }
        let keeper = Keeper::new(header.store_settings([]));
        let manifest = Manifest::new(header);
        manifest.write(&directory)?;
        let segment = OpenSegment::begin(&directory, 0, options.journal)?;
        Ok(Self {
            directory,
            options,
            manifest,
            builder: BatchBuilder::new(0),
            next_seq: 0,
            losses: Vec::new(),
            keeper,
            pending: Vec::new(),
            segment,
            _lock: lock,
        })
    }

    /// The capture's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// What the manifest says about the recording; changes are written with the next segment or at the end.
    pub fn header_mut(&mut self) -> &mut Header {
        &mut self.manifest.header
    }

    /// The manifest so far: totals are those of the last flush.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The sequence number that the next event gets.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Number of events that wait for [`flush`](Self::flush).
    #[must_use]
    pub fn pending(&self) -> usize {
        self.builder.len()
    }

    /// Adds an event and gives it the next sequence number. It is acknowledged by the next [`flush`](Self::flush).
    pub fn push(&mut self, event: &RecordedEvent) -> u64 {
        let seq = self.next_seq;
        self.builder.push(seq, event);
        self.next_seq += 1;
        seq
    }

    /// Adds an event with a sequence number of its own, such as that of the capture it was cut from.
    ///
    /// # Errors
    /// If the number is not higher than all before.
    pub fn push_at(&mut self, seq: u64, event: &RecordedEvent) -> Result<(), Error> {
        if seq < self.next_seq || seq == u64::MAX {
            return Err(Error::SeqOrder {
                seq,
                next: self.next_seq,
            });
        }
        self.builder.push(seq, event);
        self.next_seq = seq + 1;
        Ok(())
    }

    /// Writes an entry of another capture, as it was there. Some of what has been written may be acknowledged at once.
    ///
    /// # Errors
    /// If entries come in another order than [`CaptureReader::entries`](crate::CaptureReader::entries) has, or the disk refuses.
    pub fn write_entry(&mut self, entry: Entry) -> Result<(), Error> {
        match entry {
            Entry::Beginning(beginning) => self.begin(beginning)?,
            Entry::Input(input) => self.add_input(input)?,
            Entry::Event { seq, event } => {
                self.push_at(seq, &event)?;
                if self.pending() >= COPIED {
                    self.flush()?;
                }
            }
            Entry::Loss(loss) => self.record_loss(loss),
            Entry::Detections(rows) => self.write_detections(&rows),
        }
        Ok(())
    }

    fn begin(&mut self, beginning: Beginning) -> Result<(), Error> {
        let seq = beginning.seq;
        let rows = match self.next_seq {
            0 => self.keeper.begin(beginning),
            _ => Err(FoldError::LateKeyframe.into()),
        };
        self.pending
            .extend(rows.map_err(|error| error.at(&self.directory))?);
        self.next_seq = seq;
        Ok(())
    }

    /// Notes that events were lost. Acknowledged by the next [`flush`](Self::flush).
    pub fn record_loss(&mut self, loss: Loss) {
        self.losses.push(loss);
    }

    /// Tells a store what events alone do not carry. Acknowledged by the next [`flush`](Self::flush).
    ///
    /// # Errors
    /// If there is no such store, if events that the input should precede have been flushed already, or if the rows have a
    /// column [`BEFORE_SEQ`](crate::BEFORE_SEQ) of their own.
    pub fn add_input(&mut self, input: Input) -> Result<(), Error> {
        let rows = self
            .keeper
            .input(input)
            .map_err(|error| error.at(&self.directory))?;
        self.pending.push(rows);
        Ok(())
    }

    /// The stores as the events that have been flushed left them. They can be asked about the events of the last flush.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        self.keeper.stores()
    }

    /// Adds what was detected while recording. Acknowledged by the next [`flush`](Self::flush).
    pub fn write_detections(&mut self, rows: &RecordBatch) {
        self.pending.push((Table::Detections, rows.clone()));
    }

    /// Acknowledges what has been pushed: when this returns, it is in the capture as [`WriterOptions::journal`] says.
    /// Returns the events as batches, one per event type.
    ///
    /// # Errors
    /// If the disk refuses. What was pushed is then not acknowledged, and the writer should be given up.
    pub fn flush(&mut self) -> Result<Vec<EventBatch>, Error> {
        if self.builder.next_ctx() > u32::MAX - (1 << 24) {
            return Err(Error::ContextsUsedUp);
        }
        let built = self.builder.finish();
        let losses = std::mem::take(&mut self.losses);
        let mut rows = std::mem::take(&mut self.pending);
        if !losses.is_empty() {
            self.manifest.count_lost(
                losses
                    .iter()
                    .fold(0, |sum: u64, loss| sum.saturating_add(loss.count)),
            );
            rows.push((Table::Loss, Loss::to_batch(&losses)));
        }
        rows.extend(built.new_contexts.map(|contexts| (Table::Process, contexts)));
        let keyframes = self.keeper.advance(&built.batches, self.next_seq);
        rows.extend(keyframes.map_err(|error| error.at(&self.directory))?);
        if rows.is_empty() && built.batches.is_empty() {
            return Ok(built.batches);
        }
        for (table, rows) in &rows {
            self.segment
                .add(table, rows, stores::seq_range(rows), None, &self.options)?;
        }
        for batch in &built.batches {
            let name = batch.event_type();
            let (seq, time) = ranges(batch);
            self.manifest.count(name, batch.len() as u64, seq, time);
            self.segment.add(
                &Table::Events(name),
                batch.record_batch(),
                Some(seq),
                time,
                &self.options,
            )?;
            self.segment.rows += batch.len() as u64;
        }
        self.segment.commit(&self.manifest, self.next_seq)?;
        self.segment.bound_memory()?;
        if self.segment.is_full(&self.options) {
            self.end_segment()?;
        }
        Ok(built.batches)
    }

    /// Makes Parquet of what has been flushed, and begins a new segment.
    fn end_segment(&mut self) -> Result<(), Error> {
        let number = self.manifest.segments;
        self.builder.start_segment();
        let next = OpenSegment::begin(&self.directory, number + 1, self.options.journal)?;
        let segment = std::mem::replace(&mut self.segment, next);
        self.publish(segment)?;
        self.manifest.write(&self.directory)?;
        self.keeper.segment_ended();
        self.segment_is_parquet(number)
    }

    fn publish(&mut self, segment: OpenSegment) -> Result<(), Error> {
        let number = self.manifest.segments;
        for (table, writer) in segment.parts {
            let file = writer.finish()?;
            let path = table.part_path(number);
            file.publish(&self.directory, &path)?;
            let before = self.manifest.parts.last().map(|part| part.chain.as_str());
            let chain = chain(before, &file.digest, &path).expect("both digests are ours");
            self.manifest.parts.push(Part {
                path,
                table: file.table,
                segment: number,
                rows: file.rows,
                bytes: file.bytes,
                seq: file.seq,
                time: file.time,
                digest: file.digest,
                chain,
            });
        }
        for part in self
            .manifest
            .parts
            .iter()
            .rev()
            .take_while(|part| part.segment == number)
        {
            if let Some(parent) = self.directory.join(&part.path).parent() {
                files::sync_dir(parent)?;
            }
        }
        self.manifest.segments = number + 1;
        Ok(())
    }

    /// Removes what only served until the segment was Parquet and in the manifest.
    fn segment_is_parquet(&self, number: u32) -> Result<(), Error> {
        let journal = self.directory.join(journal::journal_path(number));
        let scratch = OpenSegment::scratch(&self.directory, number);
        fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
        match fs::remove_file(&journal) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", &journal)(error))
            }
            _ => Ok(()),
        }
    }

    /// Ends the capture: it is complete.
    ///
    /// # Errors
    /// If the disk refuses; the capture then stays incomplete.
    pub fn finish(mut self) -> Result<Manifest, Error> {
        self.flush()?;
        let number = self.manifest.segments;
        let segment = std::mem::replace(&mut self.segment, OpenSegment::empty());
        if segment.parts.is_empty() {
            self.manifest.segments = number;
        } else {
            self.publish(segment)?;
        }
        self.manifest.state = State::Closed;
        self.manifest.write(&self.directory)?;
        let scratch = self.directory.join(journal::DIRECTORY);
        fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
        Ok(self.manifest)
    }
}

impl OpenSegment {
    fn scratch(directory: &Path, number: u32) -> PathBuf {
        directory.join(format!("{}/part-{number:06}", journal::DIRECTORY))
    }

    fn begin(directory: &Path, number: u32, policy: JournalPolicy) -> Result<Self, Error> {
        let scratch = Self::scratch(directory, number);
        files::make_dir(&scratch)?;
        let journal = match policy {
            JournalPolicy::Off => None,
            JournalPolicy::NoSync | JournalPolicy::Sync => Some(JournalWriter::create(
                directory,
                number,
                policy == JournalPolicy::Sync,
            )?),
        };
        Ok(Self {
            scratch,
            journal,
            ..Self::empty()
        })
    }

    fn empty() -> Self {
        Self {
            scratch: PathBuf::new(),
            journal: None,
            parts: BTreeMap::new(),
            rows: 0,
            since: None,
        }
    }

    fn add(
        &mut self,
        table: &Table,
        rows: &RecordBatch,
        seq: Option<SeqRange>,
        time: Option<TimeRange>,
        options: &WriterOptions,
    ) -> Result<(), Error> {
        self.since.get_or_insert_with(Instant::now);
        let schema: SchemaRef = match table {
            Table::Loss => Arc::clone(loss_schema()),
            _ => rows.schema(),
        };
        if let Some(journal) = &mut self.journal {
            journal.add(table, &schema, rows)?;
        }
        if !self.parts.contains_key(table) {
            let writer = PartWriter::create(table.clone(), &schema, &self.scratch, options)?;
            self.parts.insert(table.clone(), writer);
        }
        match self.parts.get_mut(table) {
            Some(part) => part.write(rows, seq, time),
            None => Ok(()),
        }
    }

    fn commit(&mut self, manifest: &Manifest, next_seq: u64) -> Result<(), Error> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        journal.commit(Counters {
            received: manifest.totals.received,
            written: manifest.totals.written,
            lost: manifest.totals.lost,
            next_seq,
        })
    }

    /// Ends row groups early, the largest first, when all together take too much memory.
    fn bound_memory(&mut self) -> Result<(), Error> {
        let mut buffered: usize = self.parts.values().map(PartWriter::buffered).sum();
        while buffered > MAX_BUFFERED {
            let Some(largest) = self.parts.values_mut().max_by_key(|part| part.buffered()) else {
                break;
            };
            let before = largest.buffered();
            largest.end_row_group()?;
            let freed = before.saturating_sub(largest.buffered());
            if freed == 0 {
                break;
            }
            buffered -= freed;
        }
        Ok(())
    }

    fn is_full(&self, options: &WriterOptions) -> bool {
        let bytes: usize = self.parts.values().map(PartWriter::size).sum();
        let journal = self.journal.as_ref().map_or(0, JournalWriter::bytes);
        self.rows >= options.segment_rows
            || bytes as u64 >= options.segment_bytes
            || journal >= journal::MAX_BYTES / 4
            || options
                .segment_time
                .zip(self.since)
                .is_some_and(|(limit, since)| since.elapsed() >= limit)
    }
}

/// Sequence numbers and times of a batch that is not empty.
pub(crate) fn ranges(batch: &EventBatch) -> (SeqRange, Option<TimeRange>) {
    let seqs = batch.seqs();
    let seq = SeqRange {
        first: seqs.first().copied().unwrap_or_default(),
        last: seqs.last().copied().unwrap_or_default(),
    };
    let time = batch.common_column(columns::TIMESTAMP).and_then(|column| {
        let times = column.as_primitive::<TimestampNanosecondType>();
        Some(TimeRange {
            first: min(times)?,
            last: max(times)?,
        })
    });
    (seq, time)
}

/// Only a capture, or a directory with nothing in it, may be replaced.
pub(crate) fn is_replaceable(directory: &Path) -> bool {
    let is_dir = directory
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir());
    is_dir
        && (directory.join(MANIFEST).is_file()
            || fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none()))
}

fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::io("read", Path::new("the random source"))(error.into()))?;
    Ok(hex(&bytes))
}

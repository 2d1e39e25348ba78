//! Scans: the events of one type, as batches, in tasks that can run side by side.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use detectors_api::columns::{self, Physical, layout};
use detectors_api::event::EventBatch;

use super::decode::ParquetFile;
use super::statistics::row_group_seqs;
use super::task::{ScanTask, Shared, TaskBatches, TaskSource};
use super::{Inner, overlaps};
use crate::manifest::{SeqRange, TimeRange};
use crate::part::ROW_GROUP_ROWS;
use crate::{Error, Part, Table};

/// A scan over the events of one type.
#[derive(Clone, Debug)]
pub struct Scan {
    inner: Arc<Inner>,
    event_type: &'static str,
    columns: Option<Vec<String>>,
    others_on_demand: bool,
    seq: RangeInclusive<u64>,
    time: Option<TimeRange>,
    batch_size: usize,
}

impl Scan {
    pub(super) fn new(inner: Arc<Inner>, event_type: &'static str) -> Self {
        Self {
            inner,
            event_type,
            columns: None,
            others_on_demand: false,
            seq: 0..=u64::MAX,
            time: None,
            batch_size: ROW_GROUP_ROWS,
        }
    }

    /// Reads only these columns (names as in the [layout](detectors_api::columns::Layout)), next to `seq` and `_extra`, which
    /// are always read. The columns of a socket address come together.
    ///
    /// # Errors
    /// If events of this type have no such column.
    pub fn columns<'a>(mut self, wanted: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let layout = layout(self.event_type);
        let mut columns = vec![columns::SEQ.to_owned(), columns::EXTRA.to_owned()];
        if layout.definition().is_none() {
            columns.push(columns::NAME.to_owned());
        }
        for column in wanted {
            let address = layout.fields().iter().find(|field| {
                field.physical == Physical::SockAddr
                    && [field.column.clone(), field.family_column(), field.port_column()]
                        .iter()
                        .any(|part| part == column)
            });
            match address {
                Some(field) => {
                    columns.extend([field.column.clone(), field.family_column(), field.port_column()]);
                }
                None if layout.schema().column_with_name(column).is_some() => columns.push(column.to_owned()),
                None => {
                    return Err(Error::UnknownColumn {
                        event: self.event_type.to_owned(),
                        column: column.to_owned(),
                    });
                }
            }
        }
        columns.sort();
        columns.dedup();
        self.columns = Some(columns);
        Ok(self)
    }

    /// Reads the other columns, too, but each only when it is first asked for, for the events that are left by then. A column
    /// that cannot be decoded by then reads as absent: see [`Event::fault`](detectors_api::event::Event::fault).
    #[must_use]
    pub fn others_on_demand(mut self) -> Self {
        self.others_on_demand = true;
        self
    }

    /// Reads only events with these sequence numbers.
    #[must_use]
    pub fn seq_range(mut self, seq: RangeInclusive<u64>) -> Self {
        self.seq = seq;
        self
    }

    /// Reads only events of this time, in ns since the Unix epoch. Events without a timestamp are in no range.
    #[must_use]
    pub fn time_range(mut self, time: RangeInclusive<i64>) -> Self {
        self.time = Some(TimeRange {
            first: *time.start(),
            last: *time.end(),
        });
        self
    }

    /// The most events of a batch; a row group (65,536), unless told otherwise.
    #[must_use]
    pub fn batch_size(mut self, events: usize) -> Self {
        self.batch_size = events.clamp(1, ROW_GROUP_ROWS);
        self
    }

    /// The event type.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        self.event_type
    }

    /// The scan in independent pieces, in the order of their sequence numbers: one for a row group.
    ///
    /// Row groups that cannot hold wanted events are left out, by their statistics.
    ///
    /// # Errors
    /// If a file cannot be opened.
    pub fn tasks(&self) -> Result<Vec<ScanTask>, Error> {
        self.lazy_tasks().collect()
    }

    /// The files that may hold wanted events, and the segments of the journal that do, in the order of their sequence numbers.
    /// Nothing is opened for this.
    #[must_use]
    pub fn parts(&self) -> Vec<ScanPart> {
        let scan = Arc::new(self.shared());
        let table = Table::Events(self.event_type);
        let files = self.inner.manifest.parts.iter().filter_map(|part| {
            let seq = part.seq.filter(|seq| self.wants(*seq, part.time))?;
            (part.table == table).then(|| ScanPart {
                scan: Arc::clone(&scan),
                seq,
                rows: part.rows,
                place: Place::File(part.clone()),
            })
        });
        let journal = self.inner.journal.values().filter_map(|segment| {
            let batches = segment.events.get(self.event_type).into_iter().flatten();
            let batches = batches.filter(|batch| {
                let (seq, time) = crate::writer::ranges(batch);
                self.wants(seq, time)
            });
            let batches: Vec<_> = batches.cloned().collect();
            let range = |batch: &EventBatch| crate::writer::ranges(batch).0;
            Some(ScanPart {
                scan: Arc::clone(&scan),
                seq: range(batches.first()?).join(range(batches.last()?)),
                rows: batches.iter().map(|batch| batch.len() as u64).sum(),
                place: Place::Memory(batches),
            })
        });
        files.chain(journal).collect()
    }

    /// The same, opening a file only when its tasks are asked for.
    pub(super) fn lazy_tasks(&self) -> Tasks {
        Tasks {
            parts: self.parts().into_iter(),
            tasks: Vec::new().into_iter(),
        }
    }

    /// All batches, in the order of their sequence numbers, one task after the other. Files are opened as they come up.
    ///
    /// # Errors
    /// If the first file cannot be opened.
    pub fn batches(&self) -> Result<ScanBatches, Error> {
        let mut tasks = self.lazy_tasks();
        let batches = match tasks.next() {
            Some(task) => Some(task?.batches()?),
            None => None,
        };
        Ok(ScanBatches {
            directory: self.directory(),
            tasks,
            batches,
            before: None,
        })
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.inner
            .volume
            .file_name(&Table::Events(self.event_type).to_string())
    }

    fn shared(&self) -> Shared {
        let mut columns = self.columns.clone();
        if let (Some(columns), Some(_)) = (&mut columns, self.time)
            && !columns.iter().any(|column| column == columns::TIMESTAMP)
        {
            columns.push(columns::TIMESTAMP.to_owned());
        }
        let all = || {
            layout(self.event_type)
                .schema()
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect()
        };
        Shared {
            inner: Arc::clone(&self.inner),
            event_type: self.event_type,
            columns: columns.unwrap_or_else(all).into(),
            others_on_demand: self.others_on_demand,
            seq: self.seq.clone(),
            time: self.time,
            batch_size: self.batch_size,
        }
    }

    fn wants(&self, seq: SeqRange, time: Option<TimeRange>) -> bool {
        self.wants_seq(seq) && overlaps(time, self.time)
    }

    fn wants_seq(&self, seq: SeqRange) -> bool {
        meets(&self.seq, seq)
    }
}

fn meets(wanted: &RangeInclusive<u64>, seq: SeqRange) -> bool {
    seq.first <= *wanted.end() && *wanted.start() <= seq.last
}

/// Events of a scan that lie together: those of a file, or of a segment in the journal.
#[derive(Clone, Debug)]
pub struct ScanPart {
    scan: Arc<Shared>,
    seq: SeqRange,
    rows: u64,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    File(Part),
    Memory(Vec<EventBatch>),
}

impl ScanPart {
    /// The event type.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        self.scan.event_type
    }

    /// Sequence numbers of the events, as the manifest has them.
    #[must_use]
    pub fn seq(&self) -> SeqRange {
        self.seq
    }

    /// Number of events, as the manifest has it; the scan may want only some of them.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The tasks, one for a row group. The file is opened now, and read when a task is.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn tasks(&self) -> Result<Vec<ScanTask>, Error> {
        match &self.place {
            Place::File(part) => part_tasks(&self.scan, part),
            Place::Memory(batches) => Ok(memory_task(&self.scan, batches.clone()).into_iter().collect()),
        }
    }
}

/// The tasks of a scan; files are opened as they come up.
#[derive(Debug)]
pub(super) struct Tasks {
    parts: std::vec::IntoIter<ScanPart>,
    tasks: std::vec::IntoIter<ScanTask>,
}

impl Tasks {
    fn end(&mut self) {
        self.parts = Vec::new().into_iter();
        self.tasks = Vec::new().into_iter();
    }
}

impl Iterator for Tasks {
    type Item = Result<ScanTask, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(task) = self.tasks.next() {
                return Some(Ok(task));
            }
            match self.parts.next()?.tasks() {
                Ok(tasks) => self.tasks = tasks.into_iter(),
                Err(error) => {
                    self.end();
                    return Some(Err(error));
                }
            }
        }
    }
}

fn part_tasks(shared: &Arc<Shared>, part: &Part) -> Result<Vec<ScanTask>, Error> {
    let all = shared.seq == (0..=u64::MAX);
    let file = ParquetFile::open(&shared.inner.volume, part, !all)?;
    let bounds = row_group_seqs(&file)?;
    // Readers go by what the manifest says of the order of files.
    for found in bounds.iter().flatten() {
        check_place(&file.path(), *found, part.seq)?;
    }
    let tasks = (0..file.row_groups()).filter_map(|row_group| {
        let seq = bounds.get(row_group).copied().flatten().or(part.seq)?;
        (all || meets(&shared.seq, seq)).then(|| ScanTask {
            scan: Arc::clone(shared),
            seq,
            rows: file.rows(row_group),
            source: TaskSource::RowGroup {
                file: Arc::clone(&file),
                row_group,
            },
        })
    });
    Ok(tasks.collect())
}

/// Fails unless `found` lies within `expected`.
pub(super) fn check_place(file: &Path, found: SeqRange, expected: Option<SeqRange>) -> Result<(), Error> {
    match expected {
        Some(expected) if found.first < expected.first || expected.last < found.last => {
            Err(Error::Elsewhere {
                file: file.to_owned(),
                first: found.first,
                last: found.last,
                expected,
            })
        }
        _ => Ok(()),
    }
}

fn memory_task(shared: &Arc<Shared>, batches: Vec<EventBatch>) -> Option<ScanTask> {
    let range = |batch: &EventBatch| crate::writer::ranges(batch).0;
    Some(ScanTask {
        scan: Arc::clone(shared),
        seq: range(batches.first()?).join(range(batches.last()?)),
        rows: batches.iter().map(EventBatch::len).sum(),
        source: TaskSource::Memory(batches),
    })
}

/// All batches of a scan, in order. After an error there are no more.
#[derive(Debug)]
pub struct ScanBatches {
    directory: PathBuf,
    tasks: Tasks,
    batches: Option<TaskBatches>,
    /// Sequence number of the last event given.
    before: Option<u64>,
}

impl ScanBatches {
    fn read(&mut self) -> Result<Option<EventBatch>, Error> {
        loop {
            if let Some(batch) = self.batches.as_mut().and_then(Iterator::next) {
                let batch = batch?;
                check_order(&self.directory, self.before, batch.seqs())?;
                self.before = batch.seqs().last().copied().or(self.before);
                return Ok(Some(batch));
            }
            let Some(task) = self.tasks.next() else {
                return Ok(None);
            };
            self.batches = Some(task?.batches()?);
        }
    }
}

impl Iterator for ScanBatches {
    type Item = Result<EventBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.read();
        if batch.is_err() {
            self.tasks.end();
            self.batches = None;
        }
        batch.transpose()
    }
}

/// Fails unless `seqs` grow strictly, and are above `before`.
pub(super) fn check_order(file: &Path, before: Option<u64>, seqs: &[u64]) -> Result<(), Error> {
    let pairs = || before.zip(seqs.first().copied()).into_iter();
    let inner = || seqs.iter().copied().zip(seqs.iter().copied().skip(1));
    // Without a way out of the loop it is vectorised, and wrong numbers are rare.
    if pairs().all(|(before, seq)| before < seq)
        && inner().fold(true, |grow, (before, seq)| grow & (before < seq))
    {
        return Ok(());
    }
    let wrong = pairs().chain(inner()).find(|(before, seq)| before >= seq);
    match wrong {
        Some((before, seq)) => Err(Error::Order {
            file: file.to_owned(),
            before,
            seq,
        }),
        None => Ok(()),
    }
}

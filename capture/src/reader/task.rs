//! Tasks: the independent pieces of a scan, and their batches.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array, new_empty_array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, TimestampNanosecondType};
use detectors_api::columns::{self, layout};
use detectors_api::event::{ColumnSource, Contexts, EventBatch, Rows};

use super::Inner;
use super::decode::{ParquetFile, RowGroupBatches, with_nulls};
use super::scan::{check_order, check_place};
use super::statistics::page_ranges;
use crate::manifest::{SeqRange, TimeRange};
use crate::part::ROW_GROUP_ROWS;
use crate::{Error, Part};

/// Late columns are decoded for all rows from the first wanted one to the last, if at least one in this many is wanted: to skip
/// a stretch of rows and to start again takes as long as to decode more than a hundred (some 2,000 instructions, against 10 to 20
/// a row).
const DENSE: usize = 128;

/// Wanted rows are taken out of pages one by one, if at most one in this many is wanted: one that is taken costs as much as a few that are
/// decoded in a row, and beyond one in forty, which is what detectors want of opened files, it is the pages that cost.
const SPARSE: usize = 4;

/// What all tasks of a scan have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) inner: Arc<Inner>,
    pub(super) event_type: &'static str,
    /// Columns that are read at once.
    pub(super) columns: Arc<[String]>,
    /// Whether all other columns are decoded when somebody asks for them.
    pub(super) others_on_demand: bool,
    pub(super) seq: RangeInclusive<u64>,
    pub(super) time: Option<TimeRange>,
    pub(super) batch_size: usize,
}

/// An independent piece of a scan. Tasks may run on any thread, in any order.
#[derive(Clone, Debug)]
pub struct ScanTask {
    pub(super) scan: Arc<Shared>,
    pub(super) seq: SeqRange,
    pub(super) rows: usize,
    pub(super) source: TaskSource,
}

#[derive(Clone, Debug)]
pub(super) enum TaskSource {
    RowGroup {
        file: Arc<ParquetFile>,
        row_group: usize,
    },
    Memory(Vec<EventBatch>),
}

impl ScanTask {
    /// The event type.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        self.scan.event_type
    }

    /// Sequence numbers of the events that the task may give.
    #[must_use]
    pub fn seq(&self) -> SeqRange {
        self.seq
    }

    /// The most events that the task may give.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The file and the number of the row group that the task reads; `None` if its events are still in the journal.
    #[must_use]
    pub fn part(&self) -> Option<(&Part, usize)> {
        match &self.source {
            TaskSource::RowGroup { file, row_group } => Some((&file.part, *row_group)),
            TaskSource::Memory(_) => None,
        }
    }

    /// The batches of the task, in order.
    ///
    /// # Errors
    /// If the file cannot be opened, or the process contexts of its segment cannot be read.
    pub fn batches(&self) -> Result<TaskBatches, Error> {
        let scan = &self.scan;
        let source = match &self.source {
            TaskSource::Memory(batches) => BatchSource::Memory(batches.clone().into_iter()),
            TaskSource::RowGroup { file, row_group } => {
                BatchSource::File(Box::new(self.row_group_batches(file, *row_group)?))
            }
        };
        Ok(TaskBatches {
            scan: Arc::clone(scan),
            seq: self.seq,
            source,
            before: None,
        })
    }

    fn row_group_batches(&self, file: &Arc<ParquetFile>, row_group: usize) -> Result<FileBatches, Error> {
        let scan = &self.scan;
        let contexts = if scan.columns.iter().any(|column| column == columns::CTX) {
            scan.inner.contexts(file.part.segment)?
        } else {
            Contexts::default()
        };
        let rows = u32::try_from(file.rows(row_group))
            .map_err(|_| file.fault(row_group, None, "it has more than 2^32 rows".to_owned()))?;
        let ranges = page_ranges(file, row_group, &scan.seq)?;
        // What is decoded of late columns, and so what is found to be wrong with them, does not depend on the size of batches.
        let rows_at_once = if scan.others_on_demand {
            ROW_GROUP_ROWS
        } else {
            scan.batch_size
        };
        let batches = file.batches(
            row_group,
            Some(Arc::clone(&scan.columns)),
            ranges.as_deref(),
            rows_at_once,
        )?;
        Ok(FileBatches {
            batches,
            group: Arc::new(RowGroup {
                inner: Arc::clone(&scan.inner),
                event_type: scan.event_type,
                file: Arc::clone(file),
                row_group,
            }),
            contexts,
            rows: match ranges {
                Some(ranges) => ranges.into_iter().collect(),
                None => (0..rows).into(),
            },
            read: 0,
            rest: None,
        })
    }
}

/// A row group, for the columns of its rows that are asked for late.
#[derive(Debug)]
struct RowGroup {
    inner: Arc<Inner>,
    event_type: &'static str,
    file: Arc<ParquetFile>,
    row_group: usize,
}

impl ColumnSource for RowGroup {
    fn column(&self, column: &str, rows: &Rows) -> Result<Option<ArrayRef>, String> {
        let layout = layout(self.event_type).schema();
        let (Ok(field), true) = (layout.field_with_name(column), self.file.has(column)) else {
            return Ok(None);
        };
        if rows.is_empty() {
            return Ok(Some(new_empty_array(field.data_type())));
        }
        if self.file.is_null(self.row_group, column) {
            return Ok(Some(new_null_array(field.data_type(), rows.len())));
        }
        let wanted: Vec<_> = rows.runs().collect();
        let span = wanted[0].start..wanted[wanted.len() - 1].end;
        if rows.len() * SPARSE <= span.len() {
            let rows: Vec<_> = wanted.iter().cloned().flatten().collect();
            let taken = self.file.few_rows(self.row_group, column, &rows);
            if let Some(column) = taken.map_err(|error| error.explain())? {
                return Ok(Some(column));
            }
        }
        if wanted.len() > 1 && rows.len() * DENSE >= span.len() {
            let column = self.decode(column, std::slice::from_ref(&span))?;
            let places = wanted.into_iter().flatten().map(|row| row - span.start);
            let places = UInt32Array::from_iter_values(places);
            return take(&column, &places, None)
                .map(Some)
                .map_err(|error| error.to_string());
        }
        self.decode(column, &wanted).map(Some)
    }

    fn contexts(&self) -> Result<Contexts, String> {
        let contexts = self.inner.contexts(self.file.part.segment);
        contexts.map_err(|error| error.explain())
    }
}

impl RowGroup {
    /// The values of a column that the file has, in these rows: increasing ranges, not all of them empty.
    fn decode(&self, column: &str, rows: &[Range<u32>]) -> Result<ArrayRef, String> {
        let wanted: usize = rows.iter().map(ExactSizeIterator::len).sum();
        let batches = self.file.column(self.row_group, column, rows, wanted);
        let read = batches.and_then(|batches| batches.collect::<Result<Vec<_>, _>>());
        match read.map_err(|error| error.explain())?.as_slice() {
            [batch] if batch.num_rows() == wanted => Ok(Arc::clone(batch.column(0))),
            batches => {
                let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
                let reason = format!("there are {found} of {wanted} rows");
                let error = self.file.fault(self.row_group, Some(column.to_owned()), reason);
                Err(error.explain())
            }
        }
    }
}

/// The batches of a task.
#[derive(Debug)]
pub struct TaskBatches {
    scan: Arc<Shared>,
    /// Where the events are said to lie.
    seq: SeqRange,
    source: BatchSource,
    /// Sequence number of the last event seen.
    before: Option<u64>,
}

#[derive(Debug)]
enum BatchSource {
    File(Box<FileBatches>),
    Memory(std::vec::IntoIter<EventBatch>),
}

#[derive(Debug)]
struct FileBatches {
    batches: RowGroupBatches,
    group: Arc<RowGroup>,
    contexts: Contexts,
    /// The rows of the row group that are read, and how many of them have been.
    rows: Rows,
    read: usize,
    /// What has been read and is still to be given.
    rest: Option<EventBatch>,
}

impl FileBatches {
    /// The next batch, of at most as many events as `scan` says.
    fn next(&mut self, scan: &Shared) -> Result<Option<EventBatch>, Error> {
        let read = match self.rest.take() {
            Some(rest) => Some(rest),
            None => self.read(scan.others_on_demand)?,
        };
        Ok(read.map(|batch| {
            let Some(more) = batch.len().checked_sub(scan.batch_size).filter(|more| *more > 0) else {
                return batch;
            };
            self.rest = Some(batch.slice(scan.batch_size, more));
            batch.slice(0, scan.batch_size)
        }))
    }

    fn read(&mut self, others_on_demand: bool) -> Result<Option<EventBatch>, Error> {
        let Some(batch) = self.batches.next().transpose()? else {
            return Ok(None);
        };
        let RowGroup { file, row_group, .. } = &*self.group;
        let batch = if file.has(columns::EXTRA) {
            batch
        } else {
            let extra = Arc::new(Field::new(columns::EXTRA, DataType::Binary, true));
            with_nulls(&batch, &[extra])
        };
        let (first, len) = (self.read, batch.num_rows());
        if len > self.rows.len() - first {
            let reason = format!("there are more than {} rows", self.rows.len());
            return Err(file.fault(*row_group, None, reason));
        }
        self.read += len;
        let batch = EventBatch::try_new(self.group.event_type, batch, self.contexts.clone())
            .map_err(Error::rows(&file.path(), Some(*row_group)))?;
        Ok(Some(if others_on_demand {
            batch.with_late_columns(Arc::clone(&self.group) as _, self.rows.slice(first, len))
        } else {
            batch
        }))
    }
}

impl TaskBatches {
    fn read(&mut self) -> Result<Option<EventBatch>, Error> {
        match &mut self.source {
            BatchSource::Memory(batches) => Ok(batches.next()),
            BatchSource::File(batches) => {
                let path = batches.group.file.path();
                let batch = batches.next(&self.scan)?;
                if let Some(batch) = &batch {
                    check_order(&path, self.before, batch.seqs())?;
                    if let (Some(first), Some(last)) = (batch.seqs().first(), batch.seqs().last()) {
                        let found = SeqRange {
                            first: *first,
                            last: *last,
                        };
                        check_place(&path, found, Some(self.seq))?;
                        self.before = Some(*last);
                    }
                }
                Ok(batch)
            }
        }
    }

    /// The events of a batch that the scan asks for.
    fn cut(&self, batch: EventBatch) -> EventBatch {
        let seqs = batch.seqs();
        let start = seqs.partition_point(|seq| seq < self.scan.seq.start());
        let end = seqs.partition_point(|seq| seq <= self.scan.seq.end());
        let batch = if end.saturating_sub(start) == batch.len() {
            batch
        } else {
            batch.slice(start, end.saturating_sub(start))
        };
        let Some(wanted) = self.scan.time else {
            return batch;
        };
        let Some(times) = batch.common_column(columns::TIMESTAMP) else {
            return batch.slice(0, 0);
        };
        let times = times.as_primitive::<TimestampNanosecondType>().iter();
        let rows: Vec<u32> = (0..)
            .zip(times)
            .filter(|(_, time)| time.is_some_and(|time| (wanted.first..=wanted.last).contains(&time)))
            .map(|(row, _)| row)
            .collect();
        if rows.len() == batch.len() {
            batch
        } else {
            batch.take(&rows)
        }
    }
}

impl Iterator for TaskBatches {
    type Item = Result<EventBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read().transpose()? {
                Ok(batch) => {
                    let batch = self.cut(batch);
                    if !batch.is_empty() {
                        return Some(Ok(batch));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

//! Recorded events on their way to the engine: row groups are read once, in the order in which they begin.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use capture::{CaptureReader, ScanPart, ScanTask, SeqRange};
use detectors_api::event::EventBatch;
use detectors_engine::{Purpose, Selector, Survivors};

use super::ahead::ReadAhead;
use super::facts::TaskFacts;
use super::queue::{Done, Due, Queue};
use crate::{Error, Gap};

/// Row groups of a type for which pruning is tried before it is judged.
const TRIED: u32 = 4;
/// Pruning goes on where it spares at least one row group in this many.
const WORTH: u32 = 4;

/// The row groups of some event types in a range, and those of their events that wait for their window.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) purpose: Purpose,
    pub(crate) select: Arc<Select>,
    queue: Queue,
    /// Survivors of what has been read, beyond the windows so far.
    waiting: Vec<Selected>,
}

/// Selects what detectors want of row groups.
#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) selector: Selector,
    pub(super) ahead: ReadAhead,
    pruning: BTreeMap<&'static str, Pruning>,
}

/// How often pruning was tried with the events of a type, and spared reading a row group. Which row groups are spared changes
/// no result.
#[derive(Debug, Default)]
struct Pruning {
    tried: AtomicU32,
    spared: AtomicU32,
}

impl Pruning {
    fn is_worth_it(&self) -> bool {
        let tried = self.tried.load(Ordering::Relaxed);
        tried < TRIED || self.spared.load(Ordering::Relaxed).saturating_mul(WORTH) >= tried
    }
}

/// What detectors want of a row group.
#[derive(Debug)]
pub(crate) struct Selected {
    pub(crate) survivors: Survivors,
    pub(crate) origin: Arc<Origin>,
}

/// A row group, for telling where something is wrong.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) event_type: &'static str,
    seq: SeqRange,
    rows: u64,
}

/// The files of a scan of which `columns` are read at once and the others when somebody asks for them.
pub(crate) fn parts(
    reader: &CaptureReader,
    event_type: &str,
    columns: &[&str],
    range: &RangeInclusive<u64>,
    batch_size: usize,
) -> Result<Vec<ScanPart>, Error> {
    let scan = reader
        .scan(event_type)
        .columns(columns.iter().copied())?
        .others_on_demand()
        .seq_range(range.clone())
        .batch_size(batch_size);
    Ok(scan.parts())
}

impl Feed {
    /// What `selector` wants of `range`; only of the types in `only`, if there are any.
    pub(crate) fn new(
        reader: &CaptureReader,
        purpose: Purpose,
        selector: Selector,
        range: &RangeInclusive<u64>,
        only: Option<&BTreeSet<String>>,
        batch_size: usize,
    ) -> Result<Self, Error> {
        let mut found = Vec::new();
        let mut pruning = BTreeMap::new();
        for event_type in reader.event_types() {
            let wanted = selector.event_types().contains(&event_type);
            if !wanted || only.is_some_and(|only| !only.contains(event_type)) {
                continue;
            }
            let columns = selector.columns(event_type);
            found.extend(parts(reader, event_type, &columns, range, batch_size)?);
            pruning.insert(event_type, Pruning::default());
        }
        Ok(Self {
            purpose,
            select: Arc::new(Select {
                selector,
                ahead: ReadAhead::default(),
                pruning,
            }),
            queue: Queue::new(found),
            waiting: Vec::new(),
        })
    }

    /// Number of events in the files.
    pub(crate) fn rows(&self) -> u64 {
        self.parts().map(ScanPart::rows).sum()
    }

    /// Files that have not been opened.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &ScanPart> {
        self.queue.parts()
    }

    /// The row groups that begin up to `last` and have not been read.
    pub(crate) fn due(&mut self, last: u64) -> Due {
        self.queue.due(&(0..=last))
    }

    /// Takes what was selected of them.
    pub(crate) fn take(&mut self, mut done: Done<Result<Vec<Selected>, Gap>>) -> Vec<Gap> {
        self.queue.put_back(&mut done);
        let mut gaps = done.gaps;
        for row_group in done.results {
            match row_group {
                Ok(selected) => self.waiting.extend(selected),
                Err(gap) => gaps.push(gap),
            }
        }
        gaps
    }

    /// What is there up to `last`. The rest goes on waiting.
    pub(crate) fn until(&mut self, last: u64) -> Vec<Selected> {
        let mut now = Vec::new();
        let mut later = Vec::new();
        for mut selected in std::mem::take(&mut self.waiting) {
            if let Some(next) = last.checked_add(1) {
                let survivors = selected.survivors.split_off(next);
                if !survivors.is_empty() {
                    let origin = Arc::clone(&selected.origin);
                    later.push(Selected { survivors, origin });
                }
            }
            now.push(selected);
        }
        self.waiting = later;
        now
    }
}

impl Select {
    /// Reads a row group, and keeps what detectors want of it.
    pub(crate) fn row_group(&self, task: &ScanTask) -> Result<Result<Vec<Selected>, Gap>, Error> {
        let origin = Arc::new(Origin {
            event_type: task.event_type(),
            seq: task.seq(),
            rows: task.rows() as u64,
        });
        if self.is_spared(task) {
            let survivors = Survivors::pruned(origin.event_type, origin.rows);
            return Ok(Ok(vec![Selected { survivors, origin }]));
        }
        let select = |batch: EventBatch| {
            let survivors = self.selector.select(&batch);
            self.ahead.prepare(survivors.batch());
            Selected {
                survivors,
                origin: Arc::clone(&origin),
            }
        };
        let read = task.batches().and_then(|batches| {
            batches
                .map(|batch| batch.map(select))
                .collect::<Result<Vec<_>, _>>()
        });
        match read {
            Ok(selected) => Ok(Ok(selected)),
            Err(error) => Ok(Err(Gap::of_error(
                origin.event_type,
                origin.seq,
                origin.rows,
                error,
            )?)),
        }
    }

    /// Whether what is known of the row group rules out that a detector wants any of it.
    fn is_spared(&self, task: &ScanTask) -> bool {
        let Some(pruning) = self
            .pruning
            .get(task.event_type())
            .filter(|pruning| pruning.is_worth_it())
        else {
            return false;
        };
        pruning.tried.fetch_add(1, Ordering::Relaxed);
        let spared = can_be_spared(task, &self.selector);
        if spared {
            pruning.spared.fetch_add(1, Ordering::Relaxed);
        }
        spared
    }
}

/// Whether no detector can want an event of this row group.
pub(crate) fn can_be_spared(task: &ScanTask, selector: &Selector) -> bool {
    // The number of events that detectors might have seen must be known, and columns be the whole truth.
    task.part().is_some()
        && !task.is_cut()
        && !task.has_extra()
        && !selector.may_pass(task.event_type(), &TaskFacts(task))
}

impl Origin {
    /// What detectors asked for could not be read.
    pub(crate) fn fault(&self, reason: String) -> Gap {
        Gap::new(self.event_type, self.seq, self.rows, reason)
    }
}

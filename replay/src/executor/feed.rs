//! Recorded events on their way to the engine: row groups are read once, in the order in which they begin.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use capture::{CaptureReader, ScanPart, ScanTask, SeqRange};
use detectors_api::event::EventBatch;
use detectors_engine::{Purpose, Selector, Survivors};

use super::ahead::ReadAhead;
use super::facts::TaskFacts;
use super::queue::{Done, Due, Queue};
use crate::{Error, Gap};

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
    /// The most events that are looked at together.
    at_once: usize,
    pub(super) ahead: ReadAhead,
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
) -> Result<Vec<ScanPart>, Error> {
    let scan = reader
        .scan(event_type)
        .columns(columns.iter().copied())?
        .others_on_demand()
        .seq_range(range.clone());
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
        for event_type in reader.event_types() {
            let wanted = selector.event_types().contains(&event_type);
            if !wanted || only.is_some_and(|only| !only.contains(event_type)) {
                continue;
            }
            // Selecting asks for one column after the other, as long as events are left.
            found.extend(parts(reader, event_type, &[], range)?);
        }
        Ok(Self {
            purpose,
            select: Arc::new(Select {
                selector,
                at_once: batch_size,
                ahead: ReadAhead::default(),
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

    /// The row groups that begin in `stretch` and have not been read.
    pub(crate) fn due(&mut self, stretch: &RangeInclusive<u64>) -> Due {
        self.queue.due(stretch)
    }

    /// Takes what was selected of them.
    pub(crate) fn take(&mut self, mut done: Done<Result<Vec<Selected>, Vec<Gap>>>) -> Vec<Gap> {
        self.queue.put_back(&mut done);
        let mut gaps = done.gaps;
        for row_group in done.results {
            match row_group {
                Ok(selected) => self.waiting.extend(selected),
                Err(unread) => gaps.extend(unread),
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
    pub(crate) fn row_group(&self, task: &ScanTask) -> Result<Result<Vec<Selected>, Vec<Gap>>, Error> {
        let origin = Arc::new(Origin {
            event_type: task.event_type(),
            seq: task.seq(),
            rows: task.rows() as u64,
        });
        if can_be_spared(task, &self.selector) {
            let survivors = Survivors::pruned(origin.event_type, origin.rows);
            return Ok(Ok(vec![Selected { survivors, origin }]));
        }
        let batches: Vec<EventBatch> = match task.batches().and_then(Iterator::collect) {
            Ok(batches) => batches,
            Err(error) => {
                let gap = Gap::of_error(origin.event_type, origin.seq, origin.rows, error)?;
                return Ok(Err(vec![gap]));
            }
        };
        let selected = batches.into_iter().map(|batch| {
            let survivors = self.selector.try_select(&batch, self.at_once);
            let survivors = survivors
                .map_err(|faults| Vec::from_iter(faults.iter().map(|reason| origin.fault(reason))))?;
            self.ahead.prepare(survivors.batch());
            Ok(Selected {
                survivors,
                origin: Arc::clone(&origin),
            })
        });
        Ok(selected.collect())
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
    pub(crate) fn fault(&self, reason: &str) -> Gap {
        Gap::new(self.event_type, self.seq, self.rows, reason.to_owned())
    }
}

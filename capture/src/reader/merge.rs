//! All events in one order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::PathBuf;

use detectors_api::event::{EventBatch, RecordedEvent};

use super::TaskBatches;
use super::scan::{Scan, Tasks};
use crate::Error;

/// Events of a batch, per event type: small, as there may be hundreds of types.
const BATCH: usize = 4096;

/// Events of several types in the order of their sequence numbers. After an error there are no more.
#[derive(Debug)]
pub struct Events {
    types: Vec<Cursor>,
    /// The lowest sequence number that each type may give next, and the type.
    next: BinaryHeap<Reverse<(u64, usize)>>,
    before: Option<u64>,
    directory: PathBuf,
}

#[derive(Debug)]
struct Cursor {
    tasks: Tasks,
    batches: Option<TaskBatches>,
    batch: Option<EventBatch>,
    row: usize,
}

impl Events {
    pub(super) fn new(scans: Vec<Scan>) -> Result<Self, Error> {
        let mut events = Self {
            types: Vec::with_capacity(scans.len()),
            next: BinaryHeap::new(),
            before: None,
            directory: scans.first().map_or_else(PathBuf::new, Scan::directory),
        };
        for scan in scans {
            let mut cursor = Cursor {
                tasks: scan.batch_size(BATCH).lazy_tasks(),
                batches: None,
                batch: None,
                row: 0,
            };
            if let Some(seq) = cursor.seq()? {
                events.next.push(Reverse((seq, events.types.len())));
            }
            events.types.push(cursor);
        }
        Ok(events)
    }

    fn read(&mut self) -> Result<Option<(u64, RecordedEvent)>, Error> {
        let Some(Reverse((seq, index))) = self.next.pop() else {
            return Ok(None);
        };
        if let Some(before) = self.before.filter(|before| *before >= seq) {
            return Err(Error::Order {
                file: self.directory.clone(),
                before,
                seq,
            });
        }
        self.before = Some(seq);
        let cursor = &mut self.types[index];
        let event = cursor
            .batch
            .as_ref()
            .map(|batch| batch.event(cursor.row).to_recorded());
        cursor.row += 1;
        if let Some(next) = cursor.seq()? {
            self.next.push(Reverse((next, index)));
        }
        Ok(event.map(|event| (seq, event)))
    }
}

impl Iterator for Events {
    type Item = Result<(u64, RecordedEvent), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let event = self.read();
        if event.is_err() {
            self.next.clear();
        }
        event.transpose()
    }
}

impl Cursor {
    /// Sequence number of the event that the cursor is at; `None` at the end.
    fn seq(&mut self) -> Result<Option<u64>, Error> {
        loop {
            if let Some(batch) = &self.batch
                && self.row < batch.len()
            {
                return Ok(Some(batch.seq(self.row)));
            }
            self.row = 0;
            self.batch = match &mut self.batches {
                Some(batches) => batches.next().transpose()?,
                None => None,
            };
            if self.batch.is_none() {
                let Some(task) = self.tasks.next() else {
                    return Ok(None);
                };
                self.batches = Some(task?.batches()?);
            }
        }
    }
}

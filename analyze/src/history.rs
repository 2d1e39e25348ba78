//! What the stores of a capture knew, and when: made of the capture when a query first needs it, and kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use capture::{CaptureReader, SeqRange};
use datafusion::error::Result;
use detectors_api::columns::TIMESTAMP;
use detectors_stores::{Stores, StoresAt};

use crate::scan::from_capture;

/// Segments whose times are kept: 16 MB for a segment of a million events.
const SEGMENTS: usize = 2;

/// The stores of a capture with their whole history, and the times of its events.
#[derive(Debug)]
pub(crate) struct History {
    reader: CaptureReader,
    stores: Mutex<Option<Arc<Stores>>>,
    times: Mutex<VecDeque<(SeqRange, Arc<Times>)>>,
}

/// Sequence number and time (ns since the Unix epoch) of the events that have one, in order.
type Times = [(u64, i64)];

impl History {
    pub(crate) fn of(reader: CaptureReader) -> Self {
        Self {
            reader,
            stores: Mutex::default(),
            times: Mutex::default(),
        }
    }

    /// The stores. Two queries that need them at once wait for the same ones.
    pub(crate) fn stores(&self) -> Result<Arc<Stores>> {
        let mut stores = lock(&self.stores);
        if let Some(stores) = stores.as_ref() {
            return Ok(Arc::clone(stores));
        }
        let made = Arc::new(self.reader.history().map_err(from_capture)?);
        *stores = Some(Arc::clone(&made));
        Ok(made)
    }

    /// When event `seq` happened: ns since the Unix epoch. For an event without a time, and for one that there is not, it is the
    /// time of the last one before; 0, if there is none.
    pub(crate) fn time_ns(&self, seq: u64) -> Result<i64> {
        let segments = self.reader.segments().iter().rev();
        for segment in segments.filter_map(|segment| segment.seq) {
            if segment.first > seq {
                continue;
            }
            let times = self.times(segment)?;
            let after = times.partition_point(|(event, _)| *event <= seq);
            if let Some((_, time)) = after.checked_sub(1).and_then(|last| times.get(last)) {
                return Ok(*time);
            }
        }
        Ok(0)
    }

    /// The times of a segment.
    fn times(&self, segment: SeqRange) -> Result<Arc<Times>> {
        let mut kept = lock(&self.times);
        if let Some((_, times)) = kept.iter().find(|(of, _)| *of == segment) {
            return Ok(Arc::clone(times));
        }
        let mut times = Vec::new();
        for event_type in self.reader.event_types() {
            let scan = self
                .reader
                .scan(event_type)
                .seq_range(segment.first..=segment.last);
            let scan = scan.columns([TIMESTAMP]).map_err(from_capture)?;
            for batch in scan.batches().map_err(from_capture)? {
                let batch = batch.map_err(from_capture)?;
                times.extend(
                    batch
                        .events()
                        .filter_map(|event| Some((event.seq(), event.timestamp_ns()?))),
                );
            }
        }
        times.sort_unstable();
        let times: Arc<Times> = times.into();
        kept.truncate(SEGMENTS - 1);
        kept.push_front((segment, Arc::clone(&times)));
        Ok(times)
    }
}

/// The stores as they were at the end of the capture, those of each machine.
pub(crate) fn at_end(stores: &Stores) -> Vec<StoresAt<'_>> {
    let machines = stores.machines().len() as u64;
    // Numbers that follow each other are of different machines.
    let mut seqs: Vec<_> = (0..machines).map(|back| u64::MAX - back).collect();
    seqs.sort_by_key(|seq| seq % machines);
    seqs.into_iter().map(|seq| stores.at(seq, i64::MAX)).collect()
}

/// What is under the lock is whole at any time, also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

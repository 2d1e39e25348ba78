//! The state around events: deterministic folds with history.
//!
//! A store is fed with what a recording knows at its start (snapshots) and with events, in the order of their sequence
//! numbers. It keeps history, so that it can be asked as of any sequence number: the answer is the state after all events
//! up to and including it. Invariants:
//!
//! * the state after N events depends on the snapshot and on those events alone: not on how they were cut into batches, nor
//!   on what else was recorded, nor on a clock;
//! * reading changes nothing.
//!
//! The process store ([`process`]) is the one there is so far. Replay, live detection and the engine's tests feed it.

pub mod process;

use arrow::array::RecordBatch;
use detectors_api::event::EventBatch;
use detectors_api::stores::Store;

use crate::process::{ProcessStore, ProcessesAt, SnapshotError};

/// All stores of a recording, with their history.
#[derive(Debug, Default)]
pub struct Stores {
    processes: ProcessStore,
}

/// Events that cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// Events went backwards.
    #[error("event {seq} comes after event {last}, which has already been applied to the stores")]
    OutOfOrder {
        /// The event's sequence number.
        seq: u64,
        /// The last one applied.
        last: u64,
    },
    /// A snapshot after events.
    #[error(
        "a snapshot of the process store must come before all events, but event {last} has already been applied"
    )]
    LateSnapshot {
        /// The last event applied.
        last: u64,
    },
    /// A snapshot that cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl Stores {
    /// Stores that know nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The event types that [`apply`](Self::apply) looks at.
    #[must_use]
    pub const fn event_types() -> &'static [&'static str] {
        &process::EVENT_TYPES
    }

    /// Takes what was running before the first event; see [`process::snapshot_schema`].
    ///
    /// # Errors
    /// If a batch is malformed, or events have been applied already.
    pub fn load_process_snapshot(&mut self, batches: &[RecordBatch]) -> Result<(), FoldError> {
        for batch in batches {
            for task in process::from_batch(batch)? {
                self.processes.add_task(&task)?;
            }
        }
        Ok(())
    }

    /// Applies the events of the next stretch of sequence numbers, in order, however they are cut into batches. Events of
    /// types that no store looks at change nothing.
    ///
    /// # Errors
    /// If an event does not come after all those applied before; then none of these has been applied.
    pub fn apply(&mut self, batches: &[EventBatch]) -> Result<(), FoldError> {
        let mut order: Vec<(u64, usize, usize)> = batches
            .iter()
            .enumerate()
            .filter(|(_, batch)| Self::event_types().contains(&batch.event_type()))
            .flat_map(|(index, batch)| {
                batch
                    .seqs()
                    .iter()
                    .enumerate()
                    .map(move |(row, seq)| (*seq, index, row))
            })
            .collect();
        order.sort_unstable();
        if let (Some((seq, ..)), Some(last)) = (order.first(), self.processes.last_seq())
            && *seq <= last
        {
            return Err(FoldError::OutOfOrder { seq: *seq, last });
        }
        for (_, batch, row) in order {
            self.processes.apply(&batches[batch].event(row));
        }
        Ok(())
    }

    /// The stores as of event `seq`.
    #[must_use]
    pub fn at(&self, seq: u64) -> StoresAt<'_> {
        StoresAt {
            processes: self.processes.at(seq),
        }
    }

    /// The process store.
    #[must_use]
    pub fn processes(&self) -> &ProcessStore {
        &self.processes
    }
}

/// The stores as of one event.
#[derive(Clone, Copy, Debug)]
pub struct StoresAt<'a> {
    processes: ProcessesAt<'a>,
}

impl<'a> StoresAt<'a> {
    /// Path of the binary that a process ran as of the event; `None` if unknown.
    #[must_use]
    pub fn executable_path(&self, entity_id: u32) -> Option<&'a str> {
        self.processes.executable_path(entity_id)
    }
}

impl detectors_api::stores::Stores for StoresAt<'_> {
    fn processes(&self) -> &dyn detectors_api::stores::ProcessStore {
        &self.processes
    }

    fn is_available(&self, store: Store) -> bool {
        store == Store::Process
    }
}

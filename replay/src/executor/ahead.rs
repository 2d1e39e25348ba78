//! Columns that are decoded before detectors ask for them.
//!
//! Late columns are decoded by whoever asks first, and everybody else who asks meanwhile has to wait. So what detectors asked of
//! the events of a type in one window is decoded for the next ones while their row groups are read, on any thread. It is a guess:
//! it changes no result, since a column that nobody asks for is nobody's fault.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use detectors_api::event::EventBatch;

/// What was lately asked for, by event type: places in the layout.
#[derive(Debug, Default)]
pub(crate) struct ReadAhead(Mutex<BTreeMap<&'static str, Vec<usize>>>);

impl ReadAhead {
    /// Decodes what was asked of the last events of this type. A single thread can as well wait until somebody asks.
    pub(crate) fn prepare(&self, batch: &EventBatch) {
        if batch.is_empty() || rayon::current_num_threads() == 1 {
            return;
        }
        let asked = self.lock().get(batch.event_type()).cloned();
        batch.read_ahead(&asked.unwrap_or_default());
    }

    /// Takes note of what was asked of events that have gone through the detectors.
    pub(crate) fn learn<'a>(&self, batches: impl Iterator<Item = &'a EventBatch>) {
        let mut asked: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for batch in batches {
            let columns = asked.entry(batch.event_type()).or_default();
            columns.extend(batch.late_columns_asked_for());
        }
        for columns in asked.values_mut() {
            columns.sort_unstable();
            columns.dedup();
        }
        self.lock().extend(asked);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Vec<usize>>> {
        // Every state of it is good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

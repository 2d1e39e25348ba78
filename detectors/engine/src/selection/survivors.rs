//! The events that detectors want.

use arrow::array::RecordBatch;
use detectors_api::columns::layout;
use detectors_api::event::{Contexts, EventBatch};

/// The events of a batch that some detector wants, and who wants each.
///
/// They are good for the engine whose [`Selector`](super::Selector) has selected them, as long as no detector is enabled or
/// disabled.
#[derive(Clone, Debug)]
pub struct Survivors {
    /// Nothing but events that somebody wants.
    batch: EventBatch,
    /// Rows of `batch`, each with the slot of a detector that wants it; in order.
    wanted: Vec<(u32, u32)>,
    /// Number of events that were looked at.
    seen: u64,
}

impl Survivors {
    /// The rows of `batch` that somebody wants: the number of each with the slot of a detector, in order.
    pub(super) fn of(batch: &EventBatch, wanted: Vec<(u32, u32)>) -> Self {
        Self {
            seen: batch.len() as u64,
            ..Self::keep(batch, wanted)
        }
    }

    /// None of `seen` events of this type: nobody can want any of them.
    #[must_use]
    pub fn pruned(event_type: &str, seen: u64) -> Self {
        let layout = layout(event_type);
        let columns = RecordBatch::new_empty(layout.schema().clone());
        Self {
            batch: EventBatch::try_new(layout.name(), columns, Contexts::default())
                .expect("the columns are the layout's own, and there are no rows to be wrong"),
            wanted: Vec::new(),
            seen,
        }
    }

    /// The events, and nothing else.
    #[must_use]
    pub fn batch(&self) -> &EventBatch {
        &self.batch
    }

    /// Their sequence numbers, in row order.
    #[must_use]
    pub fn seqs(&self) -> &[u64] {
        self.batch.seqs()
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Their event type: a catalogue name.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        self.batch.event_type()
    }

    /// Number of events that were looked at to find them. What [`split_off`](Self::split_off) gives has looked at none itself.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Moves the events from sequence number `seq` on to survivors of their own. Both still share what is decoded of them, so
    /// that a column is decoded once however often they are split.
    #[must_use = "the events are in there now"]
    pub fn split_off(&mut self, seq: u64) -> Self {
        let cut = self.seqs().partition_point(|found| *found < seq);
        let first = cut as u32;
        let after = self.wanted.partition_point(|(row, _)| *row < first);
        let wanted = self.wanted.split_off(after);
        let rest = Self {
            batch: self.batch.slice(cut, self.len() - cut),
            wanted: wanted
                .into_iter()
                .map(|(row, slot)| (row - first, slot))
                .collect(),
            seen: 0,
        };
        self.batch = self.batch.slice(0, cut);
        rest
    }

    /// Row numbers, each with the slot of a detector that wants it; by row.
    pub(crate) fn wanted(&self) -> &[(u32, u32)] {
        &self.wanted
    }

    /// Keeps only the rows of `batch` that are `wanted`.
    fn keep(batch: &EventBatch, mut wanted: Vec<(u32, u32)>) -> Self {
        let mut rows: Vec<u32> = Vec::with_capacity(wanted.len());
        for (row, _) in &mut wanted {
            if rows.last() != Some(row) {
                rows.push(*row);
            }
            *row = rows.len() as u32 - 1;
        }
        Self {
            batch: if rows.len() == batch.len() {
                batch.clone()
            } else {
                batch.take(&rows)
            },
            wanted,
            seen: 0,
        }
    }
}

//! Which events which detectors get: all filters of all detectors at once, column by column.
//!
//! A [`Selector`] knows, for every event type, what all detectors of an engine require of it. Every distinct text of a
//! dictionary, every number and every process context is looked at once for all of them; most rows then cost one look-up in
//! a table. [`Selector::select`] gives the rows that are left, and who wants each. Invariants:
//!
//! * A detector gets exactly the events that [`Filter::matches`] lets pass for one of its requirements: how they are cut into
//!   batches and how their columns are encoded does not matter.
//! * Rows that have more to say than their columns (`_extra`) are decided by [`Filter::matches`] itself.
//! * A selection reads only the columns that [`Selector::columns`] names, besides `seq` and `_extra`.

mod column;
mod contexts;
mod describe;
mod group;
mod prune;
mod rows;
mod steps;
mod survivors;
mod texts;
mod trie;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use detectors_api::columns::layout;
use detectors_api::event::EventBatch;

use crate::filter::Filter;
use crate::slot::{Slot, Source};
pub use describe::{Described, Evaluation};
use group::{Group, Requirement};
pub use prune::Facts;
pub use survivors::Survivors;

/// What events are looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Their detections.
    Detect,
    /// What detectors remember of them.
    WarmUp,
}

/// Finds the events that the detectors of an engine want. Cheap to clone, and can be used by many threads at once.
#[derive(Clone, Debug)]
pub struct Selector {
    /// By event type.
    types: Arc<BTreeMap<String, Vec<Group>>>,
    /// Ids of the detectors, by slot.
    detectors: Arc<[Arc<str>]>,
}

impl Selector {
    /// Selects for the `active` ones of `slots`.
    pub(crate) fn new(slots: &[Slot], active: &[bool]) -> Self {
        let mut requirements: BTreeMap<&str, Vec<Requirement>> = BTreeMap::new();
        for (number, slot) in slots.iter().enumerate().filter(|(number, _)| active[*number]) {
            let recorded = slot
                .inputs
                .iter()
                .filter(|input| input.source == Source::Recorded);
            for input in recorded {
                let wanted = input.filters.iter().map(|filter| Requirement {
                    slot: number,
                    filter: filter.clone(),
                });
                requirements.entry(&input.event).or_default().extend(wanted);
            }
        }
        let types = requirements.into_iter();
        Self {
            types: Arc::new(
                types
                    .map(|(event, wanted)| (event.to_owned(), Group::of(layout(event), &wanted)))
                    .collect(),
            ),
            detectors: slots.iter().map(|slot| Arc::clone(&slot.id)).collect(),
        }
    }

    /// The types of recorded events that detectors want, sorted.
    #[must_use]
    pub fn event_types(&self) -> Vec<&str> {
        self.types.keys().map(String::as_str).collect()
    }

    /// The columns that [`select`](Self::select) reads of events of this type, by their names in its layout, sorted; besides `seq`
    /// and `_extra`.
    #[must_use]
    pub fn columns(&self, event_type: &str) -> Vec<&str> {
        let groups = self.groups(event_type).iter();
        let columns: BTreeSet<_> = groups.flat_map(Group::columns).collect();
        columns.into_iter().collect()
    }

    /// The events of `batch` that some detector wants.
    #[must_use]
    pub fn select(&self, batch: &EventBatch) -> Survivors {
        Survivors::of(batch, self.wanted(batch))
    }

    /// The same of a batch whose columns may turn out to be broken, looking at no more than `at_once` events at a time. What is read
    /// of those that are left, and what is found wrong with it, does not depend on that number.
    ///
    /// # Errors
    /// If columns that it has to look at cannot be decoded: says of each where and why.
    pub fn try_select(&self, batch: &EventBatch, at_once: usize) -> Result<Survivors, BTreeSet<String>> {
        let mut wanted = Vec::new();
        let mut faults = BTreeSet::new();
        for first in (0..batch.len()).step_by(at_once.max(1)) {
            let piece = batch.slice(first, at_once.max(1).min(batch.len() - first));
            let found = self.wanted(&piece).into_iter();
            wanted.extend(found.map(|(row, slot)| (row + first as u32, slot)));
            // Such a column reads as absent: it has not decided anything.
            faults.extend(piece.faults().map(str::to_owned));
        }
        if faults.is_empty() {
            Ok(Survivors::of(batch, wanted))
        } else {
            Err(faults)
        }
    }

    /// The rows of `batch` that some detector wants, each with the detector's slot; in order.
    fn wanted(&self, batch: &EventBatch) -> Vec<(u32, u32)> {
        let odd: Vec<u32> = batch.rows_with_extra().map(|row| row as u32).collect();
        let groups = self.groups(batch.event_type());
        let mut wanted: Vec<(u32, u32)> = Vec::new();
        for group in groups {
            for (row, mut mask) in group.select(batch, &odd) {
                while mask != 0 {
                    let requirement = &group.requirements()[mask.trailing_zeros() as usize];
                    wanted.push((row, requirement.slot as u32));
                    mask &= mask - 1;
                }
            }
        }
        if groups.len() > 1 {
            wanted.sort_unstable();
        }
        // Several requirements of one detector may let an event pass, but it gets it once.
        wanted.dedup();
        wanted
    }

    /// Whether some detector wants events of this type.
    pub(crate) fn wants(&self, event_type: &str) -> bool {
        self.types.contains_key(event_type)
    }

    fn groups(&self, event_type: &str) -> &[Group] {
        self.types.get(event_type).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The rows of `batch` that one filter lets pass, in order.
pub(crate) fn rows(filter: &Filter, batch: &EventBatch) -> Vec<usize> {
    let requirement = Requirement {
        slot: 0,
        filter: filter.clone(),
    };
    let odd: Vec<u32> = batch.rows_with_extra().map(|row| row as u32).collect();
    let groups = Group::of(batch.layout(), &[requirement]);
    let selected = groups.iter().flat_map(|group| group.select(batch, &odd));
    selected.map(|(row, _)| row as usize).collect()
}

//! Tests of process contexts.

use std::cell::Cell;

use arrow::array::{Array, AsArray};
use arrow::datatypes::UInt32Type;
use detectors_api::columns::CTX;
use detectors_api::event::{Event, EventBatch};

use super::rows::Rows;
use crate::filter::ScopeTested;

/// A table of what each context passes pays off if there are at most that many contexts for each row that is left.
const CONTEXTS_PER_ROW: usize = 16;

/// All tests of who did it, and where, that the process context alone decides.
#[derive(Clone, Debug, Default)]
pub(super) struct ContextTests {
    /// The requirements that test it.
    tested: u64,
    /// Distinct tests, each with the requirements that have it.
    tests: Vec<(u64, ScopeTested)>,
}

impl ContextTests {
    pub(super) fn add(&mut self, bit: u64, test: &ScopeTested) {
        self.tested |= bit;
        match self.tests.iter_mut().find(|(_, known)| known == test) {
            Some((bits, _)) => *bits |= bit,
            None => self.tests.push((bit, test.clone())),
        }
    }

    pub(super) fn tested(&self) -> u64 {
        self.tested
    }

    /// Leaves only those rows, and those requirements, that pass. Each context is looked at once, if that pays off.
    pub(super) fn thin(&self, batch: &EventBatch, rows: &mut Rows) {
        if self.tested == 0 {
            return;
        }
        let by_event = |row: usize| self.mask(&batch.event(row));
        let contexts = batch.common_column(CTX);
        let contexts = contexts.and_then(|column| column.as_primitive_opt::<UInt32Type>());
        let table = batch.contexts();
        let (Some(contexts), true) = (
            contexts,
            table.len() <= rows.len().saturating_mul(CONTEXTS_PER_ROW),
        ) else {
            return rows.thin(self.tested, by_event);
        };
        // Numbers of contexts are dense.
        let first = table
            .batches()
            .next()
            .map_or(0, |batch| batch.column(0).as_primitive::<UInt32Type>().value(0));
        // 0 stands for "not looked at". A context has it only if 64 requirements test it and it passes none of them; then it
        // is looked at again.
        let known = vec![Cell::new(0_u64); table.len()];
        rows.thin(self.tested, |row| {
            let number = contexts.is_valid(row).then(|| contexts.value(row));
            let index = number.and_then(|number| number.checked_sub(first));
            let Some(known) = index.and_then(|index| known.get(index as usize)) else {
                return by_event(row);
            };
            if known.get() == 0 {
                known.set(by_event(row));
            }
            known.get()
        });
    }

    fn mask(&self, event: &Event<'_>) -> u64 {
        let failed = self.tests.iter().filter(|(_, test)| !test.matches(event));
        failed.fold(u64::MAX, |mask, (bits, _)| mask & !bits)
    }
}

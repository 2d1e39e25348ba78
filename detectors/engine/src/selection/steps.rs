//! All tests of a column of numbers, as one function.

use std::collections::BTreeMap;

use crate::filter::Conditions;

/// Which requirements a number satisfies. That changes at few numbers only, so it is found by a binary search.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    /// Numbers from which on the answer is another one, in order.
    starts: Vec<i128>,
    /// The answers: below the first start, and from each start on.
    masks: Vec<u64>,
}

impl Steps {
    /// The steps of these tests, each with the bit of its requirement.
    pub(super) fn new<'a>(tests: impl Iterator<Item = (u64, &'a Conditions<i128>)>) -> Self {
        // Which bits change where. The stretches of one test do not overlap, so each bit is set and cleared in turns.
        let mut changes: BTreeMap<i128, u64> = BTreeMap::new();
        for (bit, conditions) in tests {
            for (low, high) in conditions.stretches() {
                *changes.entry(low).or_default() ^= bit;
                *changes.entry(high + 1).or_default() ^= bit;
            }
        }
        let (mut starts, mut masks) = (Vec::new(), vec![0]);
        let mut mask = 0;
        for (start, changed) in changes {
            mask ^= changed;
            starts.push(start);
            masks.push(mask);
        }
        Self { starts, masks }
    }

    /// The requirements that `number` satisfies.
    pub(super) fn mask(&self, number: i128) -> u64 {
        self.masks[self.starts.partition_point(|start| *start <= number)]
    }

    /// The requirements that some number from `low` to `high` satisfies.
    pub(super) fn mask_between(&self, low: i128, high: i128) -> u64 {
        let first = self.starts.partition_point(|start| *start <= low);
        let last = self.starts.partition_point(|start| *start <= high);
        let masks = self.masks.get(first..=last).unwrap_or_default();
        masks.iter().fold(0, |all, mask| all | mask)
    }
}

//! What a row group is known to hold by the footer of its file, without reading any of it.

use std::ops::RangeInclusive;

use capture::ScanTask;
use detectors_engine::Facts;

/// The facts of a task, as the engine asks for them.
pub(crate) struct TaskFacts<'a>(pub(crate) &'a ScanTask);

impl Facts for TaskFacts<'_> {
    fn number_range(&self, column: &str) -> Option<RangeInclusive<i128>> {
        self.0.number_range(column)
    }

    fn may_hold(&self, column: &str, text: &str) -> bool {
        self.0.may_hold(column, text)
    }
}

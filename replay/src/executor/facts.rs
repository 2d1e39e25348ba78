//! What a row group is known to hold by the footer of its file, without reading any of it.

use std::ops::RangeInclusive;

use arrow::array::StringArray;
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

    fn dictionary(&self, _: &str) -> Option<StringArray> {
        // Selecting begins with the dictionaries: to decode them for this, too, would only cost.
        None
    }
}

//! Telling from what is known about a row group that no detector wants any row of it.

use std::ops::RangeInclusive;

use super::Selector;

/// What is known about the rows of one event type without decoding them. Columns have their names in the type's layout.
///
/// "Not known" is always a right answer.
pub trait Facts {
    /// A range that all numbers of a column are in, nulls aside; timestamps are ns since the Unix epoch. `None` if not known.
    fn number_range(&self, column: &str) -> Option<RangeInclusive<i128>>;

    /// Whether a column of texts may hold `text`; `false` only if it surely does not.
    fn may_hold(&self, column: &str, text: &str) -> bool;
}

impl Selector {
    /// Whether some detector may want an event among rows of this type of which `facts` are known.
    ///
    /// It is `false` only if [`select`](Self::select) would find nothing, **provided that no row has anything in `_extra`**: what
    /// such rows say is not in their columns, so facts about columns prove nothing.
    #[must_use]
    pub fn may_pass(&self, event_type: &str, facts: &dyn Facts) -> bool {
        let mut groups = self.groups(event_type).iter();
        groups.any(|group| group.may_pass(facts))
    }
}

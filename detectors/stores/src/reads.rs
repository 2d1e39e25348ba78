//! What folds read of events.

use detectors_api::columns::{CTX, TIMESTAMP, layout};

/// An event type that changes a store, and the fields that are read of it. What it says of who did it is read, too.
#[derive(Debug)]
pub(crate) struct Reads {
    pub(crate) event_type: &'static str,
    pub(crate) fields: &'static [&'static str],
}

impl Reads {
    /// The columns in which this is kept.
    pub(crate) fn columns(&self) -> Vec<&'static str> {
        let fields = layout(self.event_type).fields().iter();
        let read = fields.filter(|field| self.fields.contains(&field.name));
        [TIMESTAMP, CTX]
            .into_iter()
            .chain(read.map(|field| field.column.as_str()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::Stores;

    #[test]
    fn columns_are_told_of_all_types_that_stores_look_at_and_of_no_others() {
        let exit = [
            "timestamp",
            "ctx",
            "exit_code",
            "signal_code",
            "process_group_exit",
        ];
        assert_eq!(Stores::columns("sched_process_exit"), Some(&exit[..]));
        assert_eq!(Stores::columns("openat"), None);
        let types: BTreeSet<_> = Stores::event_types().into_iter().collect();
        assert_eq!(types.len(), Stores::event_types().len());
        for event in types {
            assert!(
                Stores::columns(event).is_some_and(|columns| columns.len() > 2),
                "{event}"
            );
        }
    }
}

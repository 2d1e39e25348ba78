//! Filters on columns and on single events against a plain evaluator, which reads the filter's text and the event's message.

mod events;
mod naive;
mod sets;

use detectors_api::catalogue::catalogue;
use detectors_api::event::RecordedEvent;
use detectors_api::testkit::batches_of;
use detectors_engine::filter::{FieldInfo, Filter};
use proptest::prelude::*;

use events::{data_filters, recording, scope_filters};

/// Whether an event of the catalogue passes all filters.
fn passes(event: &RecordedEvent, data: &[String], scope: &[String]) -> bool {
    let definition = catalogue().get(&event.event.name);
    naive::passes(event, &|name| definition?.field(name)?.field_type, data, scope)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn columns_and_events_are_filtered_as_the_rules_say(
        (event, recorded) in recording(),
        data in data_filters(),
        scope in scope_filters(),
    ) {
        let definition = catalogue().get(event).expect("known");
        // Filters are drawn for all events; those on fields of others are not for this one.
        let data: Vec<String> = data
            .into_iter()
            .filter(|filter| definition.field(naive::field(filter)).is_some())
            .collect();
        let fields = FieldInfo::of_event(definition, Some("x86_64"));
        let filter = Filter::new(&fields, &data, &scope);
        prop_assert!(filter.is_ok(), "{data:?} {scope:?}: {:?}", filter.err());
        let filter = filter.expect("checked");

        let mut passed = Vec::new();
        for batch in batches_of(&recorded) {
            for row in filter.select(&batch) {
                passed.push(batch.seq(row));
            }
            for (row, seq) in batch.seqs().iter().enumerate() {
                let view = batch.event(row);
                let expected = passes(&recorded[*seq as usize - 1], &data, &scope);
                prop_assert_eq!(filter.matches(&view), expected, "event {}: {:?} {:?}", seq, &data, &scope);
                prop_assert_eq!(filter.rejections(&view).is_empty(), expected);
            }
            // A slice shares the dictionary of the whole.
            let tail = batch.slice(batch.len() / 3, batch.len() - batch.len() / 3);
            let expected: Vec<_> = filter.select(&batch).into_iter().filter_map(|row| row.checked_sub(batch.len() / 3)).collect();
            prop_assert_eq!(filter.select(&tail), expected);
        }
        passed.sort_unstable();
        let expected: Vec<_> = (1..)
            .zip(&recorded)
            .filter(|(_, event)| passes(event, &data, &scope))
            .map(|(seq, _)| seq)
            .collect();
        prop_assert_eq!(passed, expected, "{:?} {:?}", data, scope);
    }
}

//! Filters: any text compiles or is refused, and both ways to evaluate a filter agree.

use std::cell::OnceCell;

use detectors_api::catalogue::catalogue;
use detectors_api::event::EventBatch;
use detectors_engine::filter::{FieldInfo, Filter};

use crate::events;

thread_local! {
    static WINDOW: OnceCell<Vec<EventBatch>> = const { OnceCell::new() };
}

/// Reads each line as a filter: on data, or on scope if it starts with `@`. Filters that compile are merged with those before
/// them, so that combinations are tried, too.
///
/// # Panics
/// If an error points outside of its filter, or the two evaluations differ.
pub fn filter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    WINDOW.with(|window| {
        for batch in window.get_or_init(events::window) {
            let definition = catalogue()
                .get(batch.event_type())
                .expect("the events are of the catalogue");
            let fields = FieldInfo::of_event(definition, Some("x86_64"));
            let (mut data, mut scope) = (Vec::new(), Vec::new());
            for line in text.lines().take(8) {
                let list = match line.strip_prefix('@') {
                    Some(line) => {
                        scope.push(line.to_owned());
                        &mut scope
                    }
                    None => {
                        data.push(line.to_owned());
                        &mut data
                    }
                };
                let last = list.len() - 1;
                match Filter::new(&fields, &data, &scope) {
                    Ok(filter) => agree(&filter, batch),
                    Err(errors) => {
                        for error in errors {
                            assert!(error.offset <= error.filter.len(), "{error:?}");
                            assert!(!error.to_string().is_empty());
                        }
                        match line.starts_with('@') {
                            true => scope.truncate(last),
                            false => data.truncate(last),
                        }
                    }
                }
            }
        }
    });
}

fn agree(filter: &Filter, batch: &EventBatch) {
    let one_by_one: Vec<usize> = (0..batch.len())
        .filter(|row| filter.matches(&batch.event(*row)))
        .collect();
    assert_eq!(filter.select(batch), one_by_one, "{}", batch.event_type());
}

//! CEL: any text compiles or is refused in its own words, and a program has the same value for an event every time.

use std::collections::BTreeMap;

use detectors_api::detector::Context;
use detectors_api::event::EventBatch;
use detectors_stores::Stores;
use detectors_yaml::cel::{Environment, to_output};

use crate::events;

/// Compiles the text as an expression and as a condition, and evaluates it for a few events.
///
/// # Panics
/// If a problem lies outside of the text, or a second evaluation differs from the first.
pub fn cel(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    thread_local! {
        static WINDOW: (Vec<EventBatch>, Stores, Environment) = window();
    }
    WINDOW.with(|(batches, stores, environment)| {
        let condition = environment.condition(text);
        let program = match environment.expression(text) {
            Ok(program) => program,
            Err(errors) => {
                assert!(condition.is_err(), "a condition that is no expression");
                assert!(!errors.is_empty());
                for error in errors {
                    assert!(text.is_char_boundary(error.offset), "{error:?}");
                    assert!(!error.message.is_empty());
                }
                return;
            }
        };
        for (offset, name) in program.fields() {
            assert!(text.is_char_boundary(offset), "{name} at {offset}");
        }
        for batch in batches {
            for row in 0..batch.len() {
                let event = batch.event(row);
                let stores = stores.at(event.seq(), event.timestamp_ns().unwrap_or_default());
                let context = Context::new(&stores);
                let value = program.value(&event, &context);
                // Not a number is not equal to itself.
                let again = program.value(&event, &context);
                assert_eq!(format!("{value:?}"), format!("{again:?}"));
                if let Ok(value) = value {
                    let _ = to_output(&value, None);
                }
                if let Ok(condition) = &condition {
                    let _ = condition.holds(&event, &context);
                }
            }
        }
    });
}

fn window() -> (Vec<EventBatch>, Stores, Environment) {
    let batches = events::window();
    let mut stores = Stores::new();
    stores.apply(&batches).expect("the events are numbered in order");
    let shells = ["/bin/sh", "/bin/bash"].map(str::to_owned);
    let lists = BTreeMap::from([("SHELLS".to_owned(), shells.into_iter().collect())]);
    (batches, stores, Environment::new(lists))
}

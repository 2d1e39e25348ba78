//! CEL over events: what the language has, what of it is an error, and where it ends.

mod budget;
mod checks;
mod differential;
mod docs;
mod events;
mod functions;
mod language;
mod output;
mod stores;

use std::collections::BTreeMap;
use std::sync::Arc;

use detectors_api::detector::Context;
use detectors_api::event::Event;
use detectors_api::proto;
use detectors_api::stores::Stores;
use detectors_api::testkit::{MockStores, TestEvent, batches};
use detectors_yaml::cel::{CelError, Environment, EvalError, Value};

/// An environment with the lists `SHELLS` and `EMPTY`.
pub fn environment() -> Environment {
    let list = |texts: &[&str]| -> Arc<[String]> { texts.iter().map(|text| (*text).to_owned()).collect() };
    Environment::new(BTreeMap::from([
        ("SHELLS".to_owned(), list(&["/bin/sh", "/usr/bin/bash", "sh"])),
        ("EMPTY".to_owned(), list(&[])),
    ]))
}

/// The problems of a condition.
pub fn problems(source: &str) -> Vec<CelError> {
    environment()
        .condition(source)
        .err()
        .unwrap_or_else(|| panic!("{source} compiles"))
}

/// The value of an expression for `event`.
pub fn ask(event: &Event<'_>, stores: &dyn Stores, source: &str) -> Result<Value, EvalError> {
    let program = environment()
        .expression(source)
        .unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
    program.value(event, &Context::new(stores))
}

/// The value of an expression for `event`, which lies in columns.
pub fn value_for(event: &TestEvent, source: &str) -> Result<Value, EvalError> {
    let batches = batches(std::slice::from_ref(event));
    ask(&batches[0].event(0), &MockStores::new(), source)
}

/// The value of an expression for a message.
pub fn value_of_message(event: &proto::Event, source: &str) -> Result<Value, EvalError> {
    ask(&Event::from_message(1, event), &MockStores::new(), source)
}

/// The value of an expression that does not look at its event.
pub fn value(source: &str) -> Result<Value, EvalError> {
    value_for(&TestEvent::new("close"), source)
}

/// Asserts that each of `sources` is true for `event`, whether it lies in columns or is a message.
pub fn assert_true(event: &TestEvent, sources: &[&str]) {
    let message = event.to_recorded().event;
    for source in sources {
        assert_eq!(value_for(event, source), Ok(Value::Bool(true)), "{source}");
        assert_eq!(
            value_of_message(&message, source),
            Ok(Value::Bool(true)),
            "{source}"
        );
    }
}

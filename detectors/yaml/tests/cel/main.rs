//! CEL over events: what the language has, what of it is an error, and where it ends.

mod language;

use std::collections::BTreeMap;
use std::sync::Arc;

use detectors_api::detector::Context;
use detectors_api::stores::NullStores;
use detectors_api::testkit::{TestEvent, batches};
use detectors_yaml::cel::{CelError, Environment, EvalError, Value};

/// An environment with the lists `SHELLS` and `EMPTY`.
pub fn environment() -> Environment {
    let list = |texts: &[&str]| -> Arc<[String]> { texts.iter().map(|text| (*text).to_owned()).collect() };
    Environment::new(BTreeMap::from([
        ("SHELLS".to_owned(), list(&["/bin/sh", "/bin/bash", "sh"])),
        ("EMPTY".to_owned(), list(&[])),
    ]))
}

/// The problems of an expression.
pub fn problems(source: &str) -> Vec<CelError> {
    environment()
        .expression(source)
        .err()
        .unwrap_or_else(|| panic!("{source} compiles"))
}

/// The value of an expression for `event`.
pub fn value_for(event: &TestEvent, source: &str) -> Result<Value, EvalError> {
    let program = environment()
        .expression(source)
        .unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
    let batches = batches(std::slice::from_ref(event));
    program.value(&batches[0].event(0), &Context::new(&NullStores))
}

/// The value of an expression that does not look at its event.
pub fn value(source: &str) -> Result<Value, EvalError> {
    value_for(&TestEvent::new("close"), source)
}

/// Asserts that every one of `sources` is true.
pub fn assert_true(event: &TestEvent, sources: &[&str]) {
    for source in sources {
        assert_eq!(value_for(event, source), Ok(Value::Bool(true)), "{source}");
    }
}

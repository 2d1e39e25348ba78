//! An evaluation ends, and so does a compilation, whatever the text.

use std::time::{Duration, Instant};

use detectors_api::detector::Context;
use detectors_api::stores::NullStores;
use detectors_api::testkit::{TestEvent, batches};
use detectors_yaml::cel::{EvalError, STEPS};
use proptest::prelude::*;

use crate::{environment, value};

const OVERRUN: EvalError = EvalError::Budget { limit: STEPS };

#[test]
fn nested_comprehensions_end() {
    let list = "[1,2,3,4,5,6,7,8,9,10,11,12]";
    let mut source = "true".to_owned();
    for variable in ["a", "b", "c", "d", "e", "f"] {
        source = format!("{list}.all({variable}, {source})");
    }
    let start = Instant::now();
    assert_eq!(value(&source), Err(OVERRUN));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn no_operator_absorbs_an_overrun() {
    let long = "[0,1,2,3,4,5,6,7,8,9]";
    let endless = format!(
        "{long}.all(a, {long}.all(b, {long}.all(c, {long}.all(d, {long}.all(e, {long}.all(f, true))))))"
    );
    for source in [
        format!("{endless} || true"),
        format!("!({endless} && false)"),
        format!("[1].exists(x, {endless} || x == 1)"),
        format!("[1, 2].map(x, {endless}) == []"),
    ] {
        assert_eq!(value(&source), Err(OVERRUN), "{source}");
    }
}

#[test]
fn growth_ends() {
    // Each step makes the text or list ten times as long.
    let grow = |start: &str, step: &str, times: usize| {
        (0..times).fold(start.to_owned(), |s, _| step.replace('_', &s))
    };
    for source in [
        format!(
            "size({})",
            grow("'aaaaaaaaaa'", "replace(_, 'a', 'aaaaaaaaaa')", 9)
        ),
        format!(
            "size({})",
            grow("[1,2,3]", "[_].map(x, x + x + x + x + x + x + x + x)[0]", 9)
        ),
        format!(
            "size({})",
            grow(
                "['aaaaaaaaaa']",
                "[join(_.map(x, x + x + x + x + x + x + x + x), '')]",
                12
            )
        ),
    ] {
        assert_eq!(value(&source), Err(OVERRUN), "{source}");
    }
}

#[test]
fn steps_depend_on_nothing_but_the_event() {
    let program = environment()
        .expression("[1,2,3].map(x, [x, x * 2]).filter(y, y[0] > 1).all(z, string(z[1]).size() == 1)")
        .expect("it compiles");
    let batches = batches(&[TestEvent::new("close")]);
    let event = batches[0].event(0);
    let context = Context::new(&NullStores);
    let values: Vec<_> = (0..3).map(|_| program.value(&event, &context)).collect();
    assert!(values.iter().all(|value| *value == values[0]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_text_makes_it_panic(source in ".{0,200}") {
        let _ = environment().expression(&source);
    }

    #[test]
    fn no_sequence_of_words_makes_it_panic(words in prop::collection::vec(prop::sample::select(&[
        "event", "workload", "timestamp", ".", "process", "pid", "data", "(", ")", "[", "]", "{", "}", ",", ":", "?",
        "==", "!=", "<", ">=", "in", "&&", "||", "!", "-", "+", "*", "/", "%", "1", "0u", "1.5", "'a'", "b'\\xff'",
        "r'\\d'", "null", "true", "SHELLS", "x", "has", "all", "exists", "map", "filter", "getEventData", "matches",
        "size", "split", "timestamp", "duration", "'1h'", "getHours", "process.get", "type", "dyn", "string",
        "9223372036854775807", "-9223372036854775808", "'/'", "replace", "\u{e9}", "'\u{1F600}'",
    ][..]), 0..40)) {
        let source = words.join(" ");
        if let Ok(program) = environment().expression(&source) {
            let batches = batches(&[TestEvent::new("sched_process_exec")]);
            let _ = program.value(&batches[0].event(0), &Context::new(&NullStores));
        }
    }
}

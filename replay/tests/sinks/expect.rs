//! Comparing with what is expected.

use detectors_api::definition::DetectorDefinition;
use detectors_api::proto::{EventValue, event_value};
use detectors_engine::Detection;
use proptest::prelude::*;
use replay::{Comparison, ExpectError, Expectation, Format};

use super::detections::{sample, text};

fn expected() -> String {
    text(sample().in_form(Format::Ndjson))
}

fn compare(expected: &str, found: &[Detection]) -> Result<Comparison, ExpectError> {
    let mut expectation = Expectation::new(expected.as_bytes());
    found
        .iter()
        .try_for_each(|detection| expectation.found(detection))?;
    expectation.finish()
}

fn compared(expected: &str, found: &[Detection]) -> Comparison {
    compare(expected, found).expect("it can be compared")
}

#[test]
fn equal_is_equal_however_it_is_spelled() {
    let found = sample().detections;
    let expected = expected();
    let spaced: Vec<_> = expected
        .lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).expect("an object");
            format!("  {value}\r\n\n")
        })
        .collect();
    for text in [expected.as_str(), expected.trim_end(), &spaced.concat()] {
        let comparison = compared(text, &found);
        assert!(comparison.is_equal(), "{comparison}");
        assert_eq!(
            comparison.to_string(),
            format!("as expected: {} detections\n", found.len())
        );
    }
    assert!(compared("", &[]).is_equal());
}

#[test]
fn differences_are_told() {
    let mut found = sample().detections;
    let expected = expected();
    // One is missing, one is not expected, one has another field.
    found.remove(1);
    let mut other = found[1].clone();
    other.event.name = "something_else".to_owned();
    found.push(other);
    found[2].event.threat.get_or_insert_default().severity = 1;
    let comparison = compared(&expected, &found);
    assert_eq!(
        (comparison.missing, comparison.unexpected, comparison.changed),
        (1, 1, 1)
    );
    insta::assert_snapshot!(comparison.to_string());
}

#[test]
fn the_detector_and_the_field_are_named() {
    let mut found = sample().detections;
    let field = |text: &str| EventValue {
        name: "pathname".to_owned(),
        value: Some(event_value::Value::Str(text.to_owned())),
    };
    found[0].event.data = vec![field("/etc/shadow")];
    let mut expected = sample();
    expected.detections = found.clone();
    let expected = text(expected.in_form(Format::Ndjson));
    found[0].event.data = vec![field("/etc/passwd")];
    let name = found[0].event.name.clone();
    let definition = DetectorDefinition::new("ACME-1", name.as_str());
    let mut expectation = Expectation::new(expected.as_bytes()).naming([&definition]);
    found
        .iter()
        .try_for_each(|detection| expectation.found(detection))
        .expect("it can be compared");
    let told = expectation.finish().expect("it can be compared").to_string();
    for part in [
        format!("~ changed: ACME-1 {name} at ").as_str(),
        "    - /data/0/str (pathname): \"/etc/shadow\"\n    + /data/0/str (pathname): \"/etc/passwd\"\n",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn another_order_is_a_difference() {
    let mut found = sample().detections;
    found.swap(1, 2);
    let comparison = compared(&expected(), &found);
    assert!(!comparison.is_equal());
    assert_eq!(
        (comparison.missing, comparison.unexpected, comparison.changed),
        (0, 0, 0)
    );
    assert!(
        comparison.to_string().contains("another order, from number 2 on"),
        "{comparison}"
    );
}

#[test]
fn one_that_is_missing_does_not_shift_the_others() {
    let sample = sample();
    let many: Vec<_> = (0..5000_u64)
        .map(|number| {
            let mut detection = sample.detections[0].clone();
            detection.seq = number;
            detection.event.id = i32::try_from(number).expect("small");
            detection
        })
        .collect();
    let mut lines = Vec::new();
    let mut writer = replay::Writer::new(Format::Ndjson, &mut lines);
    many.iter()
        .cloned()
        .for_each(|one| writer.write(one).expect("memory"));
    writer.finish().expect("memory");
    let comparison = compared(&text(lines), &many[1..]);
    assert_eq!(
        (comparison.equal, comparison.missing, comparison.unexpected),
        (4999, 1, 0)
    );
    assert!(
        comparison.to_string().contains("(line 1 of the expected ones)"),
        "{comparison}"
    );
}

#[test]
fn at_most_twenty_differences_are_shown_and_all_counted() {
    let found = vec![sample().detections[0].clone(); 50];
    let comparison = compared("", &found);
    assert_eq!(comparison.unexpected, 50);
    let text = comparison.to_string();
    assert_eq!(text.lines().filter(|line| line.starts_with('+')).count(), 20);
    assert!(text.contains("and 30 more"), "{text}");
}

#[test]
fn what_is_no_detection_is_an_error() {
    let found = sample().detections;
    let error = compare("{\"a\":1}\nnonsense\n", &found).expect_err("nonsense");
    assert!(matches!(error, ExpectError::Json { line: 2, .. }), "{error}");
    assert!(compare("[]", &found).is_err());
    assert!(compare(&"[".repeat(1000), &found).is_err());
}

proptest! {
    /// Whatever is left out and added on either side, in any order, is counted: as by multisets.
    #[test]
    fn counts_are_those_of_multisets(
        expected in prop::collection::vec(0..6_u32, 0..30),
        found in prop::collection::vec(0..6_u32, 0..30),
    ) {
        let template = Detection { seq: 1, level: 1, detector_id: "X".into(), index: 0, event: Box::default() };
        let detection = |number: &u32| {
            let mut detection = template.clone();
            // Its identity differs, so that nothing counts as changed.
            detection.event.name = format!("event_{number}");
            detection
        };
        let mut lines = Vec::new();
        let mut writer = replay::Writer::new(Format::Ndjson, &mut lines);
        expected.iter().map(detection).for_each(|one| writer.write(one).expect("memory"));
        writer.finish().expect("memory");
        let found_ones: Vec<_> = found.iter().map(detection).collect();
        let comparison = compared(&text(lines), &found_ones);
        let count = |list: &[u32], number| list.iter().filter(|one| **one == number).count() as u64;
        let both: u64 = (0..6).map(|number| count(&expected, number).min(count(&found, number))).sum();
        prop_assert_eq!(comparison.equal, both);
        prop_assert_eq!(comparison.missing, expected.len() as u64 - both);
        prop_assert_eq!(comparison.unexpected, found.len() as u64 - both);
        prop_assert_eq!(comparison.is_equal(), expected == found);
    }
}

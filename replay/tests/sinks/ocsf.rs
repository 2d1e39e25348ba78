//! OCSF.

use replay::{Ending, Format, Roster};
use serde_json::Value;

use super::detections::{sample, text, written};

fn validator() -> jsonschema::Validator {
    let schema = include_str!("../../schemas/ocsf-1.5.0-detection_finding.json");
    jsonschema::validator_for(&serde_json::from_str(schema).expect("JSON")).expect("a schema")
}

fn parsed(bytes: Vec<u8>) -> Vec<Value> {
    text(bytes)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect()
}

#[test]
fn the_public_schema_accepts_it() {
    let sample = sample();
    let full = parsed(sample.in_form(Format::Ocsf(sample.roster())));
    let bare = written(
        Format::Ocsf(Roster::default()),
        None,
        sample.detections.clone(),
        &Ending::default(),
    );
    let validator = validator();
    let all = full.into_iter().chain(parsed(bare));
    let mut seen = 0;
    for finding in all {
        let errors: Vec<_> = validator
            .iter_errors(&finding)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?} in {finding:#}");
        seen += 1;
    }
    assert_eq!(seen, 2 * sample.detections.len());
}

#[test]
fn the_public_schema_is_no_rubber_stamp() {
    let sample = sample();
    let good = &parsed(sample.in_form(Format::Ocsf(sample.roster())))[0];
    for (pointer, bad) in [
        ("/severity_id", Value::from(42)),
        ("/finding_info/uid", Value::Null),
        ("/time", Value::from("now")),
        ("/evidences/0", serde_json::json!({"nobody": "knows"})),
    ] {
        let mut finding = good.clone();
        *finding.pointer_mut(pointer).expect(pointer) = bad;
        assert!(!validator().is_valid(&finding), "{pointer}");
    }
}

#[test]
fn findings_have_ids_of_their_own() {
    let sample = sample();
    let findings = parsed(sample.in_form(Format::Ocsf(sample.roster())));
    let mut ids: Vec<_> = findings
        .iter()
        .map(|finding| finding["finding_info"]["uid"].as_str().expect("an id").to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), sample.detections.len());
}

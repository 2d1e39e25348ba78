//! SARIF.

use std::collections::BTreeSet;

use replay::{Ending, Format, Roster};
use serde_json::Value;

use super::detections::{capture, empty, sample, text, written};

fn validator() -> jsonschema::Validator {
    let schema = include_str!("../../schemas/sarif-2.1.0.json");
    jsonschema::validator_for(&serde_json::from_str(schema).expect("JSON")).expect("a schema")
}

fn check(document: &Value) {
    let errors: Vec<_> = validator()
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

fn parsed(bytes: Vec<u8>) -> Value {
    serde_json::from_str(&text(bytes)).expect("JSON")
}

#[test]
fn the_public_schema_accepts_it() {
    let sample = sample();
    check(&parsed(sample.in_form(Format::Sarif(sample.roster()))));
    check(&parsed(empty(Format::Sarif(sample.roster()))));
    check(&parsed(empty(Format::Sarif(Roster::default()))));
    let alone = written(
        Format::Sarif(Roster::default()),
        None,
        sample.detections,
        &Ending::default(),
    );
    check(&parsed(alone));
}

#[test]
fn the_public_schema_is_no_rubber_stamp() {
    let sample = sample();
    let good = parsed(sample.in_form(Format::Sarif(sample.roster())));
    for (pointer, bad) in [
        ("/runs/0/results/0/level", Value::from("catastrophe")),
        ("/runs/0/tool/driver/name", Value::Null),
        ("/runs/0/results/0/message", Value::from("text")),
        ("/version", Value::from("3")),
    ] {
        let mut document = good.clone();
        *document.pointer_mut(pointer).expect(pointer) = bad;
        assert!(!validator().is_valid(&document), "{pointer}");
    }
}

#[test]
fn results_point_at_their_rules() {
    let sample = sample();
    let document = parsed(sample.in_form(Format::Sarif(sample.roster())));
    let run = &document["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let ids: BTreeSet<_> = rules
        .iter()
        .map(|rule| rule["id"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids.len(), rules.len());
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), sample.detections.len());
    for (result, detection) in results.iter().zip(&sample.detections) {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().expect("a place")).expect("a place")];
        assert_eq!(rule["id"], *detection.detector_id);
        assert_eq!(result["ruleId"], rule["id"]);
        let is_threat = detection.event.threat.is_some();
        assert_eq!(result["kind"], if is_threat { "fail" } else { "informational" });
        assert_eq!(result["level"] == "none", !is_threat);
    }
}

#[test]
fn fingerprints_tell_behaviour_and_nothing_else() {
    let sample = sample();
    let fingerprints = |detections| {
        let document = parsed(written(
            Format::Sarif(sample.roster()),
            Some(&capture()),
            detections,
            &Ending::default(),
        ));
        let results = document["runs"][0]["results"]
            .as_array()
            .expect("results")
            .clone();
        results
            .iter()
            .map(|result| result["partialFingerprints"]["detection/v1"].clone())
            .collect::<Vec<_>>()
    };
    let original = fingerprints(sample.detections.clone());
    // The same again, later and in another process.
    let mut later = sample.detections.clone();
    for detection in &mut later {
        detection.seq += 1000;
        detection.event.timestamp = None;
        let process = detection
            .event
            .workload
            .as_mut()
            .and_then(|workload| workload.process.as_mut());
        if let Some(process) = process {
            process.host_pid = Some(99);
            process.unique_id = None;
        }
    }
    assert_eq!(fingerprints(later), original);
    let mut elsewhere = sample.detections.clone();
    for detection in &mut elsewhere {
        let workload = detection.event.workload.get_or_insert_default();
        workload
            .process
            .get_or_insert_default()
            .executable
            .get_or_insert_default()
            .path = "/other".to_owned();
    }
    for (one, other) in fingerprints(elsewhere).iter().zip(&original) {
        assert_ne!(one, other);
    }
}

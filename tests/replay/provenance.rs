//! The record of a run.

use std::path::Path;

use predicates::prelude::*;
use serde_json::Value;

use crate::support::{make, said, tracee_cap};

#[test]
fn output_is_not_overwritten_and_provenance_names_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 5000);
    let (found, run) = (
        directory.path().join("found.ndjson"),
        directory.path().join("run.json"),
    );
    let replay = || {
        let mut replay = tracee_cap();
        replay
            .arg("replay")
            .arg(&capture)
            .args(["-o", "ndjson", "-w"])
            .arg(&found)
            .arg("--provenance")
            .arg(&run);
        replay
    };
    replay().assert().code(0);
    replay()
        .assert()
        .code(2)
        .stderr(predicate::str::contains("--force overwrites it"));
    replay().arg("--force").assert().code(0);
    let text = std::fs::read(&found).expect("detections");
    let run: Value =
        serde_json::from_slice(&std::fs::read(&run).expect("a record")).expect("the record is JSON");
    assert_eq!(
        run["output"]["detections"],
        text.iter().filter(|byte| **byte == b'\n').count()
    );
    assert_eq!(run["output"]["form"], "ndjson");
    let looked_at = &run["captures"][0];
    assert_eq!(looked_at["detections"], run["output"]["detections"]);
    assert_eq!(looked_at["state"], "closed");
    let detectors = looked_at["detectors"].as_array().expect("a list");
    let count = |detector: &Value, name: &str| detector[name].as_u64().expect("a number");
    for detector in detectors {
        let (seen, filtered) = (count(detector, "seen"), count(detector, "filtered"));
        assert_eq!(seen, filtered + count(detector, "calls"), "{detector}");
    }
    let timing = run["timing"][0]["detectors"].as_array().expect("a list");
    assert_eq!(timing.len(), detectors.len());
    // The generated events come without kernel symbols.
    let refused = looked_at["refused"].as_array().expect("a list");
    assert!(
        refused.iter().any(|refusal| refusal["field"] == "store symbol"),
        "{refused:?}"
    );
}

/// The record of a run, without what may differ between equal runs.
fn record(directory: &Path, capture: &Path, arguments: &[&str]) -> Value {
    let path = directory.join("run.json");
    let mut replay = tracee_cap();
    replay
        .arg("replay")
        .arg(capture)
        .args(arguments)
        .arg("--provenance");
    replay.arg(&path).assert().code(0);
    let mut run: Value = serde_json::from_slice(&std::fs::read(&path).expect("a record")).expect("JSON");
    std::fs::remove_file(path).expect("it is there");
    let fields = run.as_object_mut().expect("an object");
    assert!(fields.remove("timing").is_some() && fields.remove("argv").is_some());
    run
}

#[test]
fn the_record_of_a_run_is_the_same_but_for_times() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 5000);
    let expected = record(directory.path(), &capture, &["--threads", "1"]);
    for others in [
        &["--threads", "1"][..],
        &["--threads", "3", "--batch-size", "10"],
        &["--window", "100"],
    ] {
        assert_eq!(record(directory.path(), &capture, others), expected, "{others:?}");
    }
}

#[test]
fn the_range_is_told_as_asked_and_as_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 9000);
    let run = record(
        directory.path(),
        &capture,
        &[
            "--from",
            "seq:6500",
            "--to",
            "seq:7100",
            "--event",
            "ptrace,openat",
        ],
    );
    let range = &run["captures"][0]["range"];
    assert_eq!(
        (&range["asked_from"], &range["asked_to"]),
        (&"seq:6500".into(), &"seq:7100".into())
    );
    assert_eq!(
        (&range["first_seq"], &range["last_seq"]),
        (&6500.into(), &7100.into())
    );
    assert_eq!(range["events"], 601);
    let time = |name: &str| range[name].as_str().expect("a time").to_owned();
    assert!(time("first_time") < time("last_time"), "{range}");
    let names: Vec<_> = run["captures"][0]["restrictions"]["events"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(names, ["openat", "ptrace"]);
    let read = run["captures"][0]["read"].as_object().expect("counts");
    assert!(
        read.keys().all(|name| name == "openat" || name == "ptrace"),
        "{read:?}"
    );

    let none = record(directory.path(), &capture, &["--from", "2100-01-01"]);
    assert_eq!(none["captures"][0]["range"]["events"], 0);
    assert!(none["captures"][0]["range"].get("first_seq").is_none());
}

#[test]
fn whatever_decides_on_the_detectors_is_in_their_digest() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 500);
    let rules = directory.path().join("rules");
    std::fs::create_dir(&rules).expect("a directory");
    let rule = rules.join("rule.yaml");
    let write = |path: &str| {
        let text = format!(
            "type: detector\nid: ACME-1\nproduced_event:\n  name: acme\n  version: 1.0.0\n  description: a test\nrequirements:\n  events:\n    - name: openat\n      \
             data_filters:\n        - pathname={path}\n"
        );
        std::fs::write(&rule, text).expect("written");
    };
    let choice = format!("TRC-102,{}", rules.display());
    let digests = |more: &[&str]| {
        let arguments: Vec<_> = ["--detectors", &choice].iter().chain(more).copied().collect();
        let run = record(directory.path(), &capture, &arguments);
        let detectors = run["captures"][0]["detectors"]
            .as_array()
            .expect("a list")
            .clone();
        let digests: Vec<_> = detectors
            .iter()
            .map(|detector| detector["digest"].clone())
            .collect();
        assert_eq!(digests.len(), 2);
        assert_eq!(run["files"][0]["path"], rule.display().to_string());
        (
            digests,
            run["files"][0]["digest"].clone(),
            run["captures"][0]["detector_set"].clone(),
        )
    };
    write("/etc/*");
    let before = digests(&[]);
    assert_eq!(digests(&[]), before);
    write("/tmp/*");
    let after = digests(&[]);
    assert_ne!(after.0[0], before.0[0]);
    assert_eq!(after.0[1], before.0[1]);
    assert!(after.1 != before.1 && after.2 != before.2);
    let settings = directory.path().join("settings.yaml");
    std::fs::write(&settings, "detectors:\n  TRC-102:\n    config: {limit: 5}\n").expect("written");
    let configured = digests(&["--config", &settings.display().to_string()]);
    assert_eq!(configured.0[0], after.0[0]);
    assert_ne!(configured.0[1], after.0[1]);
}

#[test]
fn a_record_that_is_there_is_told_before_the_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 50);
    let path = directory.path().join("run.json");
    std::fs::write(&path, "precious").expect("written");
    let (text, code) = said(&["--provenance", &path.display().to_string()], &[&capture]);
    assert!(code == 2 && text.contains("--force overwrites it"), "{text}");
    assert!(!text.contains("found by"), "{text}");
    assert_eq!(std::fs::read(&path).expect("it is there"), b"precious");
    // What it advises works.
    let (text, code) = said(
        &["--force", "--provenance", &path.display().to_string()],
        &[&capture],
    );
    assert_eq!(code, 0, "{text}");
    assert_ne!(std::fs::read(&path).expect("it is there"), b"precious");
    let (text, code) = said(&["--force"], &[&capture]);
    assert!(code == 2 && text.contains("--provenance"), "{text}");
}

#[test]
fn a_record_that_cannot_be_written_is_told_before_the_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 50);
    let path = directory.path().join("run.json").display().to_string();
    let nowhere = directory.path().join("nowhere/run.json").display().to_string();
    for (arguments, expected, reason) in [
        (&["--provenance", &nowhere][..], 4, "there is no directory"),
        (
            &["--provenance", &path, "-w", &path],
            2,
            "cannot be both the output and the record",
        ),
    ] {
        let (text, code) = said(arguments, &[&capture]);
        assert!(code == expected && text.contains(reason), "{text}");
        assert!(!text.contains("found by"), "{text}");
    }
}

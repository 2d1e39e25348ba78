//! `replay` through the binary: the same bytes for any number of threads and any batch size.

use std::path::Path;

use assert_cmd::Command;
use capture::{CaptureWriter, Header, WriterOptions};
use fixtures::generator::Generator;
use predicates::prelude::*;

fn tracee_cap() -> Command {
    Command::cargo_bin("tracee-cap").expect("the binary is built with the tests")
}

/// A capture of `events` generated events, in segments small enough that there are several.
fn make(path: &Path, events: usize) {
    let header = Header {
        enrichments: vec!["environment".to_owned()],
        ..Header::default()
    };
    let options = WriterOptions {
        segment_rows: 7_000,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(path, header, options).expect("a new capture");
    for (count, event) in Generator::new(42).take(events).enumerate() {
        writer.push(&event);
        if count % 1000 == 999 {
            writer.flush().expect("flushed");
        }
    }
    writer.finish().expect("finished");
}

fn replayed(capture: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = tracee_cap()
        .arg("replay")
        .arg(capture)
        .args(arguments)
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn threads_and_batches_change_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 30_000);
    let expected = replayed(&capture, &["--threads", "1", "--batch-size", "65536"]);
    let found = expected.iter().filter(|byte| **byte == b'\n').count();
    assert!(found > 20, "{found} detections are too few to tell");
    for threads in ["1", "2", "8"] {
        for batch in ["1", "100", "65536"] {
            let found = replayed(&capture, &["--threads", threads, "--batch-size", batch]);
            assert!(
                found == expected,
                "{threads} threads, batches of {batch}: other output"
            );
        }
    }
}

#[test]
fn findings_set_the_exit_code() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 5000);
    let mut replay = tracee_cap();
    replay.arg("replay").arg(&capture);
    replay
        .args(["--detectors", "TRC-102", "--fail-on", "low"])
        .assert()
        .code(1);
    let mut replay = tracee_cap();
    replay.arg("replay").arg(&capture);
    replay
        .args(["--detectors", "TRC-102", "--fail-on", "high"])
        .assert()
        .code(0);
}

#[test]
fn a_detector_that_does_not_exist_is_a_usage_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 10);
    let mut replay = tracee_cap();
    replay
        .arg("replay")
        .arg(&capture)
        .args(["--detectors", "TRC-1050"]);
    replay.assert().code(2).stderr(predicate::str::contains(
        "there is no detector, event of a detector, tag or file `TRC-1050`",
    ));
}

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
    let run: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&run).expect("a record")).expect("the record is JSON");
    assert_eq!(
        run["detections"],
        text.iter().filter(|byte| **byte == b'\n').count()
    );
    assert_eq!(run["capture_state"], "closed");
    let detectors = run["detectors"].as_array().expect("a list");
    let count = |detector: &serde_json::Value, name: &str| detector[name].as_u64().expect("a number");
    for detector in detectors {
        let (seen, filtered) = (count(detector, "seen"), count(detector, "filtered"));
        assert_eq!(seen, filtered + count(detector, "calls"), "{detector}");
    }
    assert_eq!(run["timing"].as_array().map(Vec::len), Some(detectors.len()));
    // The generated events come without kernel symbols.
    let refused = run["refused"].as_array().expect("a list");
    assert!(
        refused.iter().any(|refusal| refusal["field"] == "store symbol"),
        "{refused:?}"
    );
}

#[test]
fn the_record_of_a_run_is_the_same_but_for_times() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 5000);
    let record = |threads: &str| {
        let path = directory.path().join(format!("run-{threads}.json"));
        let mut replay = tracee_cap();
        replay
            .arg("replay")
            .arg(&capture)
            .args(["--threads", threads, "--stats", "--provenance"]);
        let shown = replay.arg(&path).assert().code(0).get_output().stderr.clone();
        let shown = String::from_utf8(shown).expect("text");
        assert!(shown.contains("DETECTOR") && shown.contains("TRC-105"), "{shown}");
        let mut run: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).expect("a record")).expect("JSON");
        let fields = run.as_object_mut().expect("an object");
        assert!(fields.remove("timing").is_some());
        assert!(fields.remove("argv").is_some());
        run
    };
    assert_eq!(record("1"), record("2"));
}

#[test]
fn what_is_no_capture_is_bad_input() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut replay = tracee_cap();
    replay.arg("replay").arg(directory.path());
    replay
        .assert()
        .code(3)
        .stderr(predicate::str::contains("is no capture"));
}

#[test]
fn a_range_is_a_part_of_the_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 20_000);
    let all = String::from_utf8(replayed(&capture, &["--threads", "1"])).expect("text");
    let mut parts = String::new();
    // Segments end at 7,000 and 14,000; the generated events take milliseconds.
    for (from, to) in [
        ("seq:0", "seq:6999"),
        ("seq:7000", "seq:9000"),
        ("seq:9001", "seq:14500"),
        ("seq:14501", "+10m"),
        ("2019-01-01", "2020-01-01"),
        ("2100-01-01", "2101-01-01"),
    ] {
        let part = replayed(&capture, &["--from", from, "--to", to]);
        parts.push_str(std::str::from_utf8(&part).expect("text"));
    }
    assert!(parts == all, "the parts are not the whole");
    for (from, to) in [("seq:5", "seq:2"), ("1h ago", "2020-01-01"), ("+2s", "+1s")] {
        let mut replay = tracee_cap();
        replay.args(["replay", "--from", from, "--to", to]).arg(&capture);
        replay
            .assert()
            .code(2)
            .stderr(predicate::str::contains("--from is after --to"));
    }
    tracee_cap()
        .args(["replay", "--from", "yesterday"])
        .arg(&capture)
        .assert()
        .code(2)
        .stderr(predicate::str::contains("seq:12345"));
}

#[test]
fn stores_can_be_brought_along_and_faults_in_them_are_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 100);
    let store = directory.path().join("reputation.json");
    let entry = |severity: u32| {
        format!(
            r#"{{"store": "ip_reputation", "entries": [
            {{"source": "feed", "key": "203.0.113.7", "data": {{"status": "deny", "severity": {severity}}}}}]}}"#
        )
    };
    for (severity, code) in [(9, 0), (11, 3)] {
        std::fs::write(&store, entry(severity)).expect("written");
        let mut replay = tracee_cap();
        replay.arg("replay").arg(&capture).arg("--store").arg(&store);
        replay.assert().code(code);
    }
    let mut replay = tracee_cap();
    replay.arg("replay").arg(&capture).arg("--store").arg(&store);
    replay
        .assert()
        .stderr(predicate::str::contains("reputation.json:2: entries[0].data"));
}

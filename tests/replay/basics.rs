//! The same bytes for any number of threads and any batch size; ranges; exit codes.

use predicates::prelude::*;

use crate::support::{make, replayed, tracee_cap};

#[test]
fn threads_and_batches_change_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 9_000);
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
fn numbers_that_make_no_sense_are_usage_errors() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 10);
    for (option, value) in [
        ("--threads", "0"),
        ("--threads", "100000"),
        ("--batch-size", "0"),
        ("--window", "0"),
    ] {
        let mut replay = tracee_cap();
        replay.arg("replay").arg(&capture).args([option, value]);
        replay.assert().code(2).stderr(predicate::str::contains(option));
    }
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

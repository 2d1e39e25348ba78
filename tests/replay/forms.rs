//! `-o` and `--expect`: the forms themselves are tested where they are made.

use std::fs;

use serde_json::Value;

use super::support::{found, make, replayed, said, tracee_cap};

#[test]
fn every_form_has_all_detections() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("a.tcap");
    make(&capture, 8_000);
    let detections = found(&capture, &["-o", "ndjson"]);
    assert!(!detections.is_empty());
    let threats = detections.iter().filter(|one| !one["threat"].is_null()).count();
    let text = |form| String::from_utf8(replayed(&capture, &["-o", form])).expect("text");

    assert_eq!(text("ocsf").lines().count(), detections.len());
    let sarif: Value = serde_json::from_str(&text("sarif")).expect("a document");
    let run = &sarif["runs"][0];
    assert_eq!(run["results"].as_array().map(Vec::len), Some(detections.len()));
    assert_eq!(run["invocations"][0]["exitCode"], 0);
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let digest = run["invocations"][0]["properties"]["captureDigest"].as_str();
    assert_eq!(digest.map(str::len), Some(64));
    let junit = text("junit");
    let failures = junit.matches("<failure ").count();
    assert!(failures > 0 && failures <= threats, "{junit}");
    // Cells may have line breaks: records are counted by what they begin with.
    let csv = text("csv");
    assert!(csv.starts_with("seq,timestamp,detector_id,"));
    assert!(csv.matches("Z,TRC-").count() + csv.matches("Z,DRV-").count() >= detections.len());
}

#[test]
fn detections_in_parquet_are_asked_in_sql() {
    let directory = tempfile::tempdir().expect("a directory");
    let (capture, file) = (
        directory.path().join("a.tcap"),
        directory.path().join("found.parquet"),
    );
    make(&capture, 8_000);
    let written = tracee_cap()
        .args(["replay", "-o", "parquet", "-w"])
        .args([&file, &capture])
        .output()
        .expect("it runs");
    assert!(
        written.status.success(),
        "{}",
        String::from_utf8_lossy(&written.stderr)
    );
    let asked = |query: &str| -> Vec<Value> {
        let output = tracee_cap()
            .arg("sql")
            .arg(&file)
            .args(["-o", "ndjson", "-q", query])
            .output()
            .expect("it runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = String::from_utf8(output.stdout).expect("text");
        let lines = lines.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().expect("one object a line")
    };
    let events: Vec<Value> = asked("SELECT event FROM detections")
        .iter()
        .map(|row| serde_json::from_str(row["event"].as_str().expect("text")).expect("JSON"))
        .collect();
    assert_eq!(events, found(&capture, &["-o", "ndjson"]));
    let names = asked("SELECT DISTINCT capture FROM detections");
    assert_eq!(names, [serde_json::json!({"capture": "found.parquet"})]);

    // Next to its capture, it is another source of the same table.
    let joined = tracee_cap()
        .arg("sql")
        .args([&capture, &file])
        .args([
            "-o",
            "ndjson",
            "-q",
            "SELECT count(*) AS n FROM detections d JOIN events e USING (seq)",
        ])
        .output()
        .expect("it runs");
    let row: Value = serde_json::from_slice(&joined.stdout).expect("one row");
    assert_eq!(
        row["n"],
        events.len(),
        "{}",
        String::from_utf8_lossy(&joined.stderr)
    );
}

#[test]
fn other_parquet_files_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("a.tcap");
    make(&capture, 100);
    let part = fs::read_dir(capture.join("process"))
        .expect("a table")
        .next()
        .expect("a part")
        .expect("readable")
        .path();
    let bad = directory.path().join("bad.parquet");
    fs::write(&bad, b"PAR1 and nothing else PAR1").expect("there is room");
    for (file, reason) in [(&part, "holds no detections"), (&bad, "footer")] {
        let output = tracee_cap()
            .arg("sql")
            .arg(file)
            .args(["-q", "SELECT 1"])
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains(reason), "{text}");
    }
}

#[test]
fn what_is_expected_is_compared() {
    let directory = tempfile::tempdir().expect("a directory");
    let (capture, file) = (
        directory.path().join("a.tcap"),
        directory.path().join("expected.ndjson"),
    );
    make(&capture, 8_000);
    let lines = String::from_utf8(replayed(&capture, &["-o", "ndjson"])).expect("text");
    let expect = ["--expect", file.to_str().expect("text"), "-o", "csv"];

    fs::write(&file, lines.trim_end()).expect("there is room");
    let (text, exit) = said(&expect, &[&capture]);
    assert_eq!(exit, 0, "{text}");
    let all = format!("as expected: {} detections", lines.lines().count());
    assert!(text.lines().any(|line| line == all), "{text}");

    let second = lines.lines().nth(1).expect("there are several");
    fs::write(&file, lines.replacen(second, "", 1)).expect("there is room");
    let (text, exit) = said(&expect, &[&capture]);
    assert_eq!(exit, 1, "{text}");
    assert!(
        text.contains("not as expected: 0 missing, 1 unexpected, 0 changed"),
        "{text}"
    );

    fs::write(&file, "nonsense").expect("there is room");
    let (text, exit) = said(&expect, &[&capture]);
    assert_eq!(exit, 3, "{text}");
    assert!(text.contains("line 1 of the expected detections"), "{text}");
    fs::remove_file(&file).expect("it is there");
    let (text, exit) = said(&expect, &[&capture]);
    assert_eq!(exit, 3, "{text}");
}

//! `--explain` tells what would be read, and runs nothing.

use serde_json::Value;

use super::support::{make, replayed, tracee_cap};

/// The plan of a replay with these arguments.
fn plan(capture: &std::path::Path, arguments: &[&str]) -> Value {
    let explain = ["--explain", "-o", "ndjson"];
    let plan = replayed(capture, &[&explain[..], arguments].concat());
    serde_json::from_slice(&plan).expect("a plan a line")
}

fn read<'a>(plan: &'a Value, event_type: &str) -> &'a Value {
    let mut reads = plan["reads"].as_array().expect("a list").iter();
    reads
        .find(|read| read["event_type"] == event_type)
        .unwrap_or_else(|| panic!("{event_type} is not read: {plan}"))
}

#[test]
fn only_what_detectors_ask_for_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("x.tcap");
    make(&capture, 20_000);

    // One detector on files, with one filter on a path that occurs nowhere, and one on numbers.
    let detector = directory.path().join("rule.yaml");
    std::fs::write(
        &detector,
        "type: detector\nid: X-1\nproduced_event:\n  name: never_opened\n  version: 1.0.0\nrequirements:\n  events:\n    - name: security_file_open\n      \
         data_filters:\n        - pathname=/no/such/file\n",
    )
    .expect("written");
    let rule = detector.display().to_string();
    let found = plan(&capture, &["--detectors", &rule]);
    let files = read(&found, "security_file_open");
    assert_eq!(files["spared_row_groups"], files["row_groups"], "{files}");
    assert!(files["row_groups"].as_u64() > Some(1), "{files}");
    assert_eq!(files["tests"][0]["filters"][0], "pathname=/no/such/file");
    assert_eq!(files["tests"][0]["evaluation"], "once per distinct text");
    assert_eq!(found["reads"].as_array().map(Vec::len), Some(1), "{found}");
    assert!(found["not_opened"]["close"].as_u64() > Some(0), "{found}");

    let found = plan(&capture, &["--detectors", "TRC-1024"]);
    let files = read(&found, "security_file_open");
    let columns: Vec<_> = files["columns"].as_object().expect("columns").keys().collect();
    assert!(columns.iter().any(|column| *column == "pathname"), "{columns:?}");
    assert!(
        files["columns_on_demand"].as_u64() > Some(5),
        "most columns are read when somebody asks: {files}"
    );
}

#[test]
fn what_is_before_the_range_is_read_for_those_who_remember() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("x.tcap");
    make(&capture, 20_000);
    let before = |detectors: &str| {
        let found = plan(&capture, &["--detectors", detectors, "--from", "seq:10000"]);
        let reads = found["reads"].as_array().expect("a list").clone();
        reads.iter().any(|read| read["before_range"] == true)
    };
    assert!(before("TRC-1013"), "it remembers connections of a process");
    assert!(!before("TRC-105"));
}

#[test]
fn people_get_sentences() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("x.tcap");
    make(&capture, 3_000);
    let output = tracee_cap()
        .arg("replay")
        .arg(&capture)
        .args(["--explain", "-o", "table", "--detectors", "TRC-105,TRC-1024"])
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    // Sizes depend on what compresses how well.
    let text: Vec<_> = text
        .lines()
        .filter(|line| !line.contains("at once") && !line.contains("on demand"))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

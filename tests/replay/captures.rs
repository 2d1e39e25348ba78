//! Several captures in one run.

use std::process::Command;

use predicates::prelude::*;
use serde_json::Value;

use detectors_api::testkit::TestEvent;
use fixtures::generator::Generator;

use crate::support::{make, make_with, recorded, replayed, said, tracee_cap};

/// Two captures of some 60 files each, while hardly any may be open together.
#[test]
fn files_are_closed_once_they_are_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = ["a", "b"].map(|name| directory.path().join(name).with_extension("tcap"));
    for path in &paths {
        make(path, 10_000);
    }
    let second = paths[1].display().to_string();
    let expected = replayed(&paths[0], &[&second, "--threads", "2"]);
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 32 && exec \"$@\"", "sh"])
        .arg(tracee_cap().get_program())
        .arg("replay")
        .args(&paths)
        .args(["--threads", "2"])
        .output()
        .expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(output.stdout == expected, "other output: {said}");
}

#[test]
fn captures_are_looked_at_one_after_the_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let (a, b) = (directory.path().join("a.tcap"), directory.path().join("b.tcap"));
    make(&a, 4000);
    make_with(&b, Generator::new(7).take(3000), &[]);
    let mut expected = replayed(&b, &[]);
    expected.extend(replayed(&a, &[]));
    assert!(!expected.is_empty());
    let a_text = a.display().to_string();
    assert!(
        replayed(&b, &[&a_text]) == expected,
        "not the one after the other"
    );

    let path = directory.path().join("run.json");
    let (text, code) = said(&["--provenance", &path.display().to_string()], &[&b, &a]);
    assert_eq!(code, 0, "{text}");
    for line in [
        "b.tcap: ",
        "a.tcap: ",
        "found in 7000 events of 2 captures (0 lost)",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let run: Value = serde_json::from_slice(&std::fs::read(&path).expect("a record")).expect("JSON");
    let captures = run["captures"].as_array().expect("a list");
    assert!(
        captures[0]["capture"]
            .as_str()
            .is_some_and(|path| path.ends_with("b.tcap"))
    );
    let found: u64 = captures
        .iter()
        .filter_map(|capture| capture["detections"].as_u64())
        .sum();
    assert_eq!(run["output"]["detections"], found);
    let table = |more: &[&str]| {
        let arguments: Vec<_> = more.iter().chain(&["-o", "table"]).copied().collect();
        String::from_utf8(replayed(&b, &arguments)).expect("text")
    };
    let both = table(&[&a_text]);
    for name in ["CAPTURE", "a.tcap", "b.tcap"] {
        assert!(both.contains(name), "{both}");
    }
    assert!(!table(&[]).contains("CAPTURE"), "there is only one");
    // One array, whatever it was found in.
    let array: Vec<Value> =
        serde_json::from_slice(&replayed(&b, &[&a_text, "-o", "json"])).expect("an array");
    assert_eq!(array.len() as u64, found);
}

#[test]
fn the_same_capture_twice_is_a_mistake() {
    let directory = tempfile::tempdir().expect("a directory");
    let (a, copy) = (
        directory.path().join("a.tcap"),
        directory.path().join("copy.tcap"),
    );
    make(&a, 100);
    make(&copy, 100);
    // What was made twice is not the same, and a link to it is.
    assert_eq!(said(&[], &[&a, &copy]).1, 0);
    std::fs::remove_dir_all(&copy).expect("it is there");
    std::os::unix::fs::symlink(&a, &copy).expect("a link");
    let (text, code) = said(&[], &[&a, &copy]);
    assert!(code == 2 && text.contains("are the same capture"), "{text}");
}

#[test]
fn nothing_runs_if_one_of_them_cannot_be_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let a = directory.path().join("a.tcap");
    make(&a, 3000);
    tracee_cap()
        .arg("replay")
        .arg(&a)
        .arg(directory.path().join("nothing.tcap"))
        .assert()
        .code(3)
        .stdout(predicate::str::is_empty());
}

#[test]
fn the_exit_code_is_that_of_the_worst() {
    let directory = tempfile::tempdir().expect("a directory");
    let (found, open, quiet) = (
        directory.path().join("found.tcap"),
        directory.path().join("open.tcap"),
        directory.path().join("quiet.tcap"),
    );
    make(&found, 3000);
    make_with(&quiet, recorded(&[TestEvent::new("openat")]), &[]);
    // Recorded by somebody who is still there.
    let header = capture::Header::default();
    let mut writer = capture::CaptureWriter::create(&open, header, capture::WriterOptions::default())
        .expect("a new capture");
    writer.push(&TestEvent::new("openat").to_recorded());
    writer.flush().expect("flushed");
    let bad = ["--fail-on", "low"];
    assert_eq!(said(&bad, &[&quiet]).1, 0);
    assert_eq!(said(&bad, &[&open, &quiet]).1, 5);
    assert_eq!(said(&bad, &[&quiet, &open]).1, 5);
    assert_eq!(said(&bad, &[&open, &found]).1, 1);
    assert_eq!(said(&bad, &[&found, &open]).1, 1);
    assert_eq!(said(&[], &[&found, &open]).1, 5);
}

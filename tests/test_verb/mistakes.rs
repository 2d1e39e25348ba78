//! What cannot be run, and what is no fixture at all.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::Place;

#[test]
fn one_that_cannot_be_run_stops_no_other() {
    let place = Place::new();
    let expect = "  detectors: {ACME-1: 1}\n";
    for name in [
        "bad_yaml",
        "good",
        "no_capture",
        "torn",
        "unknown",
        "words",
        "wrong",
    ] {
        place.fixture(&format!("tests/{name}"), &["/secret/a"], expect);
    }
    place.replace("tests/bad_yaml/fixture.yaml", "made:", "maid:");
    fs::remove_dir_all(place.path("tests/no_capture/capture.tcap")).expect("removed");
    fs::write(place.path("tests/torn/capture.tcap/manifest.json"), "{").expect("written");
    place.replace("tests/unknown/fixture.yaml", "ACME-1: 1", "ACME-7: 1");
    place.replace("tests/words/fixture.yaml", "../../rules", "../../nowhere");
    let done = place.run(&["test", "tests", "--threads", "3"]);
    assert_eq!(done.code, 3, "{done:?}");
    insta::assert_snapshot!(done.out);
    // What differs says more than what could not be read.
    place.replace("tests/wrong/fixture.yaml", "ACME-1: 1", "ACME-1: 2");
    assert_eq!(place.run(&["test", "tests"]).code, 1);
}

#[test]
fn a_detector_that_cannot_be_read_is_shown_with_its_line() {
    let place = Place::new();
    place.fixture("tests/one", &["/secret/a"], "  detectors: {ACME-1: 1}\n");
    place.replace(
        "rules/secret.yaml",
        "expression: getEventData",
        "expresion: getEventData",
    );
    let done = place.run(&["test", "tests"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.out.contains("secret.yaml:14:"), "{done:?}");
    assert!(done.out.contains("expresion"), "{done:?}");
}

#[test]
fn where_there_is_nothing_nothing_passes() {
    let place = Place::new();
    place.fixture("tests/one", &["/secret/a"], "  detectors: {ACME-1: 1}\n");
    for arguments in [
        &["test", "rules"][..],
        &["test", "nowhere"],
        &["test"],
        &["test", "tests", "--filter", "two"],
        &["test", "tests", "--detectors", "all"],
        &["test", "tests", "--coverage", "--detectors", "ACME-7"],
    ] {
        let done = place.run(arguments);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{arguments:?} {done:?}");
    }
    let done = place.run(&["test", "rules"]);
    assert!(done.err.contains("there is no fixture in rules"), "{done:?}");
}

#[test]
fn fixtures_are_found_once_and_chosen_by_name() {
    let place = Place::new();
    for name in ["tests/a/one", "tests/b/two", "tests/.hidden/three"] {
        place.fixture(name, &["/secret/a"], "  detectors: {ACME-1: 1}\n");
        place.replace(&format!("{name}/fixture.yaml"), "../../rules", "../../../rules");
    }
    let names = |arguments: &[&str]| {
        let done = place.run(arguments);
        assert_eq!(done.code, 0, "{done:?}");
        let lines = done.out.lines().filter_map(|line| line.strip_prefix("PASS  "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&["test", "tests"]), ["tests/a/one", "tests/b/two"]);
    assert_eq!(
        names(&["test", "tests/b", "tests/a/one", "tests/b/two"]),
        ["tests/a/one", "tests/b/two"]
    );
    assert_eq!(
        names(&["test", "tests", "--filter", "o"]),
        ["tests/a/one", "tests/b/two"]
    );
    assert_eq!(
        names(&["test", "tests", "--filter", "tests/?/t*"]),
        ["tests/b/two"]
    );
}

#[test]
fn ctrl_c_ends_the_run_after_what_was_done() {
    let place = Place::new();
    place.fixture("tests/a", &["/secret/a"], "  detectors: {ACME-1: 1}\n");
    for number in 0..200 {
        place.fixture(
            &format!("tests/b{number:03}"),
            &["/secret/a"],
            "  detectors: {ACME-1: 1}\n",
        );
    }
    // Who runs the tests in the background may ignore the signal, and what is run would, too.
    let mut test = std::process::Command::new("env")
        .arg("--default-signal=INT")
        .arg(assert_cmd::cargo::cargo_bin("tracee-cap"))
        .current_dir(place.path(""))
        .args(["test", "tests", "--threads", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut out = BufReader::new(test.stdout.take().expect("piped"));
    let mut first = String::new();
    out.read_line(&mut first).expect("one is done");
    assert_eq!(first, "PASS  tests/a\n");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(test.id()).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it is there");
    let rest: Vec<_> = out.lines().collect::<Result<_, _>>().expect("text");
    let output = test.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("of 201 fixtures were run"), "{text}");
    assert!(rest.len() < 201, "it went on to the end");
}

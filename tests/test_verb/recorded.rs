//! Recording a command as a fixture. It needs root and BTF, and says so where it has to skip.

use crate::support::{Done, Place};

/// What `record --fixture` did; none, with a note that the test harness does not capture, where this machine has no sensor.
fn record(place: &Place, arguments: &[&str]) -> Option<Done> {
    let done = place.run(&[&["record", "--fixture", "tests/one"], arguments].concat());
    if done.code == 4 {
        let note = format!("SKIPPED, no live recording here: {}\n", done.err);
        nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
        return None;
    }
    Some(done)
}

#[test]
fn what_a_command_does_becomes_a_test() {
    let place = Place::new();
    let looks = ["--", "head", "-c0", "/proc/sys/kernel/randomize_va_space"];
    let Some(done) = record(&place, &[&["--description", "it looks"][..], &looks].concat()) else {
        return;
    };
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{done:?}");
    assert!(done.err.contains("tests/one: 1 found by TRC-109 in "), "{done:?}");
    let about = place.read("tests/one/fixture.yaml");
    for part in [
        "description: it looks\n",
        "  how: recorded\n",
        "    security_file_open: ",
        "  command: [head, \"-c0\", /proc/sys/kernel/randomize_va_space]\n",
        "detectors: [TRC-109]\n",
        "  detections: exact\n",
    ] {
        assert!(about.contains(part), "{part} {about}");
    }
    assert_eq!(place.run(&["test", "tests"]).code, 0);
    let capture = place.read("tests/one/capture.tcap.txt");
    assert!(!capture.contains("input symbol"), "nobody asked for them");

    // It is not replaced unless that is wanted, and then by one in which nothing may be found.
    let quiet = ["--detectors", "TRC-109", "--", "true"];
    assert_eq!(record(&place, &quiet).expect("there is a sensor").code, 2);
    let forced = record(&place, &[&["--force"][..], &quiet].concat()).expect("there is a sensor");
    assert_eq!(forced.code, 0, "{forced:?}");
    assert_eq!(place.read("tests/one/expected.ndjson"), "");
    assert_eq!(place.run(&["test", "tests"]).code, 0);
}

#[test]
fn a_fixture_is_of_a_command() {
    let place = Place::new();
    for arguments in [
        &["record", "--fixture", "tests/one"][..],
        &["record", "--fixture", "tests/one", "-w", "a.tcap", "--", "true"],
        &[
            "record",
            "--fixture",
            "tests/one",
            "--in",
            "rules",
            "--detectors",
            "all",
            "--",
            "true",
        ],
        &["record", "--", "true"],
    ] {
        let done = place.run(arguments);
        assert_eq!(done.code, 2, "{done:?}");
        assert!(!place.path("tests").exists(), "{done:?}");
    }
}

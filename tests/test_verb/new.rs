//! Making fixtures of captures.

use crate::support::{Place, make};

#[test]
fn a_capture_becomes_a_fixture_that_passes() {
    let place = Place::new();
    make(
        &place.path("incident.tcap"),
        &["/secret/a", "/proc/sys/kernel/randomize_va_space"],
        &[],
    );
    let new = ["fixture", "new", "tests/incident", "--capture", "incident.tcap"];
    let done = place.run(&new);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{done:?}");
    assert!(
        done.err
            .contains("tests/incident: 1 found by TRC-109 in 2 events"),
        "{done:?}"
    );
    assert!(
        place
            .read("tests/incident/fixture.yaml")
            .contains("detectors: [TRC-109]\n")
    );
    let rules = [
        "--detectors",
        "./rules/secret.yaml,TRC-109",
        "--description",
        "two at once",
    ];
    let again = place.run(&[&new[..], &rules].concat());
    assert_eq!(again.code, 2, "{again:?}");
    let again = place.run(&[&new[..], &rules, &["--force"]].concat());
    assert_eq!(again.code, 0, "{again:?}");
    let about = place.read("tests/incident/fixture.yaml");
    assert!(
        about.contains("detectors: [../../rules/secret.yaml, TRC-109]\n"),
        "{about}"
    );
    assert!(about.contains("description: two at once\n"), "{about}");
    let tested = place.run(&["test", "tests"]);
    assert_eq!(tested.code, 0, "{tested:?}");
    assert_eq!(place.read("tests/incident/expected.ndjson").lines().count(), 2);
}

#[test]
fn events_of_another_program_become_a_fixture_too() {
    let place = Place::new();
    make(&place.path("incident.tcap"), &["/secret/a"], &[]);
    assert_eq!(
        place
            .run(&["export", "incident.tcap", "-w", "events.ndjson"])
            .code,
        0
    );
    let done = place.run(&[
        "fixture",
        "new",
        "tests/one",
        "--capture",
        "events.ndjson",
        "--detectors",
        "./rules",
    ]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(place.run(&["test", "tests"]).code, 0);
}

#[test]
fn a_fixture_of_nothing_has_to_be_meant() {
    let place = Place::new();
    make(&place.path("quiet.tcap"), &["/etc/hosts"], &[]);
    let new = ["fixture", "new", "tests/quiet", "--capture", "quiet.tcap"];
    let done = place.run(&new);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(!place.path("tests/quiet").exists());
    let beside = std::fs::read_dir(place.path("tests")).expect("read").count();
    assert_eq!(beside, 0, "nothing stays of it");
    let done = place.run(&[&new[..], &["--detectors", "./rules"]].concat());
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(place.run(&["test", "tests"]).code, 0);
}

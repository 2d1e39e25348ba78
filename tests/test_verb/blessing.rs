//! Taking what is found for what is expected.

use crate::support::{Place, lost};

#[test]
fn what_is_found_is_expected_from_then_on() {
    let place = Place::new();
    place.fixture("tests/one", &["/secret/a", "/secret/b"], "  detections: exact\n");
    let done = place.run(&["test", "tests"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.out
            .contains("there is no expected.ndjson: --bless writes it"),
        "{done:?}"
    );
    let done = place.run(&["test", "tests", "--bless"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(
        done.out,
        "PASS  tests/one\n  blessed: expected.ndjson: now has 2 detections\n\n1 fixture: 1 passed\n"
    );
    let replayed = place.run(&[
        "replay",
        "tests/one/capture.tcap",
        "--detectors",
        "./rules",
        "-o",
        "ndjson",
    ]);
    assert_eq!(place.read("tests/one/expected.ndjson"), replayed.out);
    let again = place.run(&["test", "tests", "--bless"]);
    assert_eq!(again.out, "PASS  tests/one\n\n1 fixture: 1 passed\n");
}

#[test]
fn only_what_the_file_says_is_changed() {
    let place = Place::new();
    let expect = "  detectors:\n    ACME-1: {at_least: 4, at_most: 9} # many\n    secret_read: none\n  stats: {events: 7}\n";
    place.fixture("tests/one", &["/secret/a", "/secret/b"], expect);
    let before = place.read("tests/one/fixture.yaml");
    let done = place.run(&["test", "tests", "--bless"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(
        done.out.matches("  blessed: fixture.yaml: ").count(),
        3,
        "{done:?}"
    );
    let after = before
        .replace("at_least: 4", "at_least: 2")
        .replace("none", "2")
        .replace("events: 7", "events: 2");
    assert_eq!(place.read("tests/one/fixture.yaml"), after);
}

#[test]
fn what_nobody_spoke_of_is_not_blessed() {
    let place = Place::new();
    let losses = [lost(3)];
    place.fixture_with("tests/one", &["/secret/a"], "  detections: exact\n", &losses);
    let done = place.run(&["test", "tests", "--bless"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.contains("blessed: expected.ndjson"), "{done:?}");
    assert!(done.out.contains("lost: expected 0, found 3"), "{done:?}");
    place.replace("tests/one/fixture.yaml", "exact\n", "exact\n  stats: {lost: 1}\n");
    assert_eq!(place.run(&["test", "tests", "--bless"]).code, 0);
    assert!(
        place
            .read("tests/one/fixture.yaml")
            .ends_with("stats: {lost: 3}\n")
    );
}

#[test]
fn lists_are_changed_and_what_stands_beside_them_is_not() {
    let rule = crate::support::RULE.replace(
        "requirements:\n",
        "requirements:\n  datastores: [{name: nowhere}]\n",
    );
    for list in [
        "[ACME-7] # one [or] two",
        "\n    - ACME-7\n    - 'ACME-8' # gone\n  # the end",
    ] {
        let place = Place::new();
        place.write("rules/secret.yaml", &rule);
        let expect = format!("  detections: exact\n  refused: {list}\n");
        place.fixture("tests/one", &["/secret/a"], &expect);
        let done = place.run(&["test", "tests", "--bless"]);
        assert_eq!(done.code, 0, "{done:?}");
        let about = place.read("tests/one/fixture.yaml");
        let rest = list.rsplit_once(" #").expect("a comment").1;
        assert!(
            about.contains("[ACME-1]") && about.ends_with(&format!("#{rest}\n")),
            "{about}"
        );
    }
}

//! Which detectors fixtures demand something of.

use crate::support::{Place, RULE};

#[test]
fn detectors_without_a_fixture_are_named() {
    let place = Place::new();
    let other = RULE
        .replace("ACME-1", "ACME-2")
        .replace("secret_read", "other_read");
    place.write("rules/other.yaml", &other.replace("/secret/*", "/other/*"));
    place.fixture("tests/one", &["/secret/a"], "  detections: exact\n");
    place.fixture("tests/idle", &[], "  detectors: {ACME-1: none}\n");
    assert_eq!(place.run(&["test", "tests", "--bless"]).code, 0);
    let coverage = ["test", "tests", "--in", "rules", "--coverage"];
    let done = place.run(&coverage);
    assert_eq!(done.code, 1, "{done:?}");
    insta::assert_snapshot!(done.out);

    place.fixture("tests/two", &["/other/a"], "  detections: exact\n");
    assert_eq!(place.run(&["test", "tests", "--bless"]).code, 0);
    let done = place.run(&coverage);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("coverage: 2 of 2 detectors"), "{done:?}");
    assert!(!done.out.contains("without a negative fixture"), "{done:?}");

    let one = place.run(&[
        "test",
        "tests",
        "--coverage",
        "--detectors",
        "./rules/secret.yaml",
        "-o",
        "ndjson",
    ]);
    let last: serde_json::Value =
        serde_json::from_str(one.out.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["coverage"]["detectors"][0]["id"], "ACME-1");
    assert_eq!(last["coverage"]["detectors"][0]["negative"], 1);
}

#[test]
fn a_fixture_that_fails_covers_nothing() {
    let place = Place::new();
    place.fixture("tests/one", &["/secret/a"], "  detectors: {ACME-1: 5}\n");
    let done = place.run(&["test", "tests", "--in", "rules", "--coverage"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.contains("  not covered: ACME-1\n"), "{done:?}");
}

//! What passes, what does not, and what is said about it.

use serde_json::Value;

use crate::support::{Place, RULE, lost};

const EXACT: &str = "  detections: exact\n";

/// Two fixtures that pass.
fn passing() -> Place {
    let place = Place::new();
    place.fixture("tests/reads", &["/secret/a", "/etc/hosts", "/secret/b"], EXACT);
    place.fixture("tests/silent", &["/etc/hosts"], "  detectors: {ACME-1: none}\n");
    let blessed = place.run(&["test", "tests", "--bless"]);
    assert_eq!(blessed.code, 0, "{blessed:?}");
    place
}

#[test]
fn what_is_as_expected_passes() {
    let place = passing();
    for threads in ["1", "7"] {
        let done = place.run(&["test", "tests", "--threads", threads]);
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(
            done.out,
            "PASS  tests/reads\nPASS  tests/silent\n\n2 fixtures: 2 passed\n"
        );
        assert_eq!(done.err, "");
    }
}

#[test]
fn a_broken_detector_fails_and_the_field_is_named() {
    let place = passing();
    place.replace(
        "rules/secret.yaml",
        "workload.process.thread.name",
        "'\"nobody\"'",
    );
    let done = place.run(&["test", "tests"]);
    assert_eq!(done.code, 1, "{done:?}");
    insta::assert_snapshot!(done.out);
}

#[test]
fn what_is_missing_and_what_is_too_much_is_told() {
    let place = passing();
    place.replace("rules/secret.yaml", "/secret/*", "/etc/*");
    let done = place.run(&["test", "tests"]);
    assert_eq!(done.code, 1, "{done:?}");
    insta::assert_snapshot!(done.out);
}

#[test]
fn counts_are_of_detectors_by_id_or_event() {
    let place = Place::new();
    let opened = ["/secret/a", "/secret/b"];
    for (name, expect, passes) in [
        ("id", "{ACME-1: 2}", true),
        ("event", "{secret_read: {at_least: 1}}", true),
        ("many", "{ACME-1: {at_least: 3}}", false),
        ("few", "{secret_read: {at_most: 1}}", false),
    ] {
        place.fixture(
            &format!("tests/{name}"),
            &opened,
            &format!("  detectors: {expect}\n"),
        );
        let done = place.run(&["test", &format!("tests/{name}")]);
        assert_eq!(done.code, i32::from(!passes), "{done:?}");
    }
    let done = place.run(&["test", "tests", "--filter", "many"]);
    assert!(
        done.out.contains("  ACME-1: expected at least 3, found 2\n"),
        "{done:?}"
    );
}

#[test]
fn losses_have_to_be_expected() {
    let place = Place::new();
    let losses = [lost(3)];
    let expect = "  detectors: {ACME-1: 1}\n";
    place.fixture_with("tests/lossy", &["/secret/a"], expect, &losses);
    let done = place.run(&["test", "tests"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.contains("  lost: expected 0, found 3\n"), "{done:?}");
    let told = format!("{expect}  stats: {{lost: 3, events: 1}}\n");
    std::fs::remove_dir_all(place.path("tests/lossy")).expect("removed");
    place.fixture_with("tests/lossy", &["/secret/a"], &told, &losses);
    let done = place.run(&["test", "tests"]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn who_is_refused_has_to_be_expected() {
    let place = Place::new();
    let rule = RULE
        .replace("ACME-1", "ACME-2")
        .replace("secret_read", "never")
        .replace(
            "requirements:\n",
            "requirements:\n  datastores: [{name: nowhere, dependency: required}]\n",
        );
    place.write("rules/refused.yaml", &rule);
    place.fixture(
        "tests/one",
        &["/secret/a"],
        "  detectors: {ACME-1: 1, ACME-2: none}\n",
    );
    let done = place.run(&["test", "tests"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.contains("  ACME-2: refused: "), "{done:?}");
    place.replace(
        "tests/one/fixture.yaml",
        "expect:\n",
        "expect:\n  refused: [ACME-2]\n",
    );
    let done = place.run(&["test", "tests"]);
    assert_eq!(done.code, 0, "{done:?}");
    place.replace("rules/refused.yaml", "required", "optional");
    let done = place.run(&["test", "tests"]);
    assert!(done.out.contains("  ACME-2: expected to be refused"), "{done:?}");
}

#[test]
fn programs_get_an_object_a_fixture() {
    let place = passing();
    place.replace(
        "rules/secret.yaml",
        "workload.process.thread.name",
        "'\"nobody\"'",
    );
    let done = place.run(&["test", "tests", "-o", "ndjson"]);
    assert_eq!(done.code, 1, "{done:?}");
    let lines: Vec<Value> = done
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    assert_eq!(lines[0]["verdict"], "fail");
    assert_eq!(lines[0]["differences"][0]["kind"], "detections");
    assert_eq!(lines[1]["verdict"], "pass");
    assert_eq!(lines[1]["detectors"][0]["seen"], 1);
}

#[test]
fn continuous_integration_gets_a_case_a_fixture() {
    let place = passing();
    place.replace(
        "rules/secret.yaml",
        "workload.process.thread.name",
        "'\"nobody\"'",
    );
    let done = place.run(&["test", "tests", "--junit", "results.xml"]);
    assert_eq!(done.code, 1, "{done:?}");
    let report = quick_junit::Report::deserialize_from_str(&place.read("results.xml")).expect("it is JUnit");
    assert_eq!((report.tests, report.failures, report.errors), (2, 1, 0));
    let cases: Vec<_> = report.test_suites[0].test_cases.iter().collect();
    assert_eq!(cases[0].name.as_str(), "tests/reads");
    let quick_junit::TestCaseStatus::NonSuccess { description, .. } = &cases[0].status else {
        panic!("it failed");
    };
    let text = description.as_ref().expect("it is told why").as_str();
    assert!(text.contains("/data/1/str (program)"), "{text}");
    let again = place.run(&["test", "tests", "--junit", "results.xml"]);
    assert_eq!(again.code, 2, "{again:?}");
    let forced = place.run(&["test", "tests", "--junit", "results.xml", "--force"]);
    assert_eq!(forced.code, 1, "{forced:?}");
}

#[test]
fn a_fixture_brings_along_stores_and_settings() {
    let place = Place::new();
    let rule = RULE.replace(
        "requirements:\n",
        "requirements:\n  datastores: [{name: blocklist}]\n",
    );
    place.write("rules/secret.yaml", &rule);
    place.fixture("tests/one", &["/secret/a"], "  detectors: {ACME-1: 1}\n");
    let done = place.run(&["test", "tests"]);
    assert!(done.out.contains("ACME-1: refused: store blocklist"), "{done:?}");
    place.replace(
        "tests/one/fixture.yaml",
        "expect:",
        "stores: [stores/list.json]\nexpect:",
    );
    let done = place.run(&["test", "tests"]);
    assert_eq!(done.code, 3, "{done:?}");
    place.write(
        "tests/one/stores/list.json",
        r#"{"store": "blocklist", "entries": []}"#,
    );
    let done = place.run(&["test", "tests"]);
    assert_eq!(done.code, 0, "{done:?}");

    // Settings, too, are the fixture's own.
    place.replace("tests/one/fixture.yaml", "[../../rules]", "[ACME-2]");
    place.replace("tests/one/fixture.yaml", "ACME-1: 1", "ACME-2: 1");
    place.replace(
        "tests/one/fixture.yaml",
        "expect:",
        "config: settings.yaml\nexpect:",
    );
    place.write("tests/one/settings.yaml", "paths: [own]\n");
    let own = RULE
        .replace("ACME-1", "ACME-2")
        .replace("secret_read", "own_read");
    place.write("tests/one/own/rule.yaml", &own);
    let done = place.run(&["test", "tests"]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn progress_and_times_are_shown_on_a_terminal() {
    let place = passing();
    let program = assert_cmd::cargo::cargo_bin("tracee-cap");
    // A pseudo-terminal, as `script` of util-linux makes them.
    let command = format!("{} test tests", program.display());
    let shown = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(place.path(""))
        .env("TERM", "xterm")
        .output()
        .expect("util-linux is there");
    assert!(shown.status.success());
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("PASS  tests/reads (0.") && shown.contains(" s)"),
        "{shown:?}"
    );
    assert!(shown.contains('%'), "{shown:?}");
}

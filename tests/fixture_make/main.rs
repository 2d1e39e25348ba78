//! `tracee-cap fixture make`, through the binary.

mod support;

use std::fs;

use support::{Place, directory_size, files};

/// The capture that all cut something out of.
const CAPTURE: &str = "incident.tcap";

#[test]
fn a_detection_becomes_a_fixture_that_passes() {
    let place = Place::new();
    let found = place.detections(&[]);
    let done = place.make("tests/third", &["--detection", "3"]);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{done:?}");
    assert!(
        done.err.contains("tests/third: ") && done.err.contains(" of 8000 events"),
        "{done:?}"
    );
    assert!(done.err.contains("1 detection by "), "{done:?}");
    assert!(done.err.contains("as chosen, and nothing else"), "{done:?}");
    assert_eq!(place.read("tests/third/expected.ndjson"), found[2]);
    let about = place.read("tests/third/fixture.yaml");
    assert!(
        about.contains("how: cut\n") && about.contains("from: {capture: "),
        "{about}"
    );
    let tested = place.run(&["test", "tests"]);
    assert_eq!(tested.code, 0, "{tested:?}");
    // What is left is a capture like any other, and small.
    let replayed = place.run(&["replay", "tests/third/capture.tcap.txt", "-o", "ndjson"]);
    assert!(replayed.out.contains(&found[2]), "{replayed:?}");
    assert!(directory_size(&place.path("tests/third")) < 64 << 10);
}

#[test]
fn minimised_fixtures_are_small_and_always_the_same() {
    let place = Place::new();
    let kept = |name: &str, more: &[&str]| {
        let done = place.make(name, &[&["--detector", "k8s_*,TRC-10?"], more].concat());
        assert_eq!(done.code, 0, "{done:?}");
        (done, files(&place.path(name)))
    };
    let (_, whole) = kept("tests/whole", &[]);
    let (first, one) = kept("tests/one", &["--minimize"]);
    let (_, two) = kept("tests/two", &["--minimize"]);
    assert!(
        first.err.contains("without any of it, something else is found"),
        "{first:?}"
    );
    assert_eq!(one, two);
    let sum = |files: &[(String, Vec<u8>)]| files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    assert!(sum(&one) <= sum(&whole));
    assert_eq!(
        place.read("tests/whole/expected.ndjson"),
        place.read("tests/one/expected.ndjson")
    );
    let (stopped, _) = kept("tests/stopped", &["--minimize", "--max-trials", "3"]);
    assert!(stopped.err.contains("--max-trials were used up"), "{stopped:?}");
    assert_eq!(place.run(&["test", "tests"]).code, 0);
    assert_eq!(place.make("tests/one", &["--max-trials", "3"]).code, 2);
}

#[test]
fn detectors_settings_and_stores_are_referred_to() {
    let place = Place::new();
    let done = place.make(
        "tests/renamed",
        &[
            "--in",
            "rules",
            "--detector",
            "ACME-1",
            "--store",
            "feed.json",
            "--minimize",
        ],
    );
    assert_eq!(done.code, 0, "{done:?}");
    let about = place.read("tests/renamed/fixture.yaml");
    assert!(
        about.contains("detectors: [../../rules/renamed.yaml]\n"),
        "{about}"
    );
    assert!(about.contains("stores: [../../feed.json]\n"), "{about}");
    assert_eq!(place.run(&["test", "tests"]).code, 0);
    // The fixture tests the rule as it is, not as it was.
    let rule = place.read("rules/renamed.yaml");
    place.write(
        "rules/renamed.yaml",
        &rule.replace("renamed_in_a_container", "renamed"),
    );
    assert_eq!(place.run(&["test", "tests"]).code, 1);
    place.write("rules/renamed.yaml", &rule);
    // A file of settings leads to the rules, too.
    place.write("settings.yaml", "paths: [rules/]\n");
    let done = place.make(
        "tests/set",
        &["--config", "settings.yaml", "--detector", "ACME-1"],
    );
    assert_eq!(done.code, 0, "{done:?}");
    let about = place.read("tests/set/fixture.yaml");
    assert!(about.contains("detectors: [ACME-1]\n"), "{about}");
    assert!(about.contains("config: ../../settings.yaml\n"), "{about}");
    assert_eq!(place.run(&["test", "tests"]).code, 0);
}

#[test]
fn detections_are_chosen_by_what_holds_of_their_events() {
    let place = Place::new();
    let all = place.detections(&[]);
    let chosen = |name: &str, words: &[&str]| {
        let done = place.make(name, words);
        assert_eq!(done.code, 0, "{done:?}");
        place.read(&format!("{name}/expected.ndjson"))
    };
    for (name, words) in [
        ("tests/event", &["--event", "security_file_open"][..]),
        ("tests/tools", &["--where", "comm=tool-*"]),
        ("tests/early", &["--to", "seq:2000"]),
    ] {
        let restricted = place.detections(words);
        assert!(
            (1..all.len()).contains(&restricted.len()),
            "{name}: {}",
            restricted.len()
        );
        // The built-in detectors remember nothing: so it is the same as if they had seen nothing else.
        assert_eq!(chosen(name, words), restricted.concat(), "{name}");
    }
    let both = chosen(
        "tests/both",
        &["--event", "security_file_open", "--to", "seq:2000"],
    );
    assert!(
        both.lines().count()
            < chosen("tests/open", &["--event", "security_file_open"])
                .lines()
                .count()
    );
}

#[test]
fn nothing_stays_of_what_makes_no_sense() {
    let place = Place::new();
    let refused = |words: &[&str], told: &str| {
        let done = place.make("tests/none", words);
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.err.contains(told), "{done:?}");
        assert!(!place.path("tests/none").exists());
        let beside = fs::read_dir(place.path("tests")).map_or(0, Iterator::count);
        assert_eq!(beside, 0, "nothing stays of it");
    };
    let count = place.detections(&[]).len();
    refused(
        &["--detection", "9999"],
        &format!("--detection: there are {count} detections: "),
    );
    refused(
        &["--where", "uid=4242"],
        &format!("no detection is chosen, of {count} that there are: "),
    );
    refused(&["--detector", "TRC-10x5"], "did you mean TRC-10");
    refused(&["--event", "security_file_opem"], "security_file_open");
    refused(&["--detection", "0"], "--detection");
    refused(&["--from", "seq:9", "--to", "seq:3"], "--from is after --to");
    place.write("tests/none/precious.txt", "no fixture");
    for more in [&[][..], &["--force"]] {
        let done = place.make("tests/none", &[&["--detection", "1"], more].concat());
        assert_eq!(done.code, 2, "{done:?}");
    }
    assert_eq!(place.read("tests/none/precious.txt"), "no fixture");
}

#[test]
fn a_fixture_can_be_one_file_and_be_cut_again() {
    let place = Place::new();
    let found = place.detections(&[]);
    let make = |capture: &str, name: &str, more: &[&str]| {
        let words = [&["fixture", "make", capture, "-w", name][..], more].concat();
        let done = place.run(&words);
        assert_eq!(done.code, 0, "{done:?}");
        place.read(&format!("{name}/expected.ndjson"))
    };
    let packed = make(CAPTURE, "tests/pack", &["--detection", "2,5", "--form", "pack"]);
    assert_eq!(packed, [&*found[1], &found[4]].concat());
    assert!(place.path("tests/pack/capture.tcap.tar").is_file());
    assert!(!place.path("tests/pack/capture.tcap").exists());
    let first = make(
        CAPTURE,
        "tests/directory",
        &["--detection", "1", "--form", "directory"],
    );
    assert_eq!(first, found[0]);
    assert!(place.path("tests/directory/capture.tcap/manifest.json").is_file());
    let again = make(
        "tests/pack/capture.tcap.tar",
        "tests/again",
        &["--detection", "2", "--minimize"],
    );
    assert_eq!(again, found[4]);
    assert_eq!(place.run(&["test", "tests"]).code, 0);
}

#[test]
fn the_help_has_examples() {
    let place = Place::new();
    let help = place.run(&["fixture", "make", "--help"]).out;
    for part in [
        "Examples:",
        "fixture make incident.tcap --detection 3 -w tests/injection",
        "--minimize",
    ] {
        assert!(help.contains(part), "{help}");
    }
}

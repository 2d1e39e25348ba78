//! Our own fixtures: what every built-in detector has to find, and what it must pass over.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes that all of them may have.
const MOST: u64 = 5 << 20;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/data/detectors")
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("it can be read");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[test]
fn every_detector_finds_what_it_should_and_nothing_else() {
    let output = Command::new(env!("CARGO_BIN_EXE_tracee-cap"))
        .arg("test")
        .arg(fixtures())
        .arg("--coverage")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let all = detectors_builtin::detectors().len();
    let coverage = format!("coverage: {all} of {all} detectors");
    assert!(said.contains(&coverage), "{said}");
}

#[test]
fn every_detector_has_one_of_each() {
    let names: BTreeSet<_> = entries(&fixtures()).iter().map(|path| name(path)).collect();
    let mut expected = BTreeSet::new();
    for detector in detectors_builtin::detectors() {
        let definition = detector.definition();
        let prefix = format!("{}-{}", definition.id, definition.event.name)
            .to_lowercase()
            .replace('_', "-");
        expected.extend(["positive", "negative"].map(|sign| format!("{prefix}-{sign}")));
    }
    assert_eq!(names, expected);
}

#[test]
fn they_are_small_texts_of_no_machine_in_particular() {
    let mut bytes = 0;
    for fixture in entries(&fixtures()) {
        for file in entries(&fixture) {
            let text = fs::read_to_string(&file).expect("it is text");
            bytes += text.len() as u64;
            for word in ["/home/", "/root/", "OLDPWD=", "cargo", "rustc"] {
                assert!(!text.contains(word), "{} has {word} in it", file.display());
            }
        }
        let text = fs::read_to_string(fixture.join("capture.tcap.txt")).expect("its capture is a text");
        assert!(text.contains("    name: \"host\"\n"), "{}", fixture.display());
    }
    assert!(bytes < MOST, "{bytes} bytes");
}

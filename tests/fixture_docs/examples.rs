//! The examples for continuous integration and git, in a repository of rules and fixtures.

use std::fs;
use std::path::Path;

use capture::{CaptureWriter, Header, WriterOptions};
use detectors_api::testkit::TestEvent;

use crate::support::{read, root, shell, text};

/// A git repository with a detector in `rules` and a fixture for it in `tests`.
fn repository() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let header = Header::default();
    let mut writer =
        CaptureWriter::create(path.join("shadow.tcap"), header, WriterOptions::default()).expect("it is new");
    let event = TestEvent::new("security_file_open")
        .comm("cat")
        .set("pathname", "/etc/shadow");
    writer.push(&event.to_recorded());
    writer.finish().expect("finished");
    must(
        path,
        "mkdir rules
        tracee-cap detectors new yaml password_hashes_read -w rules/hashes.yaml
        tracee-cap fixture new tests/hashes --capture shadow.tcap --detectors rules/hashes.yaml
        rm -r shadow.tcap
        git init -q
        git config user.name me
        git config user.email me@example.com
        git add .",
    );
    directory
}

fn must(directory: &Path, command: &str) -> String {
    let output = shell(directory, command);
    assert!(output.status.success(), "{command}\n{}", text(&output));
    text(&output)
}

fn break_the_detector(directory: &Path) {
    must(
        directory,
        "sed -i s/workload.process.thread.name$/workload.process.executable.path/ rules/hashes.yaml",
    );
}

#[test]
fn the_hook_lets_no_broken_detector_pass() {
    let directory = repository();
    let path = directory.path();
    fs::copy(
        root().join("docs/examples/pre-commit"),
        path.join(".git/hooks/pre-commit"),
    )
    .expect("copied");
    must(path, "git commit -q -m first");
    break_the_detector(path);
    must(
        path,
        "git commit -q --allow-empty -m 'nothing of it is to be committed'",
    );
    must(path, "git add .");
    let output = shell(path, "git commit -q -m broken");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("- missing: ") || said.contains("/data/1/str (program)"),
        "{said}"
    );
    assert!(said.contains("Not committed"), "{said}");
    must(
        path,
        "tracee-cap test tests --in rules --bless; git add .; git commit -q -m meant",
    );
}

#[test]
fn the_hook_of_pre_commit_does_the_same() {
    let page = read("examples/pre-commit-config.yaml");
    let entry = page.lines().find_map(|line| line.trim().strip_prefix("entry: "));
    let entry = entry.expect("there is a command");
    let directory = repository();
    must(directory.path(), entry);
    break_the_detector(directory.path());
    assert_eq!(shell(directory.path(), entry).status.code(), Some(1));
}

/// What the workflow runs in the step of this name.
fn step(name: &str) -> String {
    let workflow = read("examples/github-actions.yml");
    let (_, step) = workflow
        .split_once(&format!("- name: {name}\n"))
        .expect("there is the step");
    let (_, script) = step.split_once("run: |\n").expect("it runs something");
    let lines = script.lines().take_while(|line| line.starts_with("          "));
    lines.map(|line| format!("{}\n", line.trim_start())).collect()
}

#[test]
fn the_workflow_tests_and_keeps_the_results() {
    let directory = repository();
    let path = directory.path();
    let test = step("Test the detectors");
    assert_eq!(test.lines().count(), 2, "{test}");
    must(path, &test);
    assert!(
        fs::read_to_string(path.join("results.xml"))
            .expect("it is there")
            .contains("failures=\"0\"")
    );
    fs::remove_file(path.join("results.xml")).expect("removed");
    break_the_detector(path);
    let output = shell(path, &test);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        fs::read_to_string(path.join("results.xml"))
            .expect("it is there")
            .contains("failures=\"1\"")
    );
}

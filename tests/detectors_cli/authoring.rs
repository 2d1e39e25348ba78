//! `detectors new` and `detectors validate`.

use insta::assert_snapshot;

use super::incident::{Incident, directory, lines, text};

/// Files each with another fault, and one without.
const FAULTY: [(&str, &str); 11] = [
    ("01_syntax.yaml", "type: detector\nid: [\n"),
    ("02_type.yaml", "type: detektor\nid: x\n"),
    (
        "03_key.yaml",
        "type: detector\nid: f3\nproduced_event: {name: f3, version: 1.0.0}\n\
         requirements:\n  events:\n    - name: execve\n      data_filter: [a=b]\n",
    ),
    (
        "04_event.yaml",
        "type: detector\nid: f4\nproduced_event: {name: f4, version: 1.0.0}\n\
         requirements:\n  events:\n    - name: security_file_opne\n",
    ),
    (
        "05_filter.yaml",
        "type: detector\nid: f5\nproduced_event: {name: f5, version: 1.0.0}\n\
         requirements:\n  events:\n    - name: security_file_open\n      data_filters:\n        - path=/etc/shadow\n",
    ),
    (
        "06_condition.yaml",
        "type: detector\nid: f6\nproduced_event: {name: f6, version: 1.0.0}\n\
         requirements: {events: [{name: execve}]}\nconditions:\n  - workload.proces.pid > 1\n  - getEventData(\"a\")\n",
    ),
    (
        "07_tag.yaml",
        "type: detector\nid: f7\nproduced_event: {name: f7, version: 1.0.0}\n\
         requirements: {events: [{name: execve}]}\nconditions:\n  - !(true)\n",
    ),
    (
        "08_severity.yaml",
        "type: detector\nid: f8\nproduced_event: {name: f8, version: 1.0.0}\n\
         requirements: {events: [{name: execve}]}\nthreat: {name: T, description: D, severity: horrible}\n",
    ),
    (
        "09_circle.yaml",
        "type: detector\nid: f9\nproduced_event: {name: f9, version: 1.0.0}\n\
         requirements: {events: [{name: f9}]}\n",
    ),
    (
        "10_taken.yaml",
        "type: detector\nid: TRC-107\nproduced_event: {name: execve, version: 1.0.0}\n\
         requirements: {events: [{name: openat}]}\n",
    ),
    (
        "11_fine.yaml",
        "type: detector\nid: f11\nproduced_event: {name: f11, version: 1.0.0}\n\
         requirements: {events: [{name: execve}]}\n",
    ),
];

#[test]
fn everything_wrong_with_all_files_is_told_with_its_place() {
    let incident = Incident::new();
    std::fs::create_dir(incident.path("faulty")).expect("a directory");
    for (name, content) in FAULTY {
        incident.write(&format!("faulty/{name}"), content);
    }
    let output = incident.run(&["detectors", "validate", "faulty"]);
    assert_eq!(output.status.code(), Some(3));
    assert_snapshot!(format!("{}{}", text(&output.stdout), text(&output.stderr)));

    let output = incident.run(&["detectors", "validate", "faulty", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["files"], &report["broken"]), (&11.into(), &10.into()));
    let output = incident.run(&["detectors", "validate", "faulty", "-o", "ndjson"]);
    let problems = lines(&output.stdout);
    assert_eq!(Some(problems.len()), report["errors"].as_array().map(Vec::len));
    assert!(problems.iter().all(|problem| problem["level"] == "error"));
}

#[test]
fn files_in_order_pass_and_no_files_do_not() {
    let incident = Incident::new();
    let output = incident.run(&["detectors", "validate", "rules"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("4 files, 0 broken, 0 errors, 0 warnings"));
    // A chain without its beginning.
    let stdout = text(
        &incident
            .run(&["detectors", "validate", "rules/level2.yaml"])
            .stdout,
    );
    assert!(stdout.contains("level2.yaml:"), "{stdout}");
    assert!(stdout.contains("there is no event netcat_execution"), "{stdout}");
    std::fs::create_dir(incident.path("empty")).expect("a directory");
    incident.fails(&["detectors", "validate", "empty"], 3);
    incident.fails(&["detectors", "validate", "nowhere"], 3);
}

#[test]
fn a_new_rule_is_in_order_and_finds_something() {
    let incident = Incident::new();
    let new = [
        "detectors",
        "new",
        "yaml",
        "hashes_read",
        "-w",
        "rules/hashes_read.yaml",
    ];
    let output = incident.run(&new);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());
    assert_eq!(directory(&incident.path("rules")), 5);
    let output = incident.run(&["detectors", "validate", "rules/hashes_read.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let (found, _) = incident.replay(&["--detectors", "rules/hashes_read.yaml"]);
    assert_eq!(found, ["hashes_read"]);
    let listed = lines(
        &incident
            .run(&["detectors", "show", "rules/hashes_read.yaml"])
            .stdout,
    );
    assert_eq!(listed[0]["id"], "HASHES-READ");
    // Nothing is overwritten by accident.
    let stderr = incident.fails(&new, 2);
    assert!(stderr.contains("--force overwrites it"), "{stderr}");
    assert!(incident.run(&[&new[..], &["--force"]].concat()).status.success());
}

#[test]
fn a_new_source_file_is_the_tested_template_with_its_names() {
    let incident = Incident::new();
    let template = include_str!("../../src/detectors/templates/detector.rs");
    let stdout = text(
        &incident
            .run(&[
                "detectors",
                "new",
                "rust",
                "password_hashes_read",
                "--id",
                "ACME-001",
            ])
            .stdout,
    );
    assert_eq!(stdout, template);
    let stdout = text(&incident.run(&["detectors", "new", "rust", "shell_run"]).stdout);
    assert!(stdout.contains("register!(ShellRun);") && stdout.contains("\"SHELL-RUN\", \"shell_run\""));
    assert!(!stdout.contains("PasswordHashesRead") && !stdout.contains("ACME"));
    let stderr = incident.fails(&["detectors", "new", "rust", "execve"], 2);
    assert!(stderr.contains("a recorded event has this name"), "{stderr}");
}

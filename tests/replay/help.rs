//! The help teaches: every example of it runs.

use std::path::Path;
use std::process::Command;

use detectors_api::testkit::TestEvent;
use fixtures::generator::Generator;

use crate::support::{make_with, tracee_cap};

#[test]
fn every_example_of_the_help_runs() {
    let help = tracee_cap().args(["replay", "--help"]).output().expect("it runs");
    let help = String::from_utf8(help.stdout).expect("text");
    let examples: Vec<_> = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tracee-cap replay "))
        .collect();
    assert!(examples.len() >= 8, "{examples:?}");
    for example in examples {
        // Each in a directory of its own: some write files.
        let directory = tempfile::tempdir().expect("a directory");
        set_the_stage(directory.path());
        let program = tracee_cap().get_program().to_string_lossy().into_owned();
        // What reads the output is not what is tested, and may not be there.
        let example = example.split(" | ").next().unwrap_or(example);
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("{program} replay {example}"))
            .current_dir(directory.path())
            .output()
            .expect("there is a shell");
        // Findings have a code of their own.
        let code = output.status.code();
        assert!(
            code == Some(0) || (code == Some(1) && example.contains("--fail-on")),
            "{example}: {code:?}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// The captures and rules that the examples speak of.
fn set_the_stage(directory: &Path) {
    // The generator's clock starts with the year.
    let noon = 10_411_200;
    let incident = Generator::new(42).take(2000).map(|mut event| {
        if let Some(time) = &mut event.event.timestamp {
            time.seconds += noon;
        }
        event
    });
    let process = TestEvent::new("openat").process(4711, 1_777_000_000_000_000_000);
    let incident = incident.chain([process.at_ns(1_777_636_801_000_000_000).to_recorded()]);
    make_with(&directory.join("incident.tcap"), incident, &[]);
    make_with(&directory.join("monday.tcap"), Generator::new(1).take(200), &[]);
    make_with(&directory.join("tuesday.tcap"), Generator::new(2).take(200), &[]);
    std::fs::create_dir(directory.join("rules")).expect("a directory");
    let rule = tracee_cap()
        .args(["detectors", "new", "yaml", "shell_from_web_server"])
        .output()
        .expect("it runs");
    std::fs::write(directory.join("rules/rule.yaml"), rule.stdout).expect("written");
    // What the rules find now is what is expected.
    let found = tracee_cap()
        .args([
            "replay",
            "incident.tcap",
            "--detectors",
            "./rules",
            "-o",
            "ndjson",
        ])
        .current_dir(directory)
        .output()
        .expect("it runs");
    std::fs::write(directory.join("expected.ndjson"), found.stdout).expect("written");
}

/// Some options, in the order of the help.
const SOME: [&str; 8] = [
    "--detectors",
    "--from",
    "--where",
    "--store",
    "--output",
    "--write",
    "--provenance",
    "--threads",
];

#[test]
fn options_stand_under_what_they_are_for() {
    let help = tracee_cap().args(["replay", "--help"]).output().expect("it runs");
    let help = String::from_utf8(help.stdout).expect("text");
    let mut heading = "";
    let mut found = Vec::new();
    for line in help.lines() {
        if !line.starts_with(' ') && line.ends_with(':') {
            heading = line.trim_end_matches(':');
        }
        let words = line.split([' ', ',']).filter(|word| !word.is_empty());
        let mut options = words.take_while(|word| word.starts_with('-'));
        found.extend(
            options
                .find(|word| SOME.contains(word))
                .map(|option| (option, heading)),
        );
    }
    let headings = [
        "Detectors",
        "What is looked at",
        "What is looked at",
        "What is looked at",
        "Output",
        "Output",
        "Record of the run",
        "Speed",
    ];
    let expected: Vec<_> = SOME.into_iter().zip(headings).collect();
    assert_eq!(found, expected);
}

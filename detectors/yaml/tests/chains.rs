//! Chains of YAML detectors: five levels, and no circles.

mod support;

use std::fs;
use std::path::Path;

use detectors_api::testkit::TestEvent;
use detectors_yaml::YamlDetector;
use support::{briefs, read, register, run};

/// Detectors `level1`… in files of their own, each consuming the event named beside it.
fn detectors(inputs: &[(&str, &str)]) -> Vec<YamlDetector> {
    let directory = tempfile::tempdir().expect("a directory can be made");
    for (name, input) in inputs {
        let depth = match *input {
            "sched_process_exec" => "1",
            _ => "getEventData(\"depth\") + 1",
        };
        let text = format!(
            "type: detector\nid: {name}\nproduced_event:\n  name: {name}\n  version: 1.0\n  \
             fields: [{{name: depth, type: int}}]\nrequirements:\n  events:\n    - name: {input}\n\
             output:\n  fields:\n    - name: depth\n      \
             expression: '{depth}'\n"
        );
        let path = directory.path().join(format!("{name}.yaml"));
        fs::write(path, text).expect("a file can be written");
    }
    read(directory.path())
}

const FIVE: [(&str, &str); 5] = [
    ("level1", "sched_process_exec"),
    ("level2", "level1"),
    ("level3", "level2"),
    ("level4", "level3"),
    ("level5", "level4"),
];

#[test]
fn five_levels_run() {
    let event = TestEvent::new("sched_process_exec").to_recorded();
    let detections = run(detectors(&FIVE), &[event]);
    assert_eq!(
        briefs(&detections),
        [
            "level1 depth=1",
            "level2 depth=2",
            "level3 depth=3",
            "level4 depth=4",
            "level5 depth=5"
        ]
    );
}

/// What is wrong with detectors, each at its place in its file.
fn refusals(detectors: Vec<YamlDetector>) -> Vec<String> {
    let origins: Vec<_> = detectors
        .iter()
        .map(|detector| detector.origin().clone())
        .collect();
    let registered = register(detectors);
    let place = |problem: &detectors_engine::Problem| {
        let file = format!("{}.yaml", problem.detector);
        let origin = origins
            .iter()
            .find(|origin| origin.path().file_name() == Path::new(&file).file_name())
            .expect("the problem is one of these detectors'");
        let error = origin.refusal(&problem.field, problem.reason.to_string(), problem.hint.clone());
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        line.rsplit('/').next().unwrap_or_default().to_owned()
    };
    registered.refusals.iter().map(place).collect()
}

#[test]
fn a_sixth_level_is_refused_where_it_asks_for_the_fifth() {
    let mut six = FIVE.to_vec();
    six.push(("level6", "level5"));
    assert_eq!(
        refusals(detectors(&six)),
        [
            "level6.yaml:9:5: requirements.events: its events are 6 detectors away from a recorded event \
             (level1 → level2 → level3 → level4 → level5 → level6); 5 are allowed"
        ]
    );
}

#[test]
fn a_circle_is_refused_and_named() {
    let circle = detectors(&[("a", "b"), ("b", "a")]);
    let refusals = refusals(circle);
    assert!(
        refusals[0].contains("detectors run in a circle: a → b → a"),
        "{refusals:?}"
    );
    assert!(
        refusals.iter().any(|refusal| refusal.starts_with("b.yaml:")),
        "{refusals:?}"
    );
}

#[test]
fn a_filter_that_is_wrong_is_shown_where_it_is_written() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let text = "type: detector\nid: a\nproduced_event: {name: a, version: 1.0}\nrequirements:\n  events:\n    \
                - name: sched_process_exec\n      data_filters:\n        - 'pathname=/bin/sh'\n        \
                - \"pathnam=/bin/\\x73h\"\n";
    fs::write(directory.path().join("a.yaml"), text).expect("a file can be written");
    let detectors = read(directory.path());
    let origin = detectors[0].origin().clone();
    let registered = register(detectors);
    let [problem] = &registered.refusals[..] else {
        panic!("one thing is wrong: {:?}", registered.refusals);
    };
    let detectors_engine::Reason::Filter(error) = &problem.reason else {
        panic!("a filter is wrong: {problem}");
    };
    let shown = origin.filter_refusal(
        &problem.field,
        (&error.filter, error.offset),
        error.message.clone(),
        error.hint.clone(),
    );
    let position = shown.position.expect("it was read from a file");
    assert_eq!((position.line, position.column), (9, 12));
    assert_eq!(shown.field, "requirements.events[0].data_filters[1]");
}

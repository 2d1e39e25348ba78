//! Every example of the guide loads, and those that name events find what they say.
//!
//! An example is followed by comments that readers do not see: `on EVENT FIELD=VALUE… -> DETECTION`. All detectors of
//! the guide are in one directory; of what they find, only the detections of those named in a comment are compared.

mod support;

use std::fs;

use detectors_api::catalogue::{FieldType, catalogue};
use detectors_api::event::RecordedEvent;
use detectors_api::proto::event_value::Value;
use detectors_api::testkit::TestEvent;
use detectors_yaml::settings::Settings;
use detectors_yaml::source::Source;
use support::{brief, read, run};

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/yaml-detectors.md");

/// A block of YAML in the guide and the comments after it.
struct Example {
    text: String,
    line: usize,
    trials: Vec<String>,
}

fn examples() -> Vec<Example> {
    let guide = fs::read_to_string(GUIDE).expect("the guide is there");
    let mut examples: Vec<Example> = Vec::new();
    let mut within = false;
    for (number, line) in (1..).zip(guide.lines()) {
        match line {
            "```yaml" => {
                within = true;
                examples.push(Example {
                    text: String::new(),
                    line: number,
                    trials: Vec::new(),
                });
            }
            "```" => within = false,
            _ => {
                let Some(example) = examples.last_mut() else {
                    continue;
                };
                if within {
                    example.text.push_str(line);
                    example.text.push('\n');
                } else if let Some(comment) = line.strip_prefix("<!-- ") {
                    example
                        .trials
                        .push(comment.trim_end_matches("-->").trim().to_owned());
                }
            }
        }
    }
    examples
}

/// The event of a trial, `[in container: ]on EVENT FIELD=VALUE…`.
fn event(description: &str) -> RecordedEvent {
    let (contained, description) = match description.strip_prefix("in container: ") {
        Some(rest) => (true, rest),
        None => (false, description),
    };
    let mut words = description
        .strip_prefix("on ")
        .expect("a trial begins with `on`")
        .split(' ');
    let name = words.next().expect("a trial names an event");
    let definition = catalogue().get(name).expect("the event exists");
    let mut event = TestEvent::new(name);
    for word in words {
        let (field, value) = word.split_once('=').expect("a field has a value");
        let field_type = definition.field(field).and_then(|field| field.field_type);
        event = match field_type {
            Some(FieldType::StringArray) => {
                event.set(field, value.split(',').map(str::to_owned).collect::<Vec<_>>())
            }
            Some(FieldType::String) => event.set(field, value),
            _ => event.set(field, Value::Int64(value.parse().expect("a number"))),
        };
    }
    if contained {
        event = event.container("c0ffee", true);
    }
    event.to_recorded()
}

#[test]
fn every_example_finds_what_it_says() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let (mut detectors, mut settings, mut trials) = (0, 0, Vec::new());
    for example in examples() {
        if example.text.starts_with("type:") {
            let path = directory.path().join(format!("line-{:04}.yaml", example.line));
            fs::write(path, &example.text).expect("a file can be written");
            detectors += 1;
        } else {
            Settings::parse(Source::new("settings.yaml", example.text)).expect("the settings are in order");
            settings += 1;
        }
        trials.extend(example.trials);
    }
    assert!(
        detectors >= 5 && settings >= 1 && trials.len() >= 8,
        "the guide has examples"
    );
    for trial in trials {
        let (given, expected) = trial.split_once(" ->").expect("a trial has a result");
        let expected: Vec<_> = expected
            .split("->")
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .collect();
        let detections = run(read(directory.path()), &[event(given)]);
        let found: Vec<_> = detections
            .iter()
            .map(|detection| brief(&detection.event))
            .collect();
        assert_eq!(found, expected, "{trial}");
    }
}

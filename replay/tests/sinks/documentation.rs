//! The examples of docs/output-forms.md are real: they are made here, and
//! `UPDATE_DOCS=1 cargo test -p replay --test sinks` writes them.

use std::fs;

use replay::{Expectation, Format};
use serde_json::Value;

use super::detections::example;
use super::samples::name;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/output-forms.md");

/// An example stands in the block of code after this comment and its name.
const MARK: &str = "<!-- example: ";

#[test]
fn the_examples_are_what_is_written() {
    let document = fs::read_to_string(DOCUMENT).expect("the document is there");
    let mut made = document.clone();
    for (name, text) in examples() {
        made = with(&made, &name, &text);
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(DOCUMENT, made).expect("it can be written");
    } else {
        assert!(
            made == document,
            "docs/output-forms.md is not what forms look like: UPDATE_DOCS=1 cargo test -p replay --test sinks"
        );
    }
}

fn examples() -> Vec<(String, String)> {
    let example = example();
    let formats = [
        Format::Ndjson,
        Format::Csv,
        Format::Sarif(example.roster()),
        Format::Junit(example.roster()),
        Format::Ocsf(example.roster()),
    ];
    let mut examples: Vec<_> = formats
        .into_iter()
        .map(|format| {
            let name = name(&format).to_owned();
            let text = example.in_good_form(format).replace("\r\n", "\n");
            // Indented, for people.
            match serde_json::from_str::<Value>(&text) {
                Ok(value) => (name, format!("{value:#}\n")),
                Err(_) => (name, text),
            }
        })
        .collect();
    examples.push(("expect".to_owned(), comparison()));
    examples
}

/// A detection is missing, one has another severity, and one is new.
fn comparison() -> String {
    let expected = example();
    let twice = |text: String| {
        let later = text.replace("08:00:00", "08:00:01");
        text + &later
    };
    let lines = twice(expected.in_good_form(Format::Ndjson));
    let mut found = expected.detections;
    if let Some(threat) = &mut found[0].event.threat {
        threat.severity = 3;
    }
    let mut other = found[0].clone();
    other.event.name = "secret_written".to_owned();
    found.push(other);
    let mut expectation = Expectation::new(lines.as_bytes());
    found
        .iter()
        .try_for_each(|detection| expectation.found(detection))
        .expect("detections");
    expectation.finish().expect("detections").to_string()
}

/// `document` with `text` as the example called `name`.
fn with(document: &str, name: &str, text: &str) -> String {
    let mark = format!("{MARK}{name} -->\n");
    let (before, after) = document
        .split_once(&mark)
        .unwrap_or_else(|| panic!("there is no {mark}"));
    let (fence, after) = after.split_once('\n').expect("a block of code begins");
    let (_, after) = after.split_once("\n```\n").expect("a block of code ends");
    assert!(fence.starts_with("```"), "{fence}");
    format!("{before}{mark}{fence}\n{text}```\n{after}")
}

//! How each form looks.

use replay::Format;

use super::detections::{empty, sample, text};

#[test]
fn every_text_form_looks_like_this() {
    let sample = sample();
    for format in sample.formats() {
        if format.is_binary() {
            continue;
        }
        insta::assert_snapshot!(name(&format), text(sample.in_form(format.clone())));
    }
}

#[test]
fn every_form_of_nothing_is_complete() {
    for format in sample().formats() {
        let bytes = empty(format.clone());
        match format {
            // Nothing to say, and nothing that must be said.
            Format::Table { .. } | Format::Ndjson | Format::Findings(_) | Format::Ocsf(_) => {
                assert_eq!(bytes, b"", "{format:?}");
            }
            Format::Parquet => assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1")),
            Format::Json => assert_eq!(bytes, b"[]\n"),
            Format::Csv => assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1),
            Format::Sarif(_) | Format::Junit(_) => {
                insta::assert_snapshot!(format!("empty_{}", name(&format)), text(bytes));
            }
        }
    }
}

pub(crate) fn name(format: &Format) -> &'static str {
    match format {
        Format::Table { .. } => "table",
        Format::Ndjson => "ndjson",
        Format::Json => "json",
        Format::Findings(_) => "findings",
        Format::Parquet => "parquet",
        Format::Csv => "csv",
        Format::Sarif(_) => "sarif",
        Format::Junit(_) => "junit",
        Format::Ocsf(_) => "ocsf",
    }
}

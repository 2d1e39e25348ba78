//! JUnit.

use detectors_engine::Detection;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus};
use replay::{Ending, Format};

use super::detections::{empty, sample, text, written};

fn cases(bytes: Vec<u8>) -> Vec<TestCase> {
    let text = text(bytes);
    let report = Report::deserialize_from_str(&text).expect("a JUnit document");
    assert_eq!(report.test_suites.len(), 1);
    let suite = &report.test_suites[0];
    assert_eq!(suite.tests, suite.test_cases.len());
    assert!(report.timestamp.is_none() && report.uuid.is_none() && report.time.is_none());
    suite.test_cases.clone()
}

/// How a case ended, and with what type.
fn status(case: &TestCase) -> String {
    let ty = |ty: &Option<quick_junit::XmlString>| ty.as_ref().map_or("", |ty| ty.as_str()).to_owned();
    match &case.status {
        TestCaseStatus::Success { .. } => "success".to_owned(),
        TestCaseStatus::NonSuccess {
            kind: NonSuccessKind::Failure,
            ty: is,
            ..
        } => format!("failure {}", ty(is)),
        TestCaseStatus::NonSuccess { ty: is, .. } => format!("error {}", ty(is)),
        TestCaseStatus::Skipped { ty: is, .. } => format!("skipped {}", ty(is)),
    }
}

#[test]
fn there_is_a_case_for_every_detector() {
    let sample = sample();
    let cases = cases(sample.in_form(Format::Junit(sample.roster())));
    let found: Vec<_> = cases
        .iter()
        .map(|case| (case.name.as_str(), status(case)))
        .collect();
    let found: Vec<_> = found
        .iter()
        .map(|(name, status)| (*name, status.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("capture", "error unreadable"),
            ("ACME-000 file_touched", "success"),
            ("ACME-001 secret_read", "failure CRITICAL"),
            ("ACME-002 chain_end", "failure LOW"),
            ("ACME-003 silence", "success"),
            ("ACME-004", "skipped refused"),
        ]
    );
}

#[test]
fn a_detector_that_only_failed_is_an_error() {
    let sample = sample();
    let without = |id: &str| -> Vec<Detection> {
        let others = sample
            .detections
            .iter()
            .filter(|detection| *detection.detector_id != *id);
        others.cloned().collect()
    };
    let ending = Ending::of(&sample.engine);
    assert_eq!(ending.failures.len(), 1);
    let bytes = written(Format::Junit(sample.roster()), None, without("ACME-001"), &ending);
    let case = &cases(bytes)[1];
    assert_eq!(
        (case.name.as_str(), status(case).as_str()),
        ("ACME-001 secret_read", "error failed calls")
    );
}

#[test]
fn many_detections_are_counted_and_the_first_told() {
    let sample = sample();
    let mut detection = sample.detections[0].clone();
    detection.event.threat.get_or_insert_default().severity = 2;
    let many = vec![detection; 1000];
    let bytes = written(Format::Junit(sample.roster()), None, many, &Ending::default());
    let length = bytes.len();
    let text = text(bytes);
    assert!(
        text.contains("found 1000 threats") && text.contains("and 900 more"),
        "{text}"
    );
    assert!(length < 100_000);
}

#[test]
fn nothing_found_passes() {
    let sample = sample();
    let cases = cases(empty(Format::Junit(sample.roster())));
    assert!(cases.iter().all(|case| !status(case).starts_with("failure")));
}

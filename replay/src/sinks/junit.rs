//! Detections as a JUnit document: what every continuous-integration service shows next to its tests.
//!
//! One test case for each detector. It fails if the detector found a threat, and says what; it has an error if calls of the
//! detector failed, and it is skipped, with the reasons, if the detector was refused. What is found and is no threat (an event
//! that a detector derives) stands in the output of a case that passes.
//!
//! The captures have a case of their own if they do not tell all: what could not be read is its error; what is known to be missing
//! from them stands in its output.
//!
//! There are no times in it: the same detections give the same document.

use std::collections::BTreeMap;
use std::io;

use detectors_api::definition::DetectorDefinition;
use detectors_api::event::Event;
use detectors_engine::Detection;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::about::{Capture, Ending, Roster};
use super::words::{rfc3339, sentence, severity_name};
use super::{Sink, tool};

/// Detections of a detector that are told in full; others are counted.
const SHOWN: usize = 100;

/// What a detector found.
#[derive(Debug, Default)]
struct Found {
    count: u64,
    threats: u64,
    /// The worst severity among its threats, by number.
    worst: i32,
    /// A line for each of the first ones.
    lines: Vec<String>,
}

impl Found {
    fn add(&mut self, detection: &Detection) {
        self.count += 1;
        if let Some(threat) = &detection.event.threat {
            self.threats += 1;
            self.worst = self.worst.max(threat.severity);
        }
        if self.lines.len() < SHOWN {
            let time = Event::from_message(0, &detection.event)
                .timestamp_ns()
                .and_then(rfc3339);
            let time = time.unwrap_or_else(|| "no time".to_owned());
            self.lines.push(format!(
                "event {} at {time}: {}",
                detection.seq,
                sentence(&detection.event)
            ));
        }
    }

    fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        let more = self.count - self.lines.len() as u64;
        if more > 0 {
            text.push_str(&format!("\nand {more} more"));
        }
        text
    }
}

/// A document with one suite.
#[derive(Debug)]
pub(super) struct Junit {
    roster: Roster,
    /// By detector.
    found: BTreeMap<String, Found>,
    captures: Vec<Capture>,
}

impl Junit {
    pub(super) fn new(roster: Roster) -> Self {
        Self {
            roster,
            found: BTreeMap::new(),
            captures: Vec::new(),
        }
    }

    fn suite(&self, ending: &Ending) -> TestSuite {
        let mut suite = TestSuite::new(tool::NAME);
        for capture in &self.captures {
            suite.add_property(("capture.id".to_owned(), xml(&capture.id)));
            suite.add_property(("capture.digest".to_owned(), xml(&capture.digest)));
            suite.add_property(("capture.state".to_owned(), xml(&capture.state)));
        }
        suite.add_test_cases(shortcomings(ending));
        for definition in self.roster.detectors() {
            let failures = ending.failures.get(&definition.id).map_or(&[][..], Vec::as_slice);
            suite.add_test_case(self.ran(definition, failures));
        }
        let known = |id: &String| self.roster.detector(id).is_some();
        for (id, found) in self.found.iter().filter(|(id, _)| !known(id)) {
            suite.add_test_case(case(id, status(found, &[])));
        }
        for (id, reasons) in self.roster.refused() {
            let mut status = TestCaseStatus::skipped();
            status.set_type("refused").set_message(xml(reasons.join("; ")));
            suite.add_test_case(case(id, status));
        }
        let skipped = self.roster.refused().len().to_string();
        suite.extra.insert("skipped".into(), skipped.into());
        suite
    }

    fn ran(&self, definition: &DetectorDefinition, failures: &[String]) -> TestCase {
        let nothing = Found::default();
        let found = self.found.get(&definition.id).unwrap_or(&nothing);
        let name = format!("{} {}", definition.id, definition.event.name);
        let mut case = case(&name, status(found, failures));
        if found.count > 0 && found.threats == 0 {
            case.set_system_out(xml(found.text()));
        }
        if found.threats > 0 && !failures.is_empty() {
            case.set_system_err(xml(failures.join("\n")));
        }
        case
    }
}

/// The case of the captures, if they do not tell all.
fn shortcomings(ending: &Ending) -> Option<TestCase> {
    let status = if ending.unread.is_empty() {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status
            .set_type("unreadable")
            .set_message("parts of the capture could not be read: what they hold was not looked at")
            .set_description(xml(ending.unread.join("\n")));
        status
    };
    let mut case = case("capture", status);
    if !ending.missing.is_empty() {
        case.set_system_out(xml(ending.missing.join("\n")));
    } else if ending.unread.is_empty() {
        return None;
    }
    Some(case)
}

/// The text without what XML has no place for, beyond what the library takes away.
fn xml(text: impl AsRef<str>) -> String {
    text.as_ref().replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn case(name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(xml(name), status);
    case.set_classname("detectors");
    case
}

fn status(found: &Found, failures: &[String]) -> TestCaseStatus {
    if found.threats > 0 {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let plural = if found.threats == 1 { "" } else { "s" };
        status
            .set_type(severity_name(found.worst))
            .set_message(format!("found {} threat{plural}", found.threats))
            .set_description(xml(found.text()));
        status
    } else if failures.is_empty() {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status
            .set_type("failed calls")
            .set_message("the detector failed on some events")
            .set_description(xml(failures.join("\n")));
        status
    }
}

impl Sink for Junit {
    fn capture(&mut self, capture: &Capture) {
        self.captures.push(capture.clone());
    }

    fn detection(&mut self, detection: Detection, _: &mut Vec<u8>) -> io::Result<()> {
        let id = &*detection.detector_id;
        match self.found.get_mut(id) {
            Some(found) => found.add(&detection),
            None => self.found.entry(id.to_owned()).or_default().add(&detection),
        }
        Ok(())
    }

    fn end(&mut self, ending: &Ending, out: &mut Vec<u8>) -> io::Result<()> {
        let mut report = Report::new(tool::NAME);
        report.add_test_suite(self.suite(ending));
        report.serialize(&mut *out).map_err(io::Error::other)?;
        if out.last() != Some(&b'\n') {
            out.push(b'\n');
        }
        Ok(())
    }
}

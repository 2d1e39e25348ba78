//! What came of a run.

use std::fmt::Write as _;

use detectors_api::definition::DetectorDefinition;
use detectors_api::event::{Event, EventBatch};
use similar::TextDiff;

use super::{explain, text};
use crate::{Detection, DetectorStats, Failure, Note, Refusal, Warning};

/// What came of a run of [`Harness`](super::Harness).
#[derive(Debug)]
pub struct Run {
    /// Of all detectors, refused ones included.
    pub(super) definitions: Vec<DetectorDefinition>,
    pub(super) architecture: String,
    pub(super) events: Vec<EventBatch>,
    pub(super) detections: Vec<Detection>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) warnings: Vec<Warning>,
    pub(super) stats: Vec<DetectorStats>,
}

impl Run {
    /// The detections, in the order of results.
    #[must_use]
    pub fn detections(&self) -> &[Detection] {
        &self.detections
    }

    /// The detections, in the order of results.
    #[must_use]
    pub fn into_detections(self) -> Vec<Detection> {
        self.detections
    }

    /// Detection number `index`, from 0, as an event to be read.
    ///
    /// # Panics
    /// If there are not so many; the text says why.
    #[must_use]
    #[track_caller]
    pub fn detection(&self, index: usize) -> Event<'_> {
        match self.detections.get(index) {
            Some(detection) => Event::from_message(detection.seq, &detection.event),
            None => panic!(
                "there are {} detections\n\n{}",
                self.detections.len(),
                self.explain()
            ),
        }
    }

    /// Why detectors do not run.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// What detectors have to do without, and which of them failed to end.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The calls that failed, by detector.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.stats.iter().flat_map(|stats| &stats.failures)
    }

    /// What detectors warned about, by detector.
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        self.stats.iter().flat_map(|stats| &stats.notes)
    }

    /// What each running detector did, by id.
    #[must_use]
    pub fn stats(&self) -> &[DetectorStats] {
        &self.stats
    }

    /// All that came of it: detections, one line a field, then what went wrong. Stable, and made for snapshots.
    ///
    /// ```text
    /// event 2: shadow_read (ACME-002)
    ///   file = "/etc/gshadow"
    ///   threat = medium "Shadow file read" T1003
    ///   detected_from = security_file_open
    ///   ancestors = 4100 "/bin/bash", 1 "systemd"
    /// warning: detector ACME-002: store dns: the recording has no dns store
    /// ```
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text: String = self.detections.iter().map(text::detection).collect();
        text += &self.problems();
        text
    }

    /// What happened to each event: which detectors did not get it and why, and what the others made of it.
    #[must_use]
    pub fn explain(&self) -> String {
        explain::explain(self)
    }

    /// The result is `expected`, in the form of [`to_text`](Self::to_text). Indentation that all lines share does not count, nor do
    /// empty lines around.
    ///
    /// # Panics
    /// If it is not, with the difference and what happened to each event.
    #[track_caller]
    pub fn assert_text(&self, expected: &str) {
        let (expected, found) = (text::dedented(expected), self.to_text());
        if expected == found {
            return;
        }
        let diff = TextDiff::from_lines(&expected, &found);
        let diff = diff
            .unified_diff()
            .context_radius(expected.len().max(found.len()))
            .header("expected", "found")
            .to_string();
        panic!("the result is another one\n\n{diff}\n{}", self.explain());
    }

    /// Nothing was detected, and nothing went wrong.
    ///
    /// # Panics
    /// If something was, with what happened to each event.
    #[track_caller]
    pub fn assert_none(&self) {
        self.assert_text("");
    }

    /// Nothing went wrong: no detector was refused, failed, or said something that it did not declare. What optional requirements lack
    /// does not count.
    ///
    /// # Panics
    /// If something did.
    #[track_caller]
    pub fn assert_sound(&self) {
        let problems = self.grave_problems();
        assert!(problems.is_empty(), "{problems}");
    }

    fn problems(&self) -> String {
        let mut text = self.grave_problems();
        for warning in &self.warnings {
            // Writing to a text does not fail.
            let _ = writeln!(text, "warning: {warning}");
        }
        for note in self.notes() {
            let _ = writeln!(text, "warning: {note}");
        }
        text
    }

    fn grave_problems(&self) -> String {
        let mut text = String::new();
        for refusal in &self.refusals {
            let _ = writeln!(text, "refused: {refusal}");
        }
        for failure in self.failures() {
            let _ = writeln!(text, "failed: {failure}");
        }
        for detection in &self.detections {
            let mut definitions = self.definitions.iter();
            let Some(definition) = definitions.find(|known| *known.id == *detection.detector_id) else {
                continue;
            };
            for field in &detection.event.data {
                if definition.event.field(&field.name).is_none() {
                    let _ = writeln!(
                        text,
                        "undeclared: detector {} says `{}` about event {}, a field that its definition does not declare",
                        detection.detector_id, field.name, detection.seq
                    );
                }
            }
        }
        text
    }
}

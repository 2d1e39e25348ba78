//! What some forms tell of a run besides its detections.

use std::collections::{BTreeMap, BTreeSet};

use capture::CaptureReader;
use detectors_api::definition::DetectorDefinition;
use detectors_engine::Engine;

/// Which detectors a run has, and which it has not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    /// Those that run and whose detections are written, by id.
    detectors: BTreeMap<String, DetectorDefinition>,
    /// Why others do not run, by id.
    refused: BTreeMap<String, Vec<String>>,
}

impl Roster {
    /// A run of these detectors.
    #[must_use]
    pub fn new<'a>(definitions: impl IntoIterator<Item = &'a DetectorDefinition>) -> Self {
        Self {
            detectors: definitions
                .into_iter()
                .map(|definition| (definition.id.clone(), definition.clone()))
                .collect(),
            refused: BTreeMap::new(),
        }
    }

    /// A run of `engine`'s detectors without those in `hidden`, whose detections are not written.
    #[must_use]
    pub fn of(engine: &Engine, hidden: &BTreeSet<String>) -> Self {
        let mut roster = Self::default();
        roster.add(engine, hidden);
        roster
    }

    /// Adds `engine`'s detectors without those in `hidden`, for runs over several captures.
    pub fn add(&mut self, engine: &Engine, hidden: &BTreeSet<String>) {
        for definition in engine.definitions() {
            if !hidden.contains(&definition.id) {
                self.detectors
                    .entry(definition.id.clone())
                    .or_insert_with(|| definition.clone());
            }
        }
        for refusal in engine.refusals() {
            let mut reason = format!("{}: {}", refusal.field, refusal.reason);
            if let Some(hint) = &refusal.hint {
                reason.push_str(&format!(" ({hint})"));
            }
            let reasons = self.refused.entry(refusal.detector.clone()).or_default();
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }

    /// Those whose detections are written, by id.
    pub(super) fn detectors(&self) -> impl ExactSizeIterator<Item = &DetectorDefinition> {
        self.detectors.values()
    }

    /// The detector called `id`.
    pub(super) fn detector(&self, id: &str) -> Option<&DetectorDefinition> {
        self.detectors.get(id)
    }

    /// Why the others do not run, by id.
    pub(super) fn refused(&self) -> impl ExactSizeIterator<Item = (&String, &Vec<String>)> {
        self.refused.iter()
    }
}

/// The capture that detections were found in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Its path, as given: tells several captures of a run apart for people. Only tables show it.
    pub path: String,
    /// Its id.
    pub id: String,
    /// Its digest: the last value of its hash chain, in hexadecimal.
    pub digest: String,
    /// Its state: `closed`, `open` or `truncated`.
    pub state: String,
    /// Name of the host that it was recorded on; empty if unknown.
    pub host: String,
}

impl From<&CaptureReader> for Capture {
    fn from(reader: &CaptureReader) -> Self {
        let manifest = reader.manifest();
        Self {
            path: reader.path().display().to_string(),
            id: manifest.header.capture_id.clone(),
            digest: manifest.digest(),
            state: reader.state().as_str().to_owned(),
            host: manifest.header.host.name.clone(),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// The exit code of the process, where it is known.
    pub exit_code: Option<u8>,
    /// What is in the captures and could not be read, in words.
    pub unread: Vec<String>,
    /// What is known not to be in them, in words: lost events, ends that were not recorded. That is no failure of the run.
    pub missing: Vec<String>,
    /// The first failed calls of each detector, by id, in words.
    pub failures: BTreeMap<String, Vec<String>>,
}

impl Ending {
    /// A run of `engine` that read everything.
    #[must_use]
    pub fn of(engine: &Engine) -> Self {
        let mut ending = Self::default();
        ending.add(engine);
        ending
    }

    /// Adds the failed calls of `engine`'s detectors.
    pub fn add(&mut self, engine: &Engine) {
        for stats in engine.stats().filter(|stats| !stats.failures.is_empty()) {
            let failures = self.failures.entry(stats.detector.clone()).or_default();
            failures.extend(stats.failures.iter().map(ToString::to_string));
        }
    }
}

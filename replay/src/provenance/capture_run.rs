//! What a run was over in one capture, and what came out.

use std::collections::{BTreeMap, BTreeSet};

use capture::CaptureReader;
use serde::Serialize;

use super::detector_run::{DetectorProblem, DetectorRun, DetectorTiming};
use super::detector_set::{self, DetectorInputs};
use super::{LossRecord, RangeRecord};
use crate::restriction::RestrictionRecord;
use crate::{Gap, Outcome};

/// A run over one capture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaptureRun {
    /// Path of the capture, as given.
    pub capture: String,
    /// Its id.
    pub id: String,
    /// Its digest: the last value of its hash chain, in hexadecimal.
    pub digest: String,
    /// Its state: `closed`, `open` or `truncated`.
    pub state: String,
    /// Version of its format.
    pub format: String,
    /// The tool that wrote it, `name version`.
    pub recorder: String,
    /// Events in the capture.
    pub events: u64,
    /// Events that are known to be missing from it.
    pub lost: u64,
    /// The part of it that was looked at. What was before only went into the stores, and into what detectors remember.
    pub range: RangeRecord,
    /// Which of these events detectors were given.
    pub restrictions: RestrictionRecord,
    /// Types of events that were read for detectors, each with its number of events in the range.
    pub read: BTreeMap<String, u64>,
    /// Events that are in the capture and could not be read: the run went on without them.
    pub unreadable: Vec<Gap>,
    /// What was lost in the range, by cause.
    pub losses: Vec<LossRecord>,
    /// Digest of the detectors that ran: BLAKE3 over the digests of each, by id.
    pub detector_set: String,
    /// The detectors that ran, by id.
    pub detectors: Vec<DetectorRun>,
    /// Why other detectors did not run: all that was wrong with each.
    pub refused: Vec<DetectorProblem>,
    /// What the detectors that ran had to do without, and what else went wrong with them.
    pub warnings: Vec<DetectorProblem>,
    /// Detections written.
    pub detections: u64,
}

/// How long the detectors took over one capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaptureTiming {
    /// By id.
    pub detectors: Vec<DetectorTiming>,
}

/// What of a run the record is made of.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// What the run came to.
    pub outcome: &'a Outcome,
    /// Ids of detectors that ran because others consume their detections, which were not written.
    pub hidden: &'a BTreeSet<String>,
    /// What detectors are made of besides this program, by id.
    pub inputs: &'a BTreeMap<String, DetectorInputs>,
    /// Detections written.
    pub detections: u64,
}

impl CaptureRun {
    /// The record of a run over `reader`'s capture.
    #[must_use]
    pub fn new(
        reader: &CaptureReader,
        range: RangeRecord,
        losses: Vec<LossRecord>,
        restrictions: RestrictionRecord,
        run: Finished<'_>,
    ) -> (Self, CaptureTiming) {
        let (manifest, engine) = (reader.manifest(), &run.outcome.engine);
        let none = DetectorInputs::default();
        let definitions = engine.definitions().zip(engine.stats());
        let detectors: Vec<_> = definitions
            .map(|(definition, stats)| {
                let inputs = run.inputs.get(&definition.id).unwrap_or(&none);
                DetectorRun::new(definition, inputs, stats, run.hidden.contains(&definition.id))
            })
            .collect();
        let timing = CaptureTiming {
            detectors: engine.stats().map(DetectorTiming::from).collect(),
        };
        let record = Self {
            capture: reader.path().display().to_string(),
            id: manifest.header.capture_id.clone(),
            digest: manifest.digest(),
            state: reader.state().as_str().to_owned(),
            format: manifest.format.clone(),
            recorder: manifest.tool.clone(),
            events: manifest.totals.written,
            lost: manifest.totals.lost,
            range,
            read: run
                .outcome
                .reads
                .iter()
                .map(|(name, count)| (name.clone(), count.events))
                .collect(),
            unreadable: run.outcome.gaps.clone(),
            restrictions,
            losses,
            detector_set: detector_set::of_all(detectors.iter().map(|detector| detector.digest.as_str())),
            detectors,
            refused: engine.refusals().iter().map(DetectorProblem::from).collect(),
            warnings: engine.warnings().iter().map(DetectorProblem::from).collect(),
            detections: run.detections,
        };
        (record, timing)
    }
}

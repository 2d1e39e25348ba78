//! What a run was over in one capture, and what came out.

use std::collections::{BTreeMap, BTreeSet};

use capture::CaptureReader;
use detectors_engine::Engine;
use serde::Serialize;

use super::detector_run::{DetectorProblem, DetectorRun, DetectorTiming};
use super::detector_set::{self, DetectorInputs};
use super::{LossRecord, RangeRecord};
use crate::restriction::RestrictionRecord;

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
    /// Types of events that were read for detectors, each with its number of events in the whole capture.
    pub read: BTreeMap<String, u64>,
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
    /// The engine, after the run.
    pub engine: &'a Engine,
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
        let manifest = reader.manifest();
        let none = DetectorInputs::default();
        let definitions = run.engine.definitions().zip(run.engine.stats());
        let detectors: Vec<_> = definitions
            .map(|(definition, stats)| {
                let inputs = run.inputs.get(&definition.id).unwrap_or(&none);
                DetectorRun::new(definition, inputs, stats, run.hidden.contains(&definition.id))
            })
            .collect();
        let timing = CaptureTiming {
            detectors: run.engine.stats().map(DetectorTiming::from).collect(),
        };
        let read = |event: &&str| {
            restrictions
                .events
                .as_ref()
                .is_none_or(|wanted| wanted.iter().any(|name| name == event))
        };
        let read = run.engine.subscribed_events().into_iter().filter(read);
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
            read: read
                .filter_map(|event| Some((event.to_owned(), *manifest.events.get(event)?)))
                .collect(),
            restrictions,
            losses,
            detector_set: detector_set::of_all(detectors.iter().map(|detector| detector.digest.as_str())),
            detectors,
            refused: run.engine.refusals().iter().map(DetectorProblem::from).collect(),
            warnings: run.engine.warnings().iter().map(DetectorProblem::from).collect(),
            detections: run.detections,
        };
        (record, timing)
    }
}

//! A detector that runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use detectors_api::definition::DetectorDefinition;
use detectors_api::detector::{Detector, DetectorParams, Kind, Result};
use detectors_api::proto;

use crate::filter::Filter;
use crate::stats::DetectorStats;

/// A detector that runs, or could.
pub(crate) struct Slot {
    pub(crate) id: Arc<str>,
    pub(crate) definition: DetectorDefinition,
    /// The definition's threat, ready to be copied.
    pub(crate) threat: Option<proto::Threat>,
    pub(crate) detector: Box<dyn Detector>,
    /// What it was started with.
    pub(crate) params: DetectorParams,
    pub(crate) enabled: bool,
    pub(crate) inputs: Vec<Input>,
    /// Number of detectors in the longest chain that ends here.
    pub(crate) rank: usize,
    pub(crate) stats: DetectorStats,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("id", &self.id)
            .field("enabled", &self.enabled)
            .field("kind", &self.detector.kind())
            .field("rank", &self.rank)
            .finish_non_exhaustive()
    }
}

/// An event that a detector consumes if any of the filters lets it pass.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) event: String,
    pub(crate) source: Source,
    pub(crate) filters: Vec<Filter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Events of the recording.
    Recorded,
    /// Detections of the detector in this slot.
    Detector(usize),
}

impl Slot {
    pub(crate) fn new(
        definition: DetectorDefinition,
        detector: Box<dyn Detector>,
        params: DetectorParams,
        inputs: Vec<Input>,
        rank: usize,
    ) -> Self {
        Self {
            id: Arc::from(definition.id.as_str()),
            threat: definition.threat.as_ref().map(|threat| threat.to_proto()),
            stats: DetectorStats {
                detector: definition.id.clone(),
                ..DetectorStats::default()
            },
            definition,
            detector,
            params,
            enabled: true,
            inputs,
            rank,
        }
    }

    pub(crate) fn is_stateful(&self) -> bool {
        matches!(self.detector.kind(), Kind::Stateful(_))
    }

    /// Starts the detector, unless it is running.
    pub(crate) fn enable(&mut self) -> Result<(), String> {
        if !self.enabled {
            start(self.detector.as_mut(), &self.params)?;
            self.enabled = true;
        }
        Ok(())
    }

    /// Ends the detector, if it is running. If it fails to, it goes on.
    pub(crate) fn disable(&mut self) -> Result<(), String> {
        if self.enabled {
            guard(|| self.detector.close())?;
            self.enabled = false;
        }
        Ok(())
    }
}

/// Starts a detector. The error is in its own words.
pub(crate) fn start(detector: &mut dyn Detector, params: &DetectorParams) -> Result<(), String> {
    guard(|| detector.init(params))
}

/// Who a detector is. The error says why it could not tell.
pub(crate) fn definition(detector: &dyn Detector) -> Result<DetectorDefinition, String> {
    guard(|| Ok(detector.definition()))
}

fn guard<T>(call: impl FnOnce() -> Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string()),
        Err(payload) => Err(format!("it panicked: {}", panic_text(payload.as_ref()))),
    }
}

/// The text of a panic.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without text".to_owned())
}

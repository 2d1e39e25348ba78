//! The record of a run: "found nothing" needs evidence too.

use std::ops::RangeInclusive;

use capture::CaptureReader;
use detectors_engine::{DetectorStats, Engine};
use serde::Serialize;

use crate::output::Written;

/// What a run was over, with what, and what came out. Equal runs give equal records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Provenance {
    /// The tool that ran, `name version`.
    pub tool: String,
    /// The command line.
    pub argv: Vec<String>,
    /// Id of the capture.
    pub capture_id: String,
    /// Digest of the capture: the last value of its hash chain.
    pub capture_digest: String,
    /// State of the capture: `closed`, `open` or `truncated`.
    pub capture_state: String,
    /// Events in the capture.
    pub events: u64,
    /// Sequence number of the first event that detectors were shown; those before only went into the stores.
    pub from_seq: u64,
    /// Sequence number of the last event that detectors were shown; below `from_seq` if there was none.
    pub to_seq: u64,
    /// Events that are known to be missing from it.
    pub lost: u64,
    /// The detectors that ran, by id.
    pub detectors: Vec<DetectorRun>,
    /// Detections written.
    pub detections: u64,
    /// BLAKE3 of the output.
    pub output_digest: String,
}

/// What one detector did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetectorRun {
    /// Detector id.
    pub id: String,
    /// Events of the types it subscribes to.
    pub seen: u64,
    /// Events that passed its filters: calls of the detector.
    pub calls: u64,
    /// Detections.
    pub outputs: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Calls that panicked.
    pub panics: u64,
    /// The first failed calls, in words.
    pub failures: Vec<String>,
}

impl From<&DetectorStats> for DetectorRun {
    fn from(stats: &DetectorStats) -> Self {
        let counts = stats.counts;
        Self {
            id: stats.detector.clone(),
            seen: counts.seen,
            calls: counts.passed,
            outputs: counts.outputs,
            errors: counts.errors,
            panics: counts.panics,
            failures: stats.failures.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Provenance {
    /// The record of a finished run over the events of a range of sequence numbers.
    #[must_use]
    pub fn new(
        argv: Vec<String>,
        reader: &CaptureReader,
        seq: &RangeInclusive<u64>,
        engine: &Engine,
        written: &Written,
    ) -> Self {
        let manifest = reader.manifest();
        let last = manifest.seq.map_or(0, |seq| seq.last);
        Self {
            tool: concat!("tracee-cap ", env!("CARGO_PKG_VERSION")).to_owned(),
            argv,
            capture_id: manifest.header.capture_id.clone(),
            capture_digest: manifest.digest(),
            capture_state: reader.state().as_str().to_owned(),
            events: manifest.totals.written,
            from_seq: *seq.start(),
            to_seq: last.min(*seq.end()),
            lost: manifest.totals.lost,
            detectors: engine.stats().map(DetectorRun::from).collect(),
            detections: written.detections,
            output_digest: written.digest.clone(),
        }
    }
}

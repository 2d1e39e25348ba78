//! The record of a run: "found nothing" needs evidence too.
//!
//! A detector that was refused found nothing because it did not run, and one that has to do without something may have found
//! less: both are part of the record. Times differ from run to run and stand apart from all else.

use std::collections::BTreeSet;
use std::time::Duration;

use capture::CaptureReader;
use detectors_engine::{DetectorStats, Engine, Problem, Timing};
use serde::Serialize;

use crate::Options;
use crate::output::Written;

/// What a run was over, with what, and what came out. Equal runs give equal records, but for [`timing`](Self::timing).
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
    /// Sequence number of the first event of the range; those before only went into the stores, and into what detectors remember.
    pub from_seq: u64,
    /// Sequence number of the last event of the range; below `from_seq` if there was none.
    pub to_seq: u64,
    /// Events that are known to be missing from it.
    pub lost: u64,
    /// The detectors that ran, by id.
    pub detectors: Vec<DetectorRun>,
    /// Why other detectors did not run: all that was wrong with each.
    pub refused: Vec<DetectorProblem>,
    /// What the detectors that ran had to do without, and what else went wrong with them.
    pub warnings: Vec<DetectorProblem>,
    /// Detections written.
    pub detections: u64,
    /// BLAKE3 of the output.
    pub output_digest: String,
    /// How long the detectors took, by id.
    pub timing: Vec<DetectorTiming>,
}

/// What one detector did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetectorRun {
    /// Detector id.
    pub id: String,
    /// It runs because others consume its detections, which are not written themselves.
    pub hidden: bool,
    /// Events of the types that it subscribes to.
    pub seen: u64,
    /// Those that its filters kept from it.
    pub filtered: u64,
    /// Those that passed: calls of the detector.
    pub calls: u64,
    /// Calls for events before the range, for what it remembers. They are not part of the other numbers.
    pub warm_up_calls: u64,
    /// Detections.
    pub outputs: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Calls that panicked.
    pub panics: u64,
    /// Warnings.
    pub warnings: u64,
    /// The first failed calls, in words.
    pub failures: Vec<String>,
    /// The first warnings, in words.
    pub notes: Vec<String>,
}

impl DetectorRun {
    fn new(stats: &DetectorStats, hidden: &BTreeSet<String>) -> Self {
        let counts = stats.counts;
        Self {
            id: stats.detector.clone(),
            hidden: hidden.contains(&stats.detector),
            seen: counts.seen,
            filtered: counts.filtered(),
            calls: counts.passed,
            warm_up_calls: stats.warm_up,
            outputs: counts.outputs,
            errors: counts.errors,
            panics: counts.panics,
            warnings: counts.warnings,
            failures: stats.failures.iter().map(ToString::to_string).collect(),
            notes: stats.notes.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Something that is wrong with a detector, or that it has to do without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetectorProblem {
    /// Detector id.
    pub detector: String,
    /// The part of its definition.
    pub field: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<&Problem> for DetectorProblem {
    fn from(problem: &Problem) -> Self {
        Self {
            detector: problem.detector.clone(),
            field: problem.field.clone(),
            reason: problem.reason.to_string(),
            hint: problem.hint.clone(),
        }
    }
}

/// How long a detector took. Times are in ns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetectorTiming {
    /// Detector id.
    pub id: String,
    /// All calls together.
    pub total_ns: u64,
    /// Calls that took longer than 1 ms.
    pub slow_calls: u64,
    /// The longest call; absent without calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowest: Option<SlowestCall>,
}

/// The longest call of a detector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SlowestCall {
    /// How long it took, in ns.
    pub ns: u64,
    /// Sequence number of the event.
    pub seq: u64,
    /// Name of the event.
    pub event: String,
}

impl From<&DetectorStats> for DetectorTiming {
    fn from(stats: &DetectorStats) -> Self {
        let Timing { total, slow, slowest } = &stats.timing;
        Self {
            id: stats.detector.clone(),
            total_ns: ns(*total),
            slow_calls: *slow,
            slowest: slowest.as_ref().map(|call| SlowestCall {
                ns: ns(call.time),
                seq: call.seq,
                event: call.event.clone(),
            }),
        }
    }
}

/// More than 584 years count as that.
fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Provenance {
    /// The record of a finished run.
    #[must_use]
    pub fn new(
        argv: Vec<String>,
        reader: &CaptureReader,
        options: &Options,
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
            from_seq: *options.seq.start(),
            to_seq: last.min(*options.seq.end()),
            lost: manifest.totals.lost,
            detectors: engine
                .stats()
                .map(|stats| DetectorRun::new(stats, &options.hidden))
                .collect(),
            refused: engine.refusals().iter().map(DetectorProblem::from).collect(),
            warnings: engine.warnings().iter().map(DetectorProblem::from).collect(),
            detections: written.detections,
            output_digest: written.digest.clone(),
            timing: engine.stats().map(DetectorTiming::from).collect(),
        }
    }
}

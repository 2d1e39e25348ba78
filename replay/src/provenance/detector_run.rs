//! What detectors did, what is wrong with them, and how long they took.

use std::time::Duration;

use detectors_api::definition::DetectorDefinition;
use detectors_engine::{DetectorStats, Problem, Timing};
use serde::Serialize;

use super::detector_set::DetectorInputs;

/// What one detector did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetectorRun {
    /// Detector id.
    pub id: String,
    /// Version of the event that it produces.
    pub version: String,
    /// Digest of the detector: BLAKE3 over its id, what it says about itself, its settings and its files.
    pub digest: String,
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
    /// Calls on events that could not be read whole.
    pub unreadable: u64,
    /// Warnings.
    pub warnings: u64,
    /// The first failed calls, in words.
    pub failures: Vec<String>,
    /// The first warnings, in words.
    pub notes: Vec<String>,
}

impl DetectorRun {
    pub(super) fn new(
        definition: &DetectorDefinition,
        inputs: &DetectorInputs,
        stats: &DetectorStats,
        hidden: bool,
    ) -> Self {
        let counts = stats.counts;
        Self {
            id: stats.detector.clone(),
            version: definition.event.version.to_string(),
            digest: inputs.digest(definition),
            hidden,
            seen: counts.seen,
            filtered: counts.filtered(),
            calls: counts.passed,
            warm_up_calls: stats.warm_up,
            outputs: counts.outputs,
            errors: counts.errors,
            panics: counts.panics,
            unreadable: counts.unreadable,
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

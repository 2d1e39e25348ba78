//! What detectors did.

use std::ops::AddAssign;
use std::time::Duration;

/// What one detector did, in numbers that depend on the events alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events of the types that it consumes.
    pub seen: u64,
    /// Those that passed its filters; it was called for each.
    pub passed: u64,
    /// Detections.
    pub outputs: u64,
    /// Calls that returned an error.
    pub errors: u64,
    /// Calls that panicked.
    pub panics: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.seen += other.seen;
        self.passed += other.passed;
        self.outputs += other.outputs;
        self.errors += other.errors;
        self.panics += other.panics;
    }
}

/// What one detector did, and how long it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetectorStats {
    /// Id of the detector.
    pub detector: String,
    /// In numbers.
    pub counts: Counts,
    /// Wall-clock time of its runs, filters not included. Differs from run to run.
    pub time: Duration,
    /// The first failures, in the order of the events; at most [`DetectorStats::KEPT_FAILURES`].
    pub failures: Vec<Failure>,
}

impl DetectorStats {
    /// How many failures are kept per detector. All are counted.
    pub const KEPT_FAILURES: usize = 100;
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("detector {detector} {} event {seq} ({event}): {message}", self.kind.verb())]
pub struct Failure {
    /// Id of the detector.
    pub detector: String,
    /// Sequence number of the event.
    pub seq: u64,
    /// Name of the event.
    pub event: String,
    /// How it failed.
    pub kind: FailureKind,
    /// In its own words.
    pub message: String,
}

/// How a detector can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It returned an error.
    Error,
    /// It panicked.
    Panic,
}

impl FailureKind {
    const fn verb(self) -> &'static str {
        match self {
            Self::Error => "failed on",
            Self::Panic => "panicked on",
        }
    }
}

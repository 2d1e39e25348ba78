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
    /// Calls on events that could not be read whole; what came of them does not count.
    pub unreadable: u64,
    /// Warnings.
    pub warnings: u64,
}

impl Counts {
    /// Events that its filters kept from it.
    #[must_use]
    pub const fn filtered(&self) -> u64 {
        self.seen - self.passed
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.seen += other.seen;
        self.passed += other.passed;
        self.outputs += other.outputs;
        self.errors += other.errors;
        self.panics += other.panics;
        self.unreadable += other.unreadable;
        self.warnings += other.warnings;
    }
}

/// What one detector did, and how long it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetectorStats {
    /// Id of the detector.
    pub detector: String,
    /// In numbers.
    pub counts: Counts,
    /// Calls that only built up state ([`Engine::warm_up`](crate::Engine::warm_up)). Nothing else of them is kept.
    pub warm_up: u64,
    /// How long it took.
    pub timing: Timing,
    /// The first failures, in the order of the events; at most [`DetectorStats::KEPT`].
    pub failures: Vec<Failure>,
    /// The first warnings, in the order of the events; at most [`DetectorStats::KEPT`].
    pub notes: Vec<Note>,
}

impl DetectorStats {
    /// How many failures, and how many warnings, are kept per detector. All are counted.
    pub const KEPT: usize = 100;
}

/// How long the calls of a detector took, the making of its detections included. Differs from run to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// All of them. More than what a clock on the wall shows if several threads were at it.
    pub total: Duration,
    /// Number of calls that took longer than [`Timing::SLOW`].
    pub slow: u64,
    /// The longest call; the first, if several took equally long.
    pub slowest: Option<SlowestCall>,
}

impl Timing {
    /// What a call may take: 1 ms.
    pub const SLOW: Duration = Duration::from_millis(1);
}

impl AddAssign for Timing {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.slow += other.slow;
        if let Some(call) = other.slowest
            && self
                .slowest
                .as_ref()
                .is_none_or(|slowest| call.time > slowest.time)
        {
            self.slowest = Some(call);
        }
    }
}

/// The call of a detector that took longest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowestCall {
    /// How long it took.
    pub time: Duration,
    /// Sequence number of the event.
    pub seq: u64,
    /// Name of the event.
    pub event: String,
}

/// A warning of a detector about an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("detector {detector} on event {seq} ({event}): {text}")]
pub struct Note {
    /// Id of the detector.
    pub detector: String,
    /// Sequence number of the event.
    pub seq: u64,
    /// Name of the event.
    pub event: String,
    /// In its own words.
    pub text: String,
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
    /// It looked at a part of the event that could not be read. Whatever it made of the rest is no detection.
    Unreadable,
}

impl FailureKind {
    const fn verb(self) -> &'static str {
        match self {
            Self::Error => "failed on",
            Self::Panic => "panicked on",
            Self::Unreadable => "could not read all of",
        }
    }
}

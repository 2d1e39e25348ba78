//! The record of a run: "found nothing" needs evidence too.
//!
//! It tells what was looked at (captures, ranges, restrictions), with what (tool, detectors and their settings), what was missing
//! (losses, unreadable stretches, refused detectors), and what came out. Equal runs give equal records, for any number of
//! threads; how long something took differs from run to run, and stands apart in [`timing`](Provenance::timing).

mod capture_run;
mod detector_run;
mod detector_set;
mod loss;
mod range;

use capture::FORMAT;
use detectors_api::catalogue::TRACEE_VERSION;
use serde::Serialize;

pub use capture_run::{CaptureRun, CaptureTiming, Finished};
pub use detector_run::{DetectorProblem, DetectorRun, DetectorTiming, SlowestCall};
pub use detector_set::{DetectorInputs, FileDigest};
pub use loss::LossRecord;
pub use range::RangeRecord;

use crate::sinks::Written;

/// What a run was over, with what, and what came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Provenance {
    /// The tool that ran, `name version`.
    pub tool: String,
    /// Newest version of the capture format that the tool knows.
    pub capture_format: String,
    /// Version of Tracee whose events the tool's catalogue has.
    pub catalogue: String,
    /// The command line.
    pub argv: Vec<String>,
    /// The files that detectors, lists and settings were read from.
    pub files: Vec<FileDigest>,
    /// The captures, in the order in which they were looked at.
    pub captures: Vec<CaptureRun>,
    /// What was written.
    pub output: OutputRecord,
    /// How long the detectors took; a part for each capture.
    pub timing: Vec<CaptureTiming>,
}

/// The detections that were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputRecord {
    /// Form of the output, as `-o` has it.
    pub form: String,
    /// Number of detections, of all captures.
    pub detections: u64,
    /// BLAKE3 of the bytes, in hexadecimal.
    pub digest: String,
}

impl OutputRecord {
    /// What was written in a form.
    #[must_use]
    pub fn new(form: impl Into<String>, written: &Written) -> Self {
        Self {
            form: form.into(),
            detections: written.detections,
            digest: written.digest.clone(),
        }
    }
}

impl Provenance {
    /// The record of a finished run over some captures.
    #[must_use]
    pub fn new(
        argv: Vec<String>,
        files: Vec<FileDigest>,
        captures: Vec<(CaptureRun, CaptureTiming)>,
        output: OutputRecord,
    ) -> Self {
        let (captures, timing) = captures.into_iter().unzip();
        Self {
            tool: concat!("tracee-cap ", env!("CARGO_PKG_VERSION")).to_owned(),
            capture_format: FORMAT.to_owned(),
            catalogue: TRACEE_VERSION.to_string(),
            argv,
            files,
            captures,
            output,
            timing,
        }
    }
}

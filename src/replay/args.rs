//! The command line of `replay`.

use std::path::PathBuf;

use super::form::OutputForm;
use super::threshold::Threshold;
use crate::detectors::{self, Adjustments};
use crate::moment::{self, Moment};
use crate::output::Destination;
use crate::stores::StoreFiles;

/// Run detectors over a capture
///
/// Detections come out in the order of the events they were found in. The output is the same for any number of threads and any
/// batch size, and the same as what `record --detectors` printed while the capture was made.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  tracee-cap replay incident.tcap
  tracee-cap replay incident.tcap --detectors TRC-105,ld_preload -o ndjson | jq .workload.process
  tracee-cap replay incident.tcap --detectors 'builtin,./rules' --disable 'TRC-10?'
  tracee-cap replay incident.tcap --in ./rules --detectors 'severity>=high'
  tracee-cap replay incident.tcap --from 2026-05-01T12:00 --to +10m
  tracee-cap replay incident.tcap --fail-on high --provenance run.json -w detections.ndjson")]
pub(crate) struct Args {
    /// The capture
    pub(super) capture: PathBuf,
    /// Which detectors run; may be repeated
    #[arg(long, value_name = "WORDS", default_value = "all", value_delimiter = ',', long_help = detectors_help())]
    pub(super) detectors: Vec<String>,
    #[command(flatten)]
    pub(super) adjustments: Adjustments,
    /// Form of the output; a table on a terminal and NDJSON otherwise, unless told
    #[arg(short, long, value_name = "FORM")]
    pub(super) output: Option<OutputForm>,
    #[command(flatten)]
    pub(super) destination: Destination,
    #[command(flatten)]
    pub(super) stores: StoreFiles,
    /// Look at events from this moment on. Stores know what happened before
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true, long_help = from_help())]
    pub(super) from: Option<Moment>,
    /// Look at events up to this moment
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    pub(super) to: Option<Moment>,
    /// End with exit code 1 if something at least this bad was found
    #[arg(long, value_name = "SEVERITY")]
    pub(super) fail_on: Option<Threshold>,
    /// Write a record of the run: digests of the capture and of the output, and what each detector did
    #[arg(long, value_name = "FILE")]
    pub(super) provenance: Option<PathBuf>,
    /// Show on stderr what each detector did
    #[arg(long)]
    pub(super) stats: bool,
    /// Number of threads; all CPUs, unless told
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// The most events that are decoded at a time; changes speed and memory, never the result
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) batch_size: u32,
}

fn detectors_help() -> String {
    format!(
        "Which detectors run: words separated by commas; may be repeated. Detectors that these need run too, and are named on \
         stderr; what those find is not shown.\n{}",
        detectors::WORDS
    )
}

fn from_help() -> String {
    format!(
        "Look at events from this moment on; stores know what happened before. A moment is {}",
        moment::HELP
    )
}

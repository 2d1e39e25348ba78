//! The command line of `replay`.

use std::path::PathBuf;

use super::form::OutputForm;
use super::range::Range;
use super::restriction::Wanted;
use super::threshold::Threshold;
use crate::detectors::{self, Adjustments};
use crate::output::{Destination, FILES};
use crate::stores::StoreFiles;

/// Run detectors over captures
///
/// Detections come out in the order of the events they were found in. The output is the same for any number of threads, any batch
/// size and any window, and the same as what `record --detectors` printed while the capture was made.
///
/// Several captures are looked at one after the other, each with its own stores and its own detectors: what one remembers of a
/// capture is forgotten before the next. The exit code is that of the worst: findings with --fail-on (1), then what could not be
/// read (3), then captures that are open or truncated (5).
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The captures
    #[arg(value_name = "CAPTURE", required = true)]
    pub(super) captures: Vec<PathBuf>,

    /// Which detectors run; may be repeated
    #[arg(
        long,
        value_name = "WORDS",
        default_value = "all",
        value_delimiter = ',',
        long_help = detectors_help(),
        help_heading = "Detectors"
    )]
    pub(super) detectors: Vec<String>,
    #[command(flatten, next_help_heading = "Detectors")]
    pub(super) adjustments: Adjustments,

    #[command(flatten, next_help_heading = "What is looked at")]
    pub(super) range: Range,
    #[command(flatten, next_help_heading = "What is looked at")]
    pub(super) wanted: Wanted,
    #[command(flatten, next_help_heading = "What is looked at")]
    pub(super) stores: StoreFiles,

    /// Form of the output; a table on a terminal and NDJSON otherwise, unless told
    #[arg(short, long, value_name = "FORM", help_heading = "Output")]
    pub(super) output: Option<OutputForm>,
    #[command(flatten, next_help_heading = "Output")]
    pub(super) destination: Destination,
    /// End with exit code 1 if something at least this bad was found
    #[arg(long, value_name = "SEVERITY", help_heading = "Output")]
    pub(super) fail_on: Option<Threshold>,

    /// Compare what is found with a file of expected detections, as `-o ndjson` writes it; end with exit code 1 if it differs
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) expect: Option<PathBuf>,

    /// Write a record of the run: what was looked at, with what, what was missing, and what came out, with digests
    #[arg(long, value_name = "FILE", group = FILES, help_heading = "Record of the run")]
    pub(super) provenance: Option<PathBuf>,
    /// Show on stderr what each detector did
    #[arg(long, help_heading = "Record of the run")]
    pub(super) stats: bool,

    /// Do not run: say what would be read and what not, and why, and how detectors would run
    #[arg(long, help_heading = "Speed")]
    pub(super) explain: bool,
    /// Number of threads; all CPUs, unless told. Never changes the result
    // Thousands of them would bring the machine to a stop.
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1024),
        help_heading = "Speed"
    )]
    pub(super) threads: Option<u16>,
    /// The most events of a row group that are selected from at a time. Never changes the result
    #[arg(
        long,
        value_name = "N",
        default_value_t = 65_536,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Speed"
    )]
    pub(super) batch_size: u32,
    /// About how many events go through the detectors at a time; fewer need less memory. Never changes the result
    #[arg(
        long,
        value_name = "N",
        default_value_t = 262_144,
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Speed"
    )]
    pub(super) window: u64,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap replay incident.tcap
  tracee-cap replay incident.tcap --detectors TRC-105,ld_preload -o ndjson | jq .workload.process
  tracee-cap replay incident.tcap --detectors 'builtin,./rules' --disable 'TRC-10?'
  tracee-cap replay incident.tcap --in ./rules --detectors 'severity>=high'

Look at a part of it:
  tracee-cap replay incident.tcap --from 2026-05-01T12:00 --to +10m
  tracee-cap replay incident.tcap --event 'security_file_*,@proc' --container web
  tracee-cap replay incident.tcap --process-tree 4711 --where uid=0
  tracee-cap replay incident.tcap --where uid=0 --where 'workload.process.pid > 999u'

In scripts:
  tracee-cap replay incident.tcap --fail-on high --provenance run.json -w detections.ndjson
  tracee-cap replay incident.tcap -o sarif -w found.sarif
  tracee-cap replay incident.tcap --detectors ./rules --expect expected.ndjson
  tracee-cap replay monday.tcap tuesday.tcap -o json | jq length";

fn detectors_help() -> String {
    format!(
        "Which detectors run: words separated by commas; may be repeated. Detectors that these need run too, and are named on \
         stderr; what those find is not shown.\n{}",
        detectors::WORDS
    )
}

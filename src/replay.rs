//! `tracee-cap replay`.

use crate::exit::{Exit, Failure};

/// Run detectors over a capture.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<Exit, Failure> {
    Err(Failure::usage("replay is not there yet"))
}

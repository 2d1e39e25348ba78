//! `tracee-cap verify`.

use crate::exit::{Exit, Failure};

/// Check that a capture is what was recorded.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<Exit, Failure> {
    Err(Failure::usage("verify is not there yet"))
}

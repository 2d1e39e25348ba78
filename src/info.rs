//! `tracee-cap info`.

use crate::exit::{Exit, Failure};

/// Show what a capture holds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<Exit, Failure> {
    Err(Failure::usage("info is not there yet"))
}

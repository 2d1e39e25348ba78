//! `tracee-cap import`.

use crate::exit::{Exit, Failure};

/// Import recorded events into a capture.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<Exit, Failure> {
    Err(Failure::usage("import is not there yet"))
}

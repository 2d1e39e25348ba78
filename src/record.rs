//! `tracee-cap record`.

use crate::exit::{Exit, Failure};

/// Record this machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<Exit, Failure> {
    Err(Failure::usage("record is not there yet"))
}

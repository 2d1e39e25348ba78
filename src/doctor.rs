//! `tracee-cap doctor`.

use crate::exit::{Exit, Failure};

/// Show what this kernel lets the recorder see.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<Exit, Failure> {
    Err(Failure::usage("doctor is not there yet"))
}

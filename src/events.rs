//! `tracee-cap events`.

use crate::exit::{Exit, Failure};

/// List or show event definitions.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<Exit, Failure> {
    Err(Failure::usage("events is not there yet"))
}

//! `tracee-cap export`.

use crate::exit::{Exit, Failure};

/// Export a capture as NDJSON.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<Exit, Failure> {
    Err(Failure::usage("export is not there yet"))
}

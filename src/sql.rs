//! `tracee-cap sql`.

use crate::exit::{Exit, Failure};

/// Query captures in SQL.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<Exit, Failure> {
    Err(Failure::usage("sql is not there yet"))
}

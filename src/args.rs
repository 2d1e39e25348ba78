//! The command line.

use clap::{Parser, Subcommand};

/// Record what happens on a Linux machine, replay detectors over it, ask it questions.
#[derive(Debug, Parser)]
#[command(name = "tracee-cap", version, max_term_width = 110, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  ok
  1  findings with --fail-on, or test mismatch
  2  usage
  3  bad input: unreadable, corrupt, wrong version
  4  environment: privileges, kernel
  5  incomplete capture, read to its end
  130  interrupted with Ctrl-C

stdout is data, stderr is everything else. Where a command reads a capture, it takes a directory, a pack, a text, or a file
of events (`-` for standard input), which is then imported for that run.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Record(crate::record::Args),
    Import(crate::import::Args),
    Export(crate::export::Args),
    Replay(crate::replay::Args),
    Slice(crate::slice::Args),
    Merge(crate::merge::Args),
    Sql(crate::sql::Args),
    Fixture(crate::fixture::Args),
    Test(crate::test::Args),
    Detectors(crate::detectors::Args),
    Events(crate::events::Args),
    Info(crate::info::Args),
    Verify(crate::verify::Args),
    Pack(crate::pack::Args),
    Unpack(crate::unpack::Args),
    Doctor(crate::doctor::Args),
}

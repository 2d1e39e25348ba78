//! The command line of `test`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::output::{Destination, FILES};

/// Run fixtures: recordings that are kept as tests of detectors
///
/// A fixture is a directory with a file fixture.yaml, which says which detectors run over its recording and what they have to find.
/// All fixtures in the directories, and in directories within, are run, beside each other; each as `replay` runs detectors over a
/// capture. What is wrong with one stops no other.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Fixtures, or directories with fixtures
    #[arg(value_name = "DIR", required = true)]
    pub(super) directories: Vec<PathBuf>,

    /// Only fixtures whose path has this in it; with `*` or `?`, only those whose whole path is like it
    #[arg(long, value_name = "PATTERN", conflicts_with = "coverage")]
    pub(super) filter: Option<Pattern>,
    /// Files and directories of detectors that fixtures can choose from, besides those of this program and their own; may be repeated
    #[arg(long = "in", value_name = "PATH", value_delimiter = ',')]
    pub(super) paths: Vec<PathBuf>,

    /// Change expectations to what was found, and say how. What a fixture says nothing about is not added
    #[arg(long)]
    pub(super) bless: bool,

    /// Say which detectors no fixture demands anything of, and end with exit code 1 if there are any
    #[arg(long, help_heading = "Coverage")]
    pub(super) coverage: bool,
    /// Which detectors should be covered, as `replay --detectors`: those of --in, or else those of this program, unless told
    #[arg(
        long,
        value_name = "WORDS",
        value_delimiter = ',',
        requires = "coverage",
        help_heading = "Coverage"
    )]
    pub(super) detectors: Vec<String>,

    /// Form of the output
    #[arg(
        short,
        long,
        value_name = "FORM",
        value_enum,
        default_value = "table",
        help_heading = "Output"
    )]
    pub(super) output: ReportForm,
    #[command(flatten, next_help_heading = "Output")]
    pub(super) destination: Destination,
    /// Write a JUnit document, too: a test case for each fixture
    #[arg(long, value_name = "FILE", group = FILES, help_heading = "Output")]
    pub(super) junit: Option<PathBuf>,

    /// Number of threads; all CPUs, unless told. Never changes the result
    // Thousands of them would bring the machine to a stop.
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1024),
        help_heading = "Speed"
    )]
    pub(super) threads: Option<u16>,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap test fixtures/
  tracee-cap test fixtures/ --filter shell
  tracee-cap test fixtures/ --in ./rules --coverage
  tracee-cap test fixtures/ --junit results.xml
  tracee-cap test fixtures/ --bless && git diff

Exit codes: 0 if all fixtures passed, 1 if one did not (or a detector is not covered), 2 for a command line that makes no sense, 3 if a
fixture could not be read, 4 if the machine did not let us. If several apply, it is 4, then 1, then 3.";

/// How reports are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ReportForm {
    /// For people: a line a fixture, and what differs
    Table,
    /// A JSON object a fixture
    Ndjson,
}

/// Which fixtures are run.
#[derive(Clone, Debug)]
pub(super) struct Pattern(String);

impl Pattern {
    pub(super) fn matches(&self, path: &str) -> bool {
        if self.0.contains(['*', '?']) {
            analyze::glob_matches(&self.0, path)
        } else {
            path.contains(&self.0)
        }
    }
}

impl FromStr for Pattern {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

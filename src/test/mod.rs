//! `tracee-cap test`.

mod args;
mod bench;
mod print;

use std::path::PathBuf;

use fixtures::golden::{self, Coverage, Problem, Report, Verdict};

pub(crate) use args::Args;
pub(crate) use bench::CommandBench;

use print::Printer;

use crate::exit::{Exit, Failure};
use crate::opened;
use crate::output;
use crate::signals;
use crate::{detectors, progress};

/// Runs fixtures, and says which of them are as expected.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let fixtures = chosen(args)?;
    let roster = args.coverage.then(|| args.roster()).transpose()?;
    let junit = match &args.junit {
        Some(path) => Some(output::create(path, args.destination.force)?),
        None => None,
    };
    let cancel = signals::interrupt_flag()?;
    let bar = progress::bar(Some(fixtures.len() as u64), "test");
    let mut printer = Printer::new(args.output, &args.destination, bar)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let options = golden::Options {
        threads: args.threads.map_or(threads, usize::from),
        bless: args.bless,
        cancel,
    };
    let mut reports = Vec::new();
    golden::run(
        &fixtures,
        &CommandBench { paths: &args.paths },
        &options,
        |report| {
            printer.report(&report)?;
            reports.push(report);
            Ok::<_, Failure>(())
        },
    )?;
    let mut exit = reports.iter().map(ended).fold(Exit::Ok, Exit::or);
    printer.summary(&reports)?;
    if let Some(ids) = roster {
        let coverage = Coverage::new(ids.iter().map(String::as_str), &reports);
        if coverage.uncovered().next().is_some() {
            exit = exit.or(Exit::Findings);
        }
        printer.coverage(&coverage)?;
    }
    printer.finish()?;
    if let Some(file) = junit {
        golden::junit(&reports, file).map_err(Failure::environment)?;
    }
    if reports.len() < fixtures.len() {
        let (done, all) = (reports.len(), fixtures.len());
        opened::warn(&format!("interrupted: {done} of {all} fixtures were run"));
        exit = exit.or(Exit::Interrupted);
    }
    Ok(exit)
}

/// The fixtures that were asked for.
fn chosen(args: &Args) -> Result<Vec<PathBuf>, Failure> {
    let mut fixtures = golden::find(&args.directories).map_err(|error| Failure::new(Exit::Usage, error))?;
    if let Some(pattern) = &args.filter {
        fixtures.retain(|fixture| pattern.matches(&fixture.display().to_string()));
        if fixtures.is_empty() {
            return Err(Failure::usage(format!(
                "--filter: no fixture is called `{pattern}`"
            )));
        }
    }
    Ok(fixtures)
}

/// The exit code that a fixture alone would give.
fn ended(report: &Report) -> Exit {
    match &report.verdict {
        Verdict::Passed => Exit::Ok,
        Verdict::Failed(_) => Exit::Findings,
        Verdict::Unusable(Problem::Input(_)) => Exit::BadInput,
        Verdict::Unusable(Problem::Environment(_)) => Exit::Environment,
    }
}

impl Args {
    /// The ids of the detectors that fixtures should cover: unless told, those of the files to choose from, or else those of this
    /// program.
    fn roster(&self) -> Result<Vec<String>, Failure> {
        let words = match (&self.detectors[..], &self.paths[..]) {
            ([], []) => vec!["builtin".to_owned()],
            ([], paths) => paths.iter().map(|path| detectors::path_word(path)).collect(),
            (words, _) => words.to_vec(),
        };
        detectors::ids(&words, &self.paths)
    }
}

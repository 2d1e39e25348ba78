//! `tracee-cap replay`.

mod args;
mod execute;
mod form;
mod outlet;
pub(crate) mod range;
pub(crate) mod restriction;
mod subject;
mod summary;
mod threshold;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use replay::Provenance;
use replay::provenance::OutputRecord;

pub(crate) use args::Args;
pub(crate) use range::Range;
pub(crate) use restriction::Wanted;

use execute::{Ran, Run};
use form::OutputForm;
use outlet::Outlet;
use subject::Subject;

use crate::detectors::{self, Form};
use crate::exit::{Exit, Failure};
use crate::opened;
use crate::output::{Destination, exists, write_json};
use crate::progress::RunProgress;
use crate::signals;

/// Runs detectors over the captures, one after the other.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let output = OutputForm::choose(args.output, &args.destination)?;
    let subjects = subject::prepare(args)?;
    if args.adjustments.list_refused {
        let refusals = subject::refusals(&subjects);
        return detectors::list_refused(&refusals, output.list(), &args.destination);
    }
    if let Some(path) = &args.provenance {
        can_be_written(path, &args.destination)?;
    }
    let cancel = signals::interrupt_flag()?;
    if args.explain {
        return explain(args, subjects, output, &cancel);
    }
    let format = output.format(subjects.iter().map(|subject| &subject.chosen));
    let mut outlet = Outlet::open(args, format)?;
    let several = subjects.len() > 1;
    let progress = RunProgress::new(subjects.len());
    let (mut exit, mut found) = (Exit::Ok, 0);
    let mut runs = Vec::new();
    let mut files = Vec::new();
    for subject in subjects {
        files.extend_from_slice(&subject.chosen.files);
        let run = Run {
            args,
            progress: &progress,
            cancel: &cancel,
        };
        let Some(ran) = run.over(subject, &mut outlet)? else {
            exit = Exit::Interrupted;
            break;
        };
        let Ran {
            record,
            timing,
            ended,
        } = ran;
        found += record.detections;
        progress.suspend(|| summary::of_capture(&record, &timing, args.stats));
        exit = exit.or(ended);
        runs.push((record, timing));
    }
    progress.finish();
    let (written, ended) = outlet.finish(exit)?;
    exit = ended;
    if several {
        summary::of_all(found, runs.iter().map(|(record, _)| record));
    }
    if exit == Exit::Interrupted {
        opened::warn("interrupted: what was found until then was written; there is no record of the run");
        return Ok(exit);
    }
    if let Some(path) = &args.provenance {
        files.sort_unstable();
        files.dedup();
        let argv = std::env::args().collect();
        let output = OutputRecord::new(output.name(), &written);
        let provenance = Provenance::new(argv, files, runs, output);
        write_json(path, args.destination.force, &provenance)?;
    }
    Ok(exit)
}

/// What speaks against writing the record of the run is told before the run, not after it.
fn can_be_written(path: &Path, output: &Destination) -> Result<(), Failure> {
    if output.write.as_deref() == Some(path) {
        let both = format!(
            "{} cannot be both the output and the record of the run",
            path.display()
        );
        return Err(Failure::usage(both));
    }
    if path.exists() && !output.force {
        return Err(exists(path));
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match directory.filter(|directory| !directory.is_dir()) {
        Some(missing) => Err(Failure::environment(anyhow::anyhow!(
            "cannot write {}: there is no directory {}",
            path.display(),
            missing.display()
        ))),
        None => Ok(()),
    }
}

/// Says what the runs would read, and why.
fn explain(
    args: &Args,
    subjects: Vec<Subject>,
    output: OutputForm,
    cancel: &Arc<AtomicBool>,
) -> Result<Exit, Failure> {
    let mut out = args.destination.open()?;
    let several = subjects.len() > 1;
    for subject in subjects {
        let path = subject.reader.path().display().to_string();
        let plan = execute::explain(args, subject, cancel)?;
        if matches!(output.list(), Form::Table) {
            if several {
                writeln!(out, "{path}:")?;
            }
            writeln!(out, "{plan}")?;
        } else {
            let plan = serde_json::to_string(&plan).map_err(std::io::Error::from)?;
            writeln!(out, "{plan}")?;
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
}

/// The failure that an error of a run means.
pub(crate) fn failure(error: replay::Error) -> Failure {
    match error {
        replay::Error::Output(error) => Failure::from(error),
        replay::Error::Capture(error) => opened::failure(error),
        error @ replay::Error::Threads(_) => Failure::environment(error),
        error => Failure::bad_input(error),
    }
}

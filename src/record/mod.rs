//! `tracee-cap record`.

mod args;
mod fixture;
mod foreign;
mod machine;
mod selection;
mod sieve;
mod watch;

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use capture::live::{Ended, Summary};
use detectors_stores::Stores;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

pub(crate) use args::Args;

use crate::detectors::{self, Chosen, Offer};
use crate::exit::{Exit, Failure};
use crate::output::Destination;
use crate::stores;

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if args.detectors.is_empty() && !args.adjustments.are_none() {
        return Err(Failure::usage(
            "no detectors run without --detectors: there is nothing to adjust",
        ));
    }
    let signals = stop_signals()?;
    let mut stop = || matches!(signals.read_signal(), Ok(Some(_)));
    match (args.foreign(), &args.write, &args.fixture) {
        (Some(source), Some(path), _) => foreign::run(args, path, source, &mut stop),
        (None, Some(path), _) => machine::run(args, &Place::of(path), &mut stop),
        (None, None, Some(directory)) => fixture::run(args, directory, &mut stop),
        // The command line is refused before it comes to that.
        (Some(_), None, _) | (None, None, None) => {
            Err(Failure::usage("there is nowhere to record to: give -w"))
        }
    }
}

/// Where a recording of this machine goes.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    /// The capture to make.
    path: &'a Path,
    /// What people call it.
    name: &'a Path,
    /// Whether all is kept that any detector may ask for, rather than what the chosen ones do.
    whole: bool,
}

impl<'a> Place<'a> {
    /// A capture of its own.
    fn of(path: &'a Path) -> Self {
        Self {
            path,
            name: path,
            whole: true,
        }
    }
}

/// Ctrl-C, and what `kill` and a closing terminal send, end the recording in order. Threads that are started later leave these
/// signals to whoever asks for them here.
fn stop_signals() -> Result<SignalFd, Failure> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals
        .thread_block()
        .and_then(|()| SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC))
        .context("cannot wait for signals")
        .map_err(Failure::environment)
}

/// The detectors that run over what is recorded.
fn chosen(args: &Args, offer: Offer<'_>) -> Result<Option<Chosen>, Failure> {
    if args.detectors.is_empty() {
        return Ok(None);
    }
    detectors::engine(&args.detectors, &args.adjustments, offer).map(Some)
}

/// The refusals, if they are all that is wanted.
fn refusals(args: &Args, chosen: Option<&Chosen>) -> Option<Result<Exit, Failure>> {
    let chosen = chosen.filter(|_| args.adjustments.list_refused)?;
    let form = args.form().list();
    Some(detectors::list_refused(
        &chosen.refusals,
        form,
        &Destination::default(),
    ))
}

/// The names of the stores that can be asked, once they have been told `inputs`.
fn store_names(mut known: Stores, inputs: &[detectors_stores::Input]) -> Result<Vec<String>, Failure> {
    for input in inputs {
        known.add_input(input.clone()).map_err(Failure::bad_input)?;
    }
    Ok(stores::names(&known))
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{line}")
}

/// The recording in a paragraph; `advice` is for whoever lost events.
fn describe(path: &Path, summary: &Summary, advice: &str) -> String {
    let progress = &summary.progress;
    let ended = match &summary.ended {
        Ended::Requested => "Stopped".to_owned(),
        Ended::Duration => "The time is over".to_owned(),
        Ended::Size => "The capture has its size".to_owned(),
        Ended::Command(status) => format!("The command ended with {status}"),
        Ended::Stream => "The stream ended".to_owned(),
        Ended::Broken(_) => "The stream broke off".to_owned(),
    };
    let mut text = format!(
        "{ended} after {:.1} s: {} has {} events in {}",
        summary.elapsed.as_secs_f64(),
        path.display(),
        progress.written,
        indicatif::HumanBytes(progress.bytes),
    );
    text.push_str(&match progress.lost {
        0 => "; nothing was lost.".to_owned(),
        lost => format!("; {lost} of {} were lost{advice}.", progress.received),
    });
    let cpu = summary.cpu.as_secs_f64();
    text.push_str(&format!(
        " Recording took {cpu:.1} s of CPU time ({:.0} % of one CPU).",
        100.0 * cpu / summary.elapsed.as_secs_f64().max(0.001)
    ));
    text
}

/// What else the user should know.
fn notes(summary: &Summary) -> String {
    let notes = summary.warnings.iter();
    notes.map(|warning| format!(" Note: {warning}.")).collect()
}

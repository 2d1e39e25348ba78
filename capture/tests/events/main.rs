//! Each event that the sensor can tell, caused in a process that knows what has to be told, recorded, and compared field by field.
//!
//! The test runs once for each kind of hook that the running kernel has, the best first; what a lesser hook's plan says that it loses
//! is all that may be missing. It needs root and BTF, and says so where it has to skip. Every line that it prints tells of an event:
//! kind of hooks, event, hook, then `seen`, `not available`, `not caused: ` or `FAILED` with the reason, and what the hook loses; tabs
//! between them. Not caused is what a kernel has hooks for, but no way to make it happen.
//!
//! It has no libtest harness: it executes itself again and again, as the program that is recorded and as programs that this one runs.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it has no harness: what it prints is its report"
)]

mod attempts;
mod bpf;
mod calls;
mod cause;
mod changes;
mod compat;
mod containers;
mod files;
mod integrity;
mod modules;
mod names;
mod packets;
mod protocols;
mod settings;
mod sockets;
mod stacks;
mod tasks;
mod truth;
mod uring;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use capture::CaptureReader;
use capture::live::{Config, Ended, LiveError, NoObserver, Recording, Summary, record};
use detectors_api::event::RecordedEvent;
use ebpf::plan::{self, Kind};
use ebpf::{EventReport, Status};

use crate::cause::{NOTES, Notes};
use crate::truth::{Expected, Note};

/// Asks the program to cause everything, with notes in the directory that is the next argument.
const CAUSE: &str = "--cause-events";
/// Asks the program to be one that was executed, see [`tasks::witness`].
const WITNESS: &str = "--witness-execution";
/// The same of a script that this program interprets: the path of the script follows.
const WITNESS_SCRIPT: &str = "--witness-script";
/// Asks the test to run with the best hooks alone: on an emulated machine each kind takes minutes.
const BEST_ONLY: &str = "--best-only";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    match arguments.get(1).and_then(|argument| argument.to_str()) {
        Some(CAUSE) => {
            let mut notes = Notes::open(Path::new(&arguments[2]));
            files::cause(&mut notes);
            sockets::cause(&mut notes);
            calls::cause(&mut notes);
            compat::cause(&mut notes);
            packets::cause(&mut notes);
            protocols::cause(&mut notes);
            containers::cause(&mut notes);
            uring::cause(&mut notes);
            writes::cause(&mut notes);
            changes::cause(&mut notes);
            bpf::cause(&mut notes);
            modules::cause(&mut notes);
            integrity::cause(&mut notes);
            tasks::cause(&mut notes);
            stacks::cause(&mut notes);
            ExitCode::SUCCESS
        }
        Some(WITNESS) => tasks::witness(&arguments, 2, &arguments[3]),
        Some(WITNESS_SCRIPT) => tasks::witness(&arguments, 3, &arguments[0]),
        argument => all_kinds(argument == Some(BEST_ONLY)),
    }
}

fn all_kinds(best_only: bool) -> ExitCode {
    let mut failed = false;
    let mut next = Some(Kind::Trampoline);
    while let Some(best) = next {
        let recorded = match Recorded::with(best) {
            Ok(recorded) => recorded,
            Err(LiveError::Sensor(
                error @ (ebpf::Error::Capabilities(_) | ebpf::Error::Btf(_) | ebpf::Error::Machine(_)),
            )) => {
                eprintln!("SKIPPED, no live recording here: {error}");
                return ExitCode::SUCCESS;
            }
            Err(error) => panic!("{error}"),
        };
        // Kinds that this kernel does not have are not tried again.
        let used = recorded
            .summary
            .reports
            .iter()
            .filter_map(kind_of)
            .max()
            .unwrap_or(Kind::Tracepoint);
        failed |= !recorded.is_told(used);
        next = match used {
            _ if best_only => None,
            Kind::Trampoline => Some(Kind::Breakpoint),
            Kind::Breakpoint => Some(Kind::Tracepoint),
            Kind::Tracepoint => None,
        };
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The kind of the hook in use.
fn kind_of(report: &EventReport) -> Option<Kind> {
    let Status::Hooked { hook, .. } = &report.status else {
        return None;
    };
    let plan = plan::find(report.event)?;
    let hook = plan.hooks.iter().find(|known| known.describe() == *hook)?;
    hook.programs.iter().map(|program| program.attach.kind()).max()
}

/// An event that is not told is one that this kernel has no place for, unless it is the verifier that refuses what is to be at a
/// tracepoint.
fn unavailable(report: &EventReport) -> String {
    let by_verifier = |reason: &&String| reason.starts_with("tracepoint") && reason.contains("BPF_PROG_LOAD");
    match report.refused.iter().find(by_verifier) {
        Some(reason) => format!("FAILED not available: {reason}"),
        None => "not available".to_owned(),
    }
}

struct Recorded {
    summary: Summary,
    events: Vec<RecordedEvent>,
    expected: Vec<Expected>,
    /// Why events could not be caused.
    not_caused: BTreeMap<String, String>,
}

impl Recorded {
    /// Records this program causing everything, with hooks no better than `best`.
    fn with(best: Kind) -> Result<Self, LiveError> {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        // The paths of events are free of symbolic links.
        let place = fs::canonicalize(directory.path()).expect("it is there");
        let own = std::env::current_exe().expect("the test has a path");
        let mut config = Config::new(Recording::new(place.join("events.tcap")));
        config.command = vec![own.into(), CAUSE.into(), place.as_os_str().to_owned()];
        config.symbols = false;
        config.sensor.best = best;
        config.sensor.environment = true;
        config.sensor.stack_addresses = true;
        config.sensor.kernel_text = Some(integrity::NO_TEXT);
        config.sensor.ring_bytes = 64 << 20;
        config.sensor.events = selected().into_iter().map(ToOwned::to_owned).collect();
        config.gives_up_rights = true;
        let _container = containers::existing(&mut Notes::open(&place));
        // In a thread of its own: it does not get back what it gives up, and there are other kinds of hooks to come.
        let summary = thread::scope(|scope| {
            let recorder = scope.spawn(|| record(&config, None, &mut NoObserver, &mut || false));
            recorder.join().expect("recording does not panic")
        })?;
        assert!(
            matches!(summary.ended, Ended::Command(status) if status.success()),
            "the causes failed: {:?}",
            summary.ended
        );
        assert_eq!(summary.manifest.totals.lost, 0, "events were lost");
        let reader = CaptureReader::open(place.join("events.tcap")).expect("the capture can be read");
        let events = reader.events().expect("the events can be read");
        let notes = fs::read_to_string(place.join(NOTES)).expect("the causes wrote notes");
        let (mut expected, mut not_caused) = (Vec::new(), BTreeMap::new());
        for line in notes.lines() {
            match serde_json::from_str(line).expect("a note") {
                Note::Caused(one) => expected.push(*one),
                Note::NotCaused { event, reason } => {
                    not_caused.insert(event, reason);
                }
            }
        }
        Ok(Self {
            summary,
            events: events
                .map(|event| event.expect("the event can be read").1)
                .collect(),
            expected,
            not_caused,
        })
    }

    /// Prints a line for each event; whether all that was caused is told.
    fn is_told(&self, kind: Kind) -> bool {
        let mut by_event: BTreeMap<&str, Vec<&Expected>> = BTreeMap::new();
        for expected in &self.expected {
            by_event.entry(&expected.event).or_default().push(expected);
        }
        let mut good = true;
        for report in &self.summary.reports {
            let expected = by_event.remove(report.event).unwrap_or_default();
            let (hook, verdicts, loses) = match &report.status {
                Status::Unavailable => ("", vec![unavailable(report)], String::new()),
                Status::Hooked { hook, loses } => (
                    hook.as_str(),
                    self.verdicts(report.event, &expected, loses),
                    loses.join("; "),
                ),
            };
            for verdict in verdicts {
                good &= !verdict.starts_with("FAILED");
                println!("{kind:?}\t{}\t{hook}\t{verdict}\t{loses}", report.event);
            }
        }
        for event in by_event.keys() {
            println!("{kind:?}\t{event}\t\tFAILED it was caused without being recorded");
            good = false;
        }
        good
    }

    fn verdicts(&self, event: &str, expected: &[&Expected], loses: &[String]) -> Vec<String> {
        let failures: Vec<_> = expected
            .iter()
            .filter_map(|one| {
                let times = expected.iter().filter(|other| one.is_like(other)).count();
                one.check(self.events.iter(), loses, times).err()
            })
            .map(|reason| format!("FAILED {reason}"))
            .collect();
        match (expected, failures.as_slice()) {
            ([], _) => match self.not_caused.get(event) {
                Some(reason) => vec![format!("not caused: {reason}")],
                None => vec!["FAILED nothing causes it".to_owned()],
            },
            (_, []) => vec!["seen".to_owned()],
            _ => failures,
        }
    }
}

/// Everything that is caused: all events but calls, and some of those.
fn selected() -> BTreeSet<&'static str> {
    let others = plan::PLAN.iter().map(|plan| plan.event);
    others.chain(calls::CALLS).collect()
}

/// The arguments that make this program a witness.
fn witness_arguments(rest: &[OsString]) -> Vec<OsString> {
    [OsString::from("events"), WITNESS.into()]
        .into_iter()
        .chain(rest.iter().cloned())
        .collect()
}

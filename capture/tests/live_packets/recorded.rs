//! A recording of a workload, and what the workload wrote down.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use capture::CaptureReader;
use capture::live::{Config, Ended, LiveError, NoObserver, Observer, Recording, Started, record};
use detectors_api::event::RecordedEvent;
use detectors_api::proto::event_value::Value;
use ebpf::{EventReport, Status};
use tempfile::TempDir;

use super::workload::{DIRECTORY, WORKLOAD};

pub(crate) struct Recorded {
    pub(crate) events: Vec<RecordedEvent>,
    truth: BTreeMap<String, u64>,
}

impl Recorded {
    fn read(directory: &TempDir) -> Self {
        let reader =
            CaptureReader::open(directory.path().join("test.tcap")).expect("the capture can be read");
        let events = reader
            .events()
            .expect("the events can be read")
            .map(|event| event.expect("the event can be read").1)
            .collect();
        let truth = fs::read_to_string(directory.path().join("truth")).expect("the workload wrote it");
        let truth = truth
            .lines()
            .map(|line| {
                let (name, value) = line.split_once(' ').expect("a name and a number");
                (name.to_owned(), value.parse().expect("a number"))
            })
            .collect();
        Self { events, truth }
    }

    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a RecordedEvent> {
        self.events.iter().filter(move |event| event.event.name == name)
    }

    /// A number that the workload wrote down.
    pub(crate) fn truth(&self, name: &str) -> u64 {
        *self
            .truth
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.truth))
    }
}

fn skip(reason: &str) {
    let note = format!("SKIPPED, no packets here: {reason}\n");
    nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
}

fn config(directory: &TempDir, events: &[&str]) -> Config {
    let mut config = Config::new(Recording::new(directory.path().join("test.tcap")));
    config.sensor.events = events.iter().map(|&event| event.to_owned()).collect();
    config.symbols = false;
    config
}

/// Whether this machine shows packets at all.
fn shows_packets(reports: &[EventReport]) -> bool {
    let hidden = reports.iter().find(|report| {
        report.status == Status::Unavailable
            && report
                .refused
                .iter()
                .any(|reason| reason.contains("no cgroup v2"))
    });
    if let Some(hidden) = hidden {
        skip(&hidden.refused.join("; "));
    }
    hidden.is_none()
}

/// None, with a note that the test harness does not capture, where this machine has no sensor.
fn recorded(
    directory: &TempDir,
    config: &Config,
    observer: &mut dyn Observer,
    stop: &mut dyn FnMut() -> bool,
) -> Option<Recorded> {
    match record(config, None, observer, &mut || stop()) {
        Ok(summary) => {
            if let Ended::Command(status) = summary.ended {
                assert!(status.success(), "the workload failed: {status}");
            }
            shows_packets(&summary.reports).then(|| Recorded::read(directory))
        }
        Err(LiveError::Sensor(
            error @ (ebpf::Error::Capabilities(_) | ebpf::Error::Btf(_) | ebpf::Error::Machine(_)),
        )) => {
            skip(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Records a workload alone.
pub(crate) fn record_workload(name: &str, events: &[&str]) -> Option<Recorded> {
    let directory = tempfile::tempdir().expect("there is room");
    let mut config = config(&directory, events);
    config.command = vec!["/usr/bin/env".into()];
    config.command.push(format!("{WORKLOAD}={name}").into());
    config
        .command
        .push(format!("{DIRECTORY}={}", directory.path().display()).into());
    config
        .command
        .push(std::env::current_exe().expect("the test has a path").into());
    let arguments = ["workload", "--exact", "--ignored"];
    config.command.extend(arguments.map(OsString::from));
    recorded(&directory, &config, &mut NoObserver, &mut || false)
}

/// A workload that is there before the recording, and goes on when it has begun.
pub(crate) struct Running {
    child: Child,
    directory: TempDir,
}

impl Running {
    pub(crate) fn start(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("there is room");
        let child = Command::new(std::env::current_exe().expect("the test has a path"))
            .args(["workload", "--exact", "--ignored"])
            .env(WORKLOAD, name)
            .env(DIRECTORY, directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program can be started again");
        let patience = Instant::now();
        while !directory.path().join("ready").exists() {
            assert!(
                patience.elapsed() < Duration::from_secs(30),
                "the workload is not ready"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, directory }
    }

    /// Records the whole machine until the workload has ended.
    pub(crate) fn record(mut self, events: &[&str]) -> Option<Recorded> {
        struct Signal(std::process::ChildStdin);
        impl Observer for Signal {
            fn started(&mut self, _: &Started<'_>) {
                self.0.write_all(b"go\n").expect("the workload listens");
            }
        }
        let mut signal = Signal(self.child.stdin.take().expect("it is a pipe"));
        let config = config(&self.directory, events);
        let child = &mut self.child;
        let mut ended = || {
            child.try_wait().expect("it is ours").is_some_and(|status| {
                assert!(status.success(), "the workload failed: {status}");
                true
            })
        };
        let recorded = recorded(&self.directory, &config, &mut signal, &mut ended);
        drop(signal);
        self.child.wait().expect("it is ours");
        recorded
    }
}

pub(crate) fn value<'a>(event: &'a RecordedEvent, field: &str) -> Option<&'a Value> {
    let mut values = event.event.data.iter();
    values.find(|value| value.name == field)?.value.as_ref()
}

pub(crate) fn text<'a>(event: &'a RecordedEvent, field: &str) -> &'a str {
    match value(event, field) {
        Some(Value::Str(text)) => text,
        other => panic!("{field} is {other:?}"),
    }
}

pub(crate) fn number(event: &RecordedEvent, field: &str) -> u64 {
    match value(event, field) {
        Some(Value::UInt32(number)) => u64::from(*number),
        Some(Value::Int64(number)) => number.cast_unsigned(),
        other => panic!("{field} is {other:?}"),
    }
}

/// The process that owns the packet.
pub(crate) fn pid(event: &RecordedEvent) -> Option<u64> {
    event
        .event
        .workload
        .as_ref()?
        .process
        .as_ref()?
        .host_pid
        .map(u64::from)
}

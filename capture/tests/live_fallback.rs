//! A kernel that has none of the better hooks, whatever this one has: the sensor is told to use tracepoints alone. It needs root and
//! BTF, and says so where it has to skip.

use std::path::Path;

use capture::live::{Config, LiveError, NoObserver, Recording, Summary, record};
use capture::{CaptureReader, State};
use detectors_api::proto::event_value::Value;
use ebpf::Status;
use ebpf::plan::Kind;

/// Records a program that opens `/etc/hostname`; none, with a note that the test harness does not capture, where this machine has no sensor.
fn record_opening(path: &Path, events: &[&str]) -> Option<Result<Summary, ebpf::Error>> {
    let events: Vec<_> = events.iter().map(|&event| event.to_owned()).collect();
    let mut config = Config::new(Recording::new(path));
    config.command = ["/usr/bin/head", "-c0", "/etc/hostname"].map(Into::into).into();
    config.symbols = false;
    config.sensor.best = Kind::Tracepoint;
    config.sensor.required.clone_from(&events);
    config.sensor.events = events;
    match record(&config, None, &mut NoObserver, &mut || false) {
        Ok(summary) => Some(Ok(summary)),
        Err(LiveError::Sensor(
            error @ (ebpf::Error::Capabilities(_) | ebpf::Error::Btf(_) | ebpf::Error::Machine(_)),
        )) => {
            let note = format!("SKIPPED, no live recording here: {error}\n");
            nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
            None
        }
        Err(LiveError::Sensor(error)) => Some(Err(error)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn lesser_hooks_make_a_capture_that_says_what_they_lose() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.tcap");
    let Some(recorded) = record_opening(&path, &["security_file_open"]) else {
        return;
    };
    let summary = recorded.expect("there is a hook left");
    let report = summary
        .reports
        .iter()
        .find(|report| report.event == "security_file_open");
    let Status::Hooked { hook, loses } = &report.expect("it is reported").status else {
        panic!("it is not hooked: {report:?}")
    };
    assert!(hook.starts_with("tracepoint ") && !loses.is_empty(), "{report:?}");

    let reader = CaptureReader::open(&path).expect("it is readable");
    assert_eq!(reader.state(), State::Closed);
    let plan = reader
        .manifest()
        .header
        .sensor_plan
        .as_ref()
        .expect("the plan is kept");
    let plan = plan.to_string();
    assert!(plan.contains(hook) && plan.contains(&loses[0]), "{plan}");
    let opened = reader
        .events_of(&["security_file_open"], 0..=u64::MAX)
        .expect("it opens")
        .map(|event| event.expect("it is readable").1.event)
        .flat_map(|event| event.data)
        .filter(|field| {
            field.name == "pathname" && field.value == Some(Value::Str("/etc/hostname".to_owned()))
        });
    assert_eq!(opened.count(), 1);
}

#[test]
fn what_only_better_hooks_show_ends_the_recording_before_it_begins() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.tcap");
    let Some(recorded) = record_opening(&path, &["security_path_notify"]) else {
        return;
    };
    assert!(
        matches!(recorded, Err(ebpf::Error::Unavailable { event, .. }) if event == "security_path_notify"),
        "{recorded:?}"
    );
    assert!(!path.exists());
}

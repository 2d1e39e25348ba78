//! Small captures, and the binary over them.

use std::path::Path;

use assert_cmd::Command;
use capture::{CaptureWriter, Header, Loss, Manifest, WriterOptions};
use detectors_api::event::RecordedEvent;
use detectors_api::testkit::TestEvent;
use fixtures::generator::Generator;
use serde_json::Value;

pub(crate) fn tracee_cap() -> Command {
    Command::cargo_bin("tracee-cap").expect("the binary is built with the tests")
}

/// A capture of `events` generated events, in segments small enough that there are several.
pub(crate) fn make(path: &Path, events: usize) {
    make_with(path, Generator::new(42).take(events), &[]);
}

/// A capture of these events and losses, in segments small enough that there are several.
pub(crate) fn make_with(
    path: &Path,
    events: impl Iterator<Item = RecordedEvent>,
    losses: &[Loss],
) -> Manifest {
    let header = Header {
        enrichments: vec!["environment".to_owned()],
        ..Header::default()
    };
    let options = WriterOptions {
        segment_rows: 7_000,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(path, header, options).expect("a new capture");
    for (count, event) in events.enumerate() {
        writer.push(&event);
        if count % 1000 == 999 {
            writer.flush().expect("flushed");
        }
    }
    for loss in losses {
        writer.record_loss(loss.clone());
    }
    writer.finish().expect("finished")
}

pub(crate) fn replayed(capture: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = tracee_cap()
        .arg("replay")
        .arg(capture)
        .args(arguments)
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// What is found, one JSON object each.
pub(crate) fn found(capture: &Path, arguments: &[&str]) -> Vec<Value> {
    let lines = String::from_utf8(replayed(capture, arguments)).expect("text");
    let lines = lines.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("one object a line")
}

/// Made-up events, as they are recorded.
pub(crate) fn recorded(events: &[TestEvent]) -> impl Iterator<Item = RecordedEvent> {
    events.iter().map(TestEvent::to_recorded)
}

/// What the command says on stderr, and its exit code.
pub(crate) fn said(arguments: &[&str], captures: &[&Path]) -> (String, i32) {
    let output = tracee_cap()
        .arg("replay")
        .args(captures)
        .args(arguments)
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stderr).expect("text");
    (text, output.status.code().expect("it was not killed"))
}

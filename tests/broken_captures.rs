//! `replay` of captures that are not as they should be: what can be read is replayed, what cannot is named, and the exit code
//! tells.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use capture::{CaptureWriter, Header, Loss, WriterOptions};
use detectors_api::event::RecordedEvent;
use fixtures::generator::Generator;

const EVENTS: usize = 9_000;
const SEGMENT: u64 = 3_000;

/// The generated events, each with its number.
fn events() -> Vec<(u64, RecordedEvent)> {
    (0..).zip(Generator::new(42).take(EVENTS)).collect()
}

/// A writer that has taken `events`; segments end after every 3,000th number.
fn written(path: &Path, events: &[(u64, RecordedEvent)]) -> CaptureWriter {
    let header = Header {
        enrichments: vec!["environment".to_owned()],
        ..Header::default()
    };
    let options = WriterOptions {
        segment_rows: 1,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(path, header, options).expect("a new capture");
    for segment in events.chunk_by(|(one, _), (other, _)| one / SEGMENT == other / SEGMENT) {
        for (seq, event) in segment {
            writer.push_at(*seq, event).expect("in order");
        }
        writer.flush().expect("flushed");
    }
    writer
}

fn replay(capture: &Path, arguments: &[&str]) -> Output {
    Command::cargo_bin("tracee-cap")
        .expect("the binary is built with the tests")
        .arg("replay")
        .arg(capture)
        .args(["-o", "ndjson"])
        .args(arguments)
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Replays in several ways, all of which must print the same and end with `code`. Gives one of them.
fn in_all_ways(capture: &Path, code: i32) -> Output {
    let expected = replay(capture, &["--threads", "1"]);
    assert_eq!(expected.status.code(), Some(code), "{}", text(&expected.stderr));
    for threads in ["1", "2", "8"] {
        for (window, batch) in [("701", "100"), ("1000000", "65536")] {
            let ways = ["--threads", threads, "--window", window, "--batch-size", batch];
            let found = replay(capture, &ways);
            assert!(
                found.stdout == expected.stdout,
                "{threads} threads, windows of {window}: other output"
            );
            assert_eq!(found.status.code(), Some(code), "{}", text(&found.stderr));
            assert_eq!(
                text(&found.stderr),
                text(&expected.stderr),
                "{threads} threads, windows of {window}"
            );
        }
    }
    expected
}

/// What is found in `events`, where all can be read.
fn found_in(events: &[(u64, RecordedEvent)]) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("readable.tcap");
    written(&path, events).finish().expect("finished");
    let output = replay(&path, &["--threads", "2"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn lost_events_are_named_and_no_failure() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("lossy.tcap");
    let events = events();
    let mut writer = written(&path, &events);
    writer.record_loss(Loss {
        seq_from: 8_999,
        seq_to: 9_000,
        time_from: None,
        time_to: None,
        cpu: Some(1),
        cause: "ring_full".to_owned(),
        count: 17,
    });
    writer.finish().expect("finished");
    let output = in_all_ways(&path, 0);
    assert_eq!(text(&output.stdout), found_in(&events));
    assert!(
        text(&output.stderr).contains("17 lost"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn an_open_capture_is_replayed_as_far_as_it_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("open.tcap");
    let events = events();
    // The last flush is in the journal alone.
    let mut writer = written(&path, &events[..7_000]);
    let output = in_all_ways(&path, 5);
    assert_eq!(text(&output.stdout), found_in(&events[..7_000]));
    assert!(
        text(&output.stderr).contains("is still being recorded"),
        "{}",
        text(&output.stderr)
    );

    // While it is being written, every replay finds a part of the whole, from the beginning on.
    let whole = found_in(&events);
    std::thread::scope(|scope| {
        let recorder = scope.spawn(|| {
            for (seq, event) in &events[7_000..] {
                writer.push_at(*seq, event).expect("in order");
                if seq % 40 == 0 {
                    writer.flush().expect("flushed");
                }
            }
            writer.flush().expect("flushed");
        });
        while !recorder.is_finished() {
            let output = replay(&path, &["--threads", "2"]);
            assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
            assert!(
                whole.starts_with(&text(&output.stdout)),
                "what is found is not a beginning of the whole"
            );
        }
    });
    let output = replay(&path, &[]);
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(5), whole.clone())
    );
    writer.finish().expect("finished");
    let output = replay(&path, &[]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), whole));
}

#[test]
fn a_truncated_capture_is_replayed_up_to_where_it_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("truncated.tcap");
    let events = events();
    drop(written(&path, &events[..8_000]));
    let output = in_all_ways(&path, 5);
    assert_eq!(text(&output.stdout), found_in(&events[..8_000]));
    assert!(
        text(&output.stderr).contains("its recorder died"),
        "{}",
        text(&output.stderr)
    );
}

/// The file of segment 1 that holds events of a type.
fn part(capture: &Path, table: &str) -> PathBuf {
    capture.join(table).join("part-000001.parquet")
}

/// Where a file is damaged.
#[derive(Clone, Copy)]
enum Damage {
    /// The first column of the first row group, which is the sequence number.
    Front,
    /// The footer.
    Footer,
}

fn damage(file: &Path, place: Damage) {
    let mut bytes = fs::read(file).expect("the file is there");
    let length = bytes.len();
    match place {
        // After the magic number.
        Damage::Front => bytes[4..length.min(60)].fill(0xff),
        Damage::Footer => bytes[length - 60..length - 8].fill(0xff),
    }
    fs::write(file, bytes).expect("it is ours");
}

/// The numbers that events of a type, or of all types, have in segment 1.
fn numbers(events: &[(u64, RecordedEvent)], name: Option<&str>) -> Vec<u64> {
    let wanted = |(seq, event): &&(u64, RecordedEvent)| {
        seq / SEGMENT == 1 && name.is_none_or(|name| event.event.name == name)
    };
    events.iter().filter(wanted).map(|(seq, _)| *seq).collect()
}

/// Damages the events of `name` in segment 1: replay must find what is in all others, and name the stretch.
fn events_cannot_be_read(name: &str, place: Damage) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("damaged.tcap");
    let events = events();
    written(&path, &events).finish().expect("finished");
    damage(&part(&path, &format!("events/name={name}")), place);

    let output = in_all_ways(&path, 3);
    let gone = numbers(&events, Some(name));
    let readable: Vec<_> = events
        .iter()
        .filter(|(seq, _)| !gone.contains(seq))
        .cloned()
        .collect();
    assert_eq!(text(&output.stdout), found_in(&readable));
    assert_ne!(
        text(&output.stdout),
        found_in(&events),
        "nothing is missing, so this shows nothing"
    );
    let (first, last) = (gone[0], gone[gone.len() - 1]);
    let said = text(&output.stderr);
    for word in [
        name,
        &first.to_string(),
        &last.to_string(),
        &gone.len().to_string(),
    ] {
        assert!(said.contains(word), "{word} is not named: {said}");
    }
    // A range without the stretch is whole.
    let before = replay(&path, &["--to", &format!("seq:{}", SEGMENT - 1)]);
    assert_eq!(before.status.code(), Some(0), "{}", text(&before.stderr));
}

#[test]
fn a_row_group_that_cannot_be_decoded_is_a_gap() {
    events_cannot_be_read("security_file_open", Damage::Front);
}

#[test]
fn a_file_without_a_footer_is_a_gap() {
    events_cannot_be_read("security_file_open", Damage::Footer);
}

#[test]
fn what_only_stores_need_can_be_a_gap() {
    events_cannot_be_read("sched_process_fork", Damage::Front);
}

#[test]
fn events_whose_processes_cannot_be_read_are_a_gap() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("damaged.tcap");
    let events = events();
    written(&path, &events).finish().expect("finished");
    damage(&part(&path, "process"), Damage::Front);
    let output = in_all_ways(&path, 3);
    let gone = numbers(&events, None);
    let readable: Vec<_> = events
        .iter()
        .filter(|(seq, _)| !gone.contains(seq))
        .cloned()
        .collect();
    assert_eq!(text(&output.stdout), found_in(&readable));
    assert!(
        text(&output.stderr).contains("security_file_open"),
        "{}",
        text(&output.stderr)
    );
}

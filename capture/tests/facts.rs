//! What a task tells of its rows without decoding them is true.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::path::Path;

use capture::{CaptureReader, CaptureWriter, Header, ScanTask, WriterOptions};
use common::event;
use detectors_api::event::{Event, RecordedEvent, Value};
use proptest::prelude::*;

fn make(path: &Path, events: impl IntoIterator<Item = RecordedEvent>, closed: bool) -> CaptureReader {
    let options = WriterOptions {
        segment_rows: 300,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(path, Header::default(), options).unwrap();
    for (n, event) in events.into_iter().enumerate() {
        writer.push(&event);
        if n % 100 == 99 {
            writer.flush().unwrap();
        }
    }
    if closed {
        writer.finish().unwrap();
    } else {
        writer.flush().unwrap();
    }
    CaptureReader::open(path).unwrap()
}

/// What the events of a task show, against what it says of them.
fn check(task: &ScanTask) {
    for batch in task.batches().unwrap() {
        let batch = batch.unwrap();
        assert!(batch.rows_with_extra().next().is_none() || task.has_extra());
        let within = |column: &str, number: i128| {
            let range = task.number_range(column);
            assert!(
                range.is_none_or(|range| range.contains(&number)),
                "{column} {number}"
            );
        };
        for event in batch.events() {
            if let Some(time) = event.timestamp_ns() {
                within("timestamp", time.into());
            }
            for field in batch.layout().fields() {
                // The columns, which may lack what the event has.
                check_value(task, &field.column, &event, field.name, within);
            }
        }
    }
}

fn check_value(task: &ScanTask, column: &str, event: &Event<'_>, field: &str, within: impl Fn(&str, i128)) {
    if task.has_extra() {
        return;
    }
    let value = event.value(field);
    if let Some(number) = value.as_ref().and_then(Value::as_integer) {
        within(column, number);
    }
    let text = match &value {
        Some(Value::Str(text)) => text,
        Some(Value::SockAddr(address)) => address.address,
        _ => return,
    };
    assert!(task.may_hold(column, text), "{column} {text:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_there_is_never_denied(
        events in prop::collection::vec(detectors_api::arbitrary::recorded_event(), 1..60),
        closed in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let reader = make(&directory.path().join("x.tcap"), events, closed);
        for event_type in reader.event_types() {
            for task in reader.scan(event_type).tasks().unwrap() {
                check(&task);
            }
        }
    }
}

#[test]
fn facts_of_a_row_group() {
    let directory = tempfile::tempdir().unwrap();
    // Without what the catalogue does not know.
    let events = (0..900).map(|n| event(n - n % 10));
    let reader = make(&directory.path().join("x.tcap"), events, true);
    let tasks = reader.scan("security_file_open").tasks().unwrap();
    assert_eq!(tasks.len(), 3);
    for (segment, task) in (0..).zip(&tasks) {
        check(task);
        let (part, row_group) = task.part().unwrap();
        assert_eq!((part.segment, row_group), (segment, 0));
        assert!(!task.has_extra());
        assert!(!task.is_cut());
        let first = i128::from(segment) * 300;
        assert_eq!(task.number_range("flags"), Some(first..=first + 290));
        assert_eq!(task.number_range("dev"), Some(5..=5));
        let max = i128::from(u64::MAX);
        assert_eq!(task.number_range("ctime"), Some(max - first - 290..=max - first));
        // Null everywhere.
        assert!(task.number_range("processor").unwrap().is_empty());
        for column in ["pathname", "no_such_column", "user_stack"] {
            assert_eq!(task.number_range(column), None);
        }
        let absent = (0..1000).filter(|n| !task.may_hold("pathname", &format!("/absent/{n}")));
        assert!(absent.count() > 900);
        assert!(task.may_hold("flags", "5") && task.may_hold("no_such_column", "5"));
        assert!(task.column_bytes("pathname") > 0);
        assert_eq!(task.column_bytes("no_such_column"), 0);
    }
}

#[test]
fn extra_is_told() {
    let directory = tempfile::tempdir().unwrap();
    for closed in [true, false] {
        let reader = make(
            &directory.path().join(closed.to_string()),
            (0..100).map(event),
            closed,
        );
        for (event_type, extra) in [
            ("close", false),
            ("security_socket_connect", true),
            ("_other", true),
        ] {
            for task in reader.scan(event_type).tasks().unwrap() {
                assert_eq!(task.has_extra(), extra, "{event_type}");
                check(&task);
            }
        }
    }
}

#[test]
fn a_range_may_cut_a_task() {
    let directory = tempfile::tempdir().unwrap();
    // One event less than fill a segment.
    let events = || (0..299).map(|n| event(n - n % 10));
    let start = 1_700_000_000_000_000_000;
    for closed in [true, false] {
        let reader = make(&directory.path().join(closed.to_string()), events(), closed);
        let scan = || reader.scan("security_file_open");
        let cut = |scan: capture::Scan| scan.tasks().unwrap().iter().any(ScanTask::is_cut);
        assert!(!cut(scan()));
        assert!(!cut(scan().seq_range(0..=299)));
        assert!(cut(scan().seq_range(1..=299)));
        assert!(cut(scan().seq_range(0..=297)));
        assert!(cut(scan().time_range(start + 1..=i64::MAX)));
        assert_eq!(
            cut(scan().time_range(start..=start + 290_000)),
            !closed,
            "unknown in the journal"
        );
    }
}

//! Captures made out of the entries of captures say the same, and those that are cut out know what was before them.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::path::Path;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use capture::{Beginning, CaptureReader, CaptureWriter, Entry, Header, Loss, WriterOptions};
use detectors_api::stores::Store;
use detectors_api::testkit::TestEvent;
use detectors_stores::Input;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row;

const SECOND: u64 = 1_000_000_000;

fn writer(path: &Path) -> CaptureWriter {
    let options = WriterOptions {
        segment_rows: 300,
        ..WriterOptions::default()
    };
    CaptureWriter::create(path, Header::default(), options).unwrap()
}

fn input(seq: u64, pid: u32) -> Input {
    let task = TaskSnapshot {
        host_pid: pid,
        host_tid: pid,
        start_ns: SECOND,
        comm: format!("task-{pid}"),
        ..TaskSnapshot::default()
    };
    Input {
        store: Store::Process.name().to_owned(),
        seq,
        rows: TaskSnapshot::to_batch(&[task]),
    }
}

/// A shell that was there at the start runs one command after the other; some events are lost.
fn original(path: &Path) -> CaptureReader {
    let mut writer = writer(path);
    writer.add_input(input(0, 999)).unwrap();
    for n in 0..700_u32 {
        let (pid, start) = (1000 + n / 3, SECOND * u64::from(n / 3 + 1));
        let event = |name| TestEvent::new(name).at_ns((start + u64::from(n % 3)).cast_signed());
        let event = match n % 3 {
            0 => event("sched_process_fork")
                .process(999, SECOND)
                .set("child_tid", pid)
                .set("child_pid", pid)
                .set("start_time", start),
            1 => event("sched_process_exec")
                .process(pid, start)
                .set("pathname", "/bin/true"),
            _ => event("sched_process_exit")
                .process(pid, start)
                .set("process_group_exit", true),
        };
        writer.push(&event.to_recorded());
        if n % 50 == 49 {
            writer.flush().unwrap();
        }
        if n == 450 {
            writer.add_input(input(451, 77)).unwrap();
        }
    }
    for (seq_from, seq_to) in [(10, 20), (340, 360), (600, 610)] {
        writer.record_loss(Loss {
            seq_from,
            seq_to,
            time_from: None,
            time_to: None,
            cpu: Some(1),
            cause: "ring_full".to_owned(),
            count: 3,
        });
    }
    writer.add_input(input(700, 78)).unwrap();
    writer.finish().unwrap();
    CaptureReader::open(path).unwrap()
}

fn copy(entries: impl Iterator<Item = Entry>, path: &Path) -> CaptureReader {
    let mut writer = writer(path);
    for entry in entries {
        writer.write_entry(entry).unwrap();
    }
    writer.finish().unwrap();
    CaptureReader::open(path).unwrap()
}

fn same(one: &[Entry], other: &[Entry]) {
    let differ = one.iter().zip(other).find(|(one, other)| one != other);
    assert!(differ.is_none(), "{differ:#?}");
    assert_eq!(one.len(), other.len());
}

fn all(reader: &CaptureReader) -> Vec<Entry> {
    reader.entries().unwrap().collect::<Result<_, _>>().unwrap()
}

fn part(reader: &CaptureReader, seq: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    let entries = reader.entries_of(&reader.event_types(), seq).unwrap();
    entries.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_copy_says_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let reader = original(&directory.path().join("a.tcap"));
    let entries = all(&reader);
    let kinds = |is: fn(&Entry) -> bool| entries.iter().filter(|entry| is(entry)).count();
    assert_eq!(kinds(|entry| matches!(entry, Entry::Event { .. })), 700);
    assert_eq!(kinds(|entry| matches!(entry, Entry::Input(_))), 3);
    assert_eq!(kinds(|entry| matches!(entry, Entry::Loss(_))), 3);
    assert_eq!(kinds(|entry| matches!(entry, Entry::Beginning(_))), 0);
    let copied = copy(entries.clone().into_iter(), &directory.path().join("b.tcap"));
    same(&all(&copied), &entries);
    assert_eq!(copied.manifest().totals, reader.manifest().totals);
}

#[test]
fn inputs_come_before_the_event_that_has_their_number() {
    let directory = tempfile::tempdir().unwrap();
    let entries = all(&original(&directory.path().join("a.tcap")));
    let place = entries
        .iter()
        .position(|entry| matches!(entry, Entry::Input(input) if input.seq == 451));
    assert!(matches!(
        &entries[place.unwrap() + 1],
        Entry::Event { seq: 451, .. }
    ));
    assert!(matches!(&entries[0], Entry::Input(input) if input.seq == 0));
}

fn state(reader: &CaptureReader, seq: u64) -> Beginning {
    reader.beginning(seq).unwrap().unwrap()
}

fn same_state(one: &Beginning, other: &Beginning) {
    assert_eq!((one.seq, &one.inputs), (other.seq, &other.inputs));
    assert_eq!(one.frames.len(), other.frames.len());
    for ((name, one), (_, other)) in one.frames.iter().zip(&other.frames) {
        let text = |rows| {
            pretty_format_batches(&[RecordBatch::clone(rows)])
                .unwrap()
                .to_string()
        };
        assert_eq!(text(one), text(other), "{name}");
    }
}

#[test]
fn a_part_knows_what_was_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let reader = original(&directory.path().join("a.tcap"));
    for (name, from) in [("early", 100), ("late", 350)] {
        let cut = copy(
            part(&reader, from..=649).into_iter(),
            &directory.path().join(name),
        );
        assert_eq!(cut.manifest().seq.unwrap().first, from);
        assert_eq!(cut.manifest().totals.lost, 6);
        // Here, in the middle, and after the input.
        for seq in [from, 420, 500, 650] {
            same_state(&state(&cut, seq), &state(&reader, seq));
        }
        // A part of a part, and a copy of a part.
        let again = copy(
            part(&cut, 500..=649).into_iter(),
            &directory.path().join(format!("{name}-2")),
        );
        same_state(&state(&again, 500), &state(&reader, 500));
        let again = copy(all(&cut).into_iter(), &directory.path().join(format!("{name}-3")));
        same(&all(&again), &all(&cut));
    }
    assert_eq!(reader.beginning(0).unwrap(), None);
}

#[test]
fn a_beginning_is_only_taken_at_the_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let reader = original(&directory.path().join("a.tcap"));
    let mut writer = writer(&directory.path().join("b.tcap"));
    writer.push(&common::event(0));
    let late = writer.write_entry(Entry::Beginning(state(&reader, 100)));
    assert!(late.is_err());
}

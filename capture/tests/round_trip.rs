//! What is written is read back: closed, open and truncated captures alike.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use capture::{CaptureReader, CaptureWriter, Header, JournalPolicy, Loss, State, Table, WriterOptions};
use common::{event, expected, read_all};
use detectors_stores::Input;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row as _;

fn options() -> WriterOptions {
    WriterOptions {
        segment_rows: 400,
        ..WriterOptions::default()
    }
}

fn write(path: &std::path::Path, count: u64, options: WriterOptions) -> CaptureWriter {
    let mut writer = CaptureWriter::create(path, Header::default(), options).unwrap();
    for n in 0..count {
        assert_eq!(writer.push(&event(n)), n);
        if n % 37 == 36 {
            writer.flush().unwrap();
        }
    }
    writer.flush().unwrap();
    writer
}

#[test]
fn a_closed_capture_gives_back_its_events() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    let manifest = write(&path, 1000, options()).finish().unwrap();
    assert_eq!(manifest.state, State::Closed);
    assert_eq!(manifest.segments, 3);
    let reader = CaptureReader::open(&path).unwrap();
    assert_eq!(reader.manifest(), &manifest);
    assert_eq!(reader.state(), State::Closed);
    assert_eq!(read_all(&reader), expected(1000));
    assert_eq!(
        reader.event_types(),
        ["_other", "close", "security_file_open", "security_socket_connect"]
    );
    assert_eq!(reader.segments().len(), 3);
    assert!(!path.join("journal").exists());
}

#[test]
fn contexts_of_many_small_segments_are_read_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    let small = WriterOptions {
        segment_rows: 20,
        ..WriterOptions::default()
    };
    let manifest = write(&path, 1000, small).finish().unwrap();
    assert!(manifest.segments > 20);
    let reader = CaptureReader::open(&path).unwrap();
    let contexts = || (0..manifest.segments).map(|segment| reader.contexts(segment).unwrap());
    let first: Vec<_> = contexts().collect();
    assert!(first.iter().all(|contexts| !contexts.is_empty()));
    assert!(
        first
            .iter()
            .zip(contexts())
            .all(|(first, again)| first.is_same(&again))
    );
}

#[test]
fn open_and_truncated_captures_read_alike() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    let mut writer = write(&path, 1000, options());
    writer.record_loss(Loss {
        seq_from: 999,
        seq_to: 1000,
        time_from: None,
        time_to: Some(5),
        cpu: Some(1),
        cause: "ring_full".to_owned(),
        count: 17,
    });
    writer.flush().unwrap();
    for state in [State::Open, State::Truncated] {
        let reader = CaptureReader::open(&path).unwrap();
        assert_eq!(reader.state(), state);
        assert_eq!(reader.cut(), None);
        assert_eq!(read_all(&reader), expected(1000));
        let totals = reader.manifest().totals;
        assert_eq!((totals.received, totals.written, totals.lost), (1017, 1000, 17));
        assert_eq!(reader.losses().unwrap()[0].count, 17);
        assert!(reader.segments().last().unwrap().in_journal);
        assert_eq!(reader.parts(&Table::Process).count(), 2);
        if state == State::Open {
            // Dropping it leaves what a killed recorder leaves.
            drop(std::mem::replace(
                &mut writer,
                CaptureWriter::create(directory.path().join("y"), Header::default(), options()).unwrap(),
            ));
        }
    }
}

#[test]
fn without_a_journal_only_whole_segments_survive() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    drop(write(
        &path,
        1000,
        WriterOptions {
            journal: JournalPolicy::Off,
            ..options()
        },
    ));
    let reader = CaptureReader::open(&path).unwrap();
    assert_eq!(reader.state(), State::Truncated);
    assert_eq!(read_all(&reader), expected(reader.manifest().totals.written));
    assert_eq!(reader.segments().len(), 2);
}

#[test]
fn ranges_give_exactly_what_lies_in_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    write(&path, 1000, options()).finish().unwrap();
    let reader = CaptureReader::open(&path).unwrap();
    let all = expected(1000);
    for range in [0..=0, 3..=700, 399..=410, 999..=5000, 5000..=6000] {
        let found: Vec<_> = reader
            .events_from(range.clone())
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let wanted: Vec<_> = all
            .iter()
            .filter(|(seq, _)| range.contains(seq))
            .cloned()
            .collect();
        assert_eq!(found, wanted, "{range:?}");
    }
    let start = 1_700_000_000_000_000_000;
    let scan = reader
        .scan("security_file_open")
        .columns(["pathname"])
        .unwrap()
        .time_range(start + 100_000..=start + 500_000);
    let seqs: Vec<u64> = scan
        .batches()
        .unwrap()
        .flat_map(|batch| batch.unwrap().seqs().to_vec())
        .collect();
    let wanted: Vec<u64> = (100..=500).filter(|n| n % 5 < 2).collect();
    assert_eq!(seqs, wanted);
}

#[test]
fn snapshots_and_numbers_of_ones_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    let mut writer = CaptureWriter::create(&path, Header::default(), options()).unwrap();
    let input = |store: &str| Input {
        store: store.to_owned(),
        seq: 7,
        rows: TaskSnapshot::to_batch(&[TaskSnapshot::default(), TaskSnapshot::default()]),
    };
    writer.add_input(input("process")).unwrap();
    assert!(writer.add_input(input("../x")).is_err());
    writer.push_at(7, &event(7)).unwrap();
    assert!(writer.push_at(7, &event(7)).is_err());
    writer.push_at(70, &event(70)).unwrap();
    writer.finish().unwrap();
    let reader = CaptureReader::open(&path).unwrap();
    assert_eq!(read_all(&reader), [(7, event(7)), (70, event(70))]);
    let inputs = reader.inputs("process").unwrap();
    assert_eq!(
        (inputs.len(), inputs[0].seq, inputs[0].rows.num_rows()),
        (1, 7, 2)
    );
    assert_eq!(inputs[0].rows, input("process").rows);
    assert_eq!(reader.input_stores(), ["process"]);
}

#[test]
fn only_captures_are_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let precious = directory.path().join("precious");
    std::fs::create_dir(&precious).unwrap();
    std::fs::write(precious.join("thesis.txt"), "years of work").unwrap();
    let overwrite = WriterOptions {
        overwrite: true,
        ..options()
    };
    assert!(CaptureWriter::create(&precious, Header::default(), overwrite.clone()).is_err());
    assert!(precious.join("thesis.txt").exists());
    let path = directory.path().join("x.tcap");
    write(&path, 10, options()).finish().unwrap();
    assert!(CaptureWriter::create(&path, Header::default(), options()).is_err());
    write(&path, 20, overwrite).finish().unwrap();
    assert_eq!(read_all(&CaptureReader::open(&path).unwrap()), expected(20));
}

/// Stretches have every event once, and are not cut finer than events are dense.
#[test]
fn windows_cover_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    write(&path, 1000, options()).finish().unwrap();
    let reader = CaptureReader::open(&path).unwrap();
    let windows: Vec<_> = reader.windows(150..=u64::MAX, 100).collect();
    let seqs: Vec<u64> = windows.iter().cloned().flatten().collect();
    assert_eq!(seqs, (150..1000).collect::<Vec<_>>());
    assert!(windows.iter().all(|window| window.end() - window.start() < 100));
    let ends: Vec<_> = windows.iter().map(|window| *window.end()).collect();
    assert_eq!(reader.segments().len(), 3);
    for segment in reader.segments().iter().filter_map(|segment| segment.seq) {
        assert!(ends.contains(&segment.last), "{segment:?}: {ends:?}");
    }
    assert_eq!(reader.windows(1000..=u64::MAX, 100).count(), 0);

    let path = directory.path().join("sparse.tcap");
    let mut writer = CaptureWriter::create(&path, Header::default(), options()).unwrap();
    for seq in [3, 1 << 40, u64::MAX - 1] {
        writer.push_at(seq, &event(seq % 100)).unwrap();
    }
    writer.finish().unwrap();
    let reader = CaptureReader::open(&path).unwrap();
    let windows: Vec<_> = reader.windows(0..=u64::MAX, 100).collect();
    assert!(windows.len() < 5, "{windows:?}");
    assert_eq!(
        (windows[0].start(), windows[windows.len() - 1].end()),
        (&3, &(u64::MAX - 1))
    );
    assert_eq!(reader.history().unwrap().settled(), u64::MAX);
}

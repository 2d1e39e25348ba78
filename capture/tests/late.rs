//! Columns that are decoded late are those that are decoded at once, for whatever rows are left, on any thread; and what
//! cannot be decoded by then is told by those who asked for it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use capture::{CaptureReader, CaptureWriter, Header, Import, Input, InputFormat, Scan, WriterOptions};
use common::event;
use detectors_api::columns::layout;
use detectors_api::event::{Event, EventBatch, RecordedEvent};
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;

fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/data/tracee")
        .join(name)
}

fn import(path: &Path, name: &str) -> CaptureReader {
    let mut writer = CaptureWriter::create(path, Header::default(), WriterOptions::default()).unwrap();
    let import = Import::open(&Input::File(recording(name)), InputFormat::Ndjson).unwrap();
    let imported = import.run(&mut writer, &mut |_| (), &|_| ()).unwrap();
    assert_eq!(imported.unreadable, 0);
    writer.finish().unwrap();
    CaptureReader::open(path).unwrap()
}

fn make(path: &Path, events: u64) -> CaptureReader {
    let mut writer = CaptureWriter::create(path, Header::default(), WriterOptions::default()).unwrap();
    for n in 0..events {
        writer.push(&event(n));
    }
    writer.finish().unwrap();
    CaptureReader::open(path).unwrap()
}

fn batches(scan: Scan) -> Vec<EventBatch> {
    scan.batches().unwrap().collect::<Result<_, _>>().unwrap()
}

/// All that a view tells.
fn told(event: &Event<'_>) -> (RecordedEvent, String) {
    let values: Vec<_> = event
        .field_names()
        .into_iter()
        .map(|name| event.value(name))
        .collect();
    let at: Vec<_> = (0..values.len()).map(|index| event.value_at(index)).collect();
    let thread = event.thread();
    let rest = format!(
        "{} {} {} {:?} {:?} {values:?} {at:?} {:?} {} {:?} {:?} {:?} {:?} {:?}",
        event.seq(),
        event.name(),
        event.id(),
        event.timestamp_ns(),
        event.processor(),
        event.stack_addresses(),
        thread.syscall(),
        (thread.name(), thread.host_tid(), thread.start_time_ns()),
        (event.process().executable_path(), event.process().host_pid()),
        (event.container().id(), event.container().started()),
        (event.parent().host_pid(), event.has_workload()),
        event.kernel_context(),
    );
    assert_eq!(event.fault(), None);
    (event.to_recorded(), rest)
}

#[test]
fn late_columns_are_those_read_at_once() {
    let directory = tempfile::tempdir().unwrap();
    for (number, name) in ["v1beta1/events.ndjson.zst", "legacy/docs_events.ndjson"]
        .into_iter()
        .enumerate()
    {
        let reader = import(&directory.path().join(number.to_string()), name);
        for event_type in reader.event_types() {
            let scan = || reader.scan(event_type);
            let whole: Vec<_> = batches(scan())
                .iter()
                .flat_map(|batch| batch.events().map(|event| told(&event)).collect::<Vec<_>>())
                .collect();
            let columns: Vec<_> = layout(event_type)
                .schema()
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect();
            for at_once in [&[][..], &["ctx"], &["timestamp", "thread_syscall"], &columns] {
                let batches = batches(
                    scan()
                        .columns(at_once.iter().copied())
                        .unwrap()
                        .others_on_demand(),
                );
                let late: Vec<_> = batches
                    .iter()
                    .flat_map(|batch| batch.events().map(|event| told(&event)).collect::<Vec<_>>())
                    .collect();
                assert_eq!(late, whole, "{event_type}, at once {at_once:?}");
                for batch in &batches {
                    assert_eq!(batch.faults().next(), None);
                    for column in &columns {
                        assert!(batch.common_column(column).is_some(), "{event_type}.{column}");
                    }
                }
            }
        }
    }
}

/// What to do with a batch.
#[derive(Clone, Debug)]
enum Cut {
    Slice(prop::sample::Index, prop::sample::Index),
    Take(u64),
    /// Asks for a column: what is decoded before a cut stays decoded.
    Ask(prop::sample::Index),
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![
        any::<(prop::sample::Index, prop::sample::Index)>().prop_map(|(first, len)| Cut::Slice(first, len)),
        any::<u64>().prop_map(Cut::Take),
        any::<prop::sample::Index>().prop_map(Cut::Ask),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_rows_that_are_left_are_right(
        cuts in prop::collection::vec(cut(), 0..6),
        batch_size in 1_usize..200,
        range in any::<Option<(u64, u64)>>(),
        time in any::<bool>(),
    ) {
        static CAPTURE: std::sync::LazyLock<(tempfile::TempDir, CaptureReader)> = std::sync::LazyLock::new(|| {
            let directory = tempfile::tempdir().unwrap();
            let reader = make(&directory.path().join("x.tcap"), 700);
            (directory, reader)
        });
        let reader = &CAPTURE.1;
        let range = range.map_or(0..=u64::MAX, |(first, len)| first % 700..=first % 700 + len % 700);
        for event_type in reader.event_types() {
            let mut scan = reader.scan(event_type).columns([]).unwrap().others_on_demand()
                .batch_size(batch_size).seq_range(range.clone());
            if time {
                let start = 1_700_000_000_000_000_000;
                scan = scan.time_range(start + 100_000..=start + 600_000);
            }
            for batch in batches(scan) {
                let mut batch = batch;
                for cut in &cuts {
                    let len = batch.len();
                    match cut {
                        _ if len == 0 => {}
                        Cut::Slice(first, rows) => {
                            let first = first.index(len);
                            batch = batch.slice(first, rows.index(len - first + 1));
                        }
                        Cut::Take(mask) => {
                            let rows: Vec<u32> = (0..len as u32).filter(|row| mask.rotate_left(*row) & 3 != 0).collect();
                            batch = batch.take(&rows);
                        }
                        Cut::Ask(column) => {
                            let fields = layout(event_type).schema().fields();
                            let _ = batch.common_column(fields[column.index(fields.len())].name());
                        }
                    }
                }
                for found in batch.events() {
                    prop_assert_eq!(found.to_recorded(), event(found.seq()));
                    prop_assert_eq!(found.fault(), None);
                }
            }
        }
    }
}

/// Bytes of a column of the first row group, in the file.
fn chunk(file: &Path, column: &str) -> std::ops::Range<usize> {
    let reader = SerializedFileReader::new(File::open(file).unwrap()).unwrap();
    let columns = reader.metadata().row_group(0).columns();
    let column = columns
        .iter()
        .find(|chunk| chunk.column_path().string() == column)
        .unwrap();
    let (start, len) = column.byte_range();
    start as usize..(start + len) as usize
}

#[test]
fn a_broken_late_column_is_told_by_those_who_asked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    drop(make(&path, 100));
    let file = path.join("events/name=security_file_open/part-000000.parquet");
    let mut content = fs::read(&file).unwrap();
    content[chunk(&file, "flags")].fill(0xff);
    fs::write(&file, content).unwrap();

    let reader = CaptureReader::open(&path).unwrap();
    assert!(
        reader
            .scan("security_file_open")
            .batches()
            .unwrap()
            .next()
            .unwrap()
            .is_err()
    );
    let scan = reader
        .scan("security_file_open")
        .columns(["pathname"])
        .unwrap()
        .others_on_demand();
    let batch = batches(scan).remove(0);
    let place = format!("{}, row group 0, column `flags`: ", file.display());
    for batch in [batch.clone(), batch.slice(3, 9), batch.take(&[1, 7])] {
        for event in batch.events() {
            assert_eq!(event.get::<u64>("inode"), Some(event.seq() * 3));
            assert_eq!(event.fault(), None);
            assert_eq!(event.get::<i32>("flags"), None);
            let fault = event.fault().unwrap();
            assert!(fault.starts_with(&place), "{fault}");
            assert_eq!(event.get::<u32>("dev"), Some(5));
            assert_eq!(event.fault(), Some(fault));
        }
        // A view that did not ask has nothing to tell.
        assert_eq!(batch.event(0).fault(), None);
        assert!(batch.faults().next().unwrap().starts_with(&place));
    }
}

#[test]
fn a_broken_process_table_is_told_by_those_who_asked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    drop(make(&path, 100));
    let file = path.join("process/part-000000.parquet");
    let mut content = fs::read(&file).unwrap();
    content[chunk(&file, "comm")].fill(0xff);
    fs::write(&file, content).unwrap();

    let reader = CaptureReader::open(&path).unwrap();
    let scan = reader.scan("close").columns(["fd"]).unwrap();
    assert!(scan.clone().columns(["ctx"]).unwrap().batches().is_err());
    for batch in batches(scan.others_on_demand()) {
        let event = batch.event(0);
        assert_eq!(event.get::<i64>("returnValue"), Some(-1));
        assert_eq!(event.fault(), None);
        assert_eq!(event.process().host_pid(), None);
        let fault = event.fault().unwrap();
        assert!(
            fault.starts_with(&format!("{}, row group 0, column `comm`: ", file.display())),
            "{fault}"
        );
    }
}

/// Whatever is wrong with a column that is read late: it is told or it makes no difference, and nothing panics.
#[test]
fn flipped_bytes_of_late_columns_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    drop(make(&path, 100));
    let file = path.join("events/name=security_file_open/part-000000.parquet");
    let content = fs::read(&file).unwrap();
    let mut faults: BTreeMap<&str, usize> = BTreeMap::new();
    for column in ["pathname", "flags", "ctx", "thread_syscall", "event_id", "inode"] {
        let chunk = chunk(&file, column);
        for position in chunk.clone().step_by(chunk.len() / 12 + 1) {
            for bit in [0, 7] {
                let mut damaged = content.clone();
                damaged[position] ^= 1 << bit;
                fs::write(&file, damaged).unwrap();
                let reader = CaptureReader::open(&path).unwrap();
                let scan = reader
                    .scan("security_file_open")
                    .columns([])
                    .unwrap()
                    .others_on_demand();
                for batch in scan.batches().unwrap().flatten() {
                    for event in batch.take(&[0, 5, 30]).events() {
                        let _ = event.to_recorded();
                        *faults.entry(column).or_default() += usize::from(event.fault().is_some());
                    }
                }
            }
        }
    }
    assert!(faults.values().all(|faults| *faults > 0), "{faults:?}");
}

#[test]
fn threads_may_ask_at_the_same_time() {
    let directory = tempfile::tempdir().unwrap();
    let reader = make(&directory.path().join("x.tcap"), 700);
    let scan = reader
        .scan("security_file_open")
        .columns([])
        .unwrap()
        .others_on_demand();
    let whole = batches(scan).remove(0);
    let parts = [whole.clone(), whole.slice(10, 90), whole.take(&[3, 4, 200])];
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let batch = &parts[thread % parts.len()];
            scope.spawn(move || {
                for found in batch.events() {
                    assert_eq!(found.to_recorded(), event(found.seq()));
                }
            });
        }
    });
}

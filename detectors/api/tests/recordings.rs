//! Every line of every recording in `fixtures/data/tracee`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use detectors_api::event::{BatchBuilder, Event, RecordedEvent};
use detectors_api::json::{Flavour, Line, read_line, write_line};
use detectors_api::protobuf;

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/data/tracee")
        .join(folder)
}

fn unpack(path: &Path) -> Vec<u8> {
    let packed = fs::read(path).expect("the recording is in the repository");
    let mut bytes = Vec::new();
    match path.extension().and_then(|name| name.to_str()) {
        Some("gz") => {
            flate2::read::GzDecoder::new(packed.as_slice())
                .read_to_end(&mut bytes)
                .expect("it is gzip");
        }
        Some("zst") => bytes = zstd::decode_all(packed.as_slice()).expect("it is zstd"),
        _ => bytes = packed,
    }
    bytes
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

fn read(line: &[u8]) -> RecordedEvent {
    match read_line(line) {
        Ok(Line::Event(event)) => *event,
        other => panic!("{other:?}\n{}", String::from_utf8_lossy(line)),
    }
}

/// The legacy recordings, by file. Reading them takes long, so it is done once.
static LEGACY: LazyLock<Vec<(PathBuf, Vec<RecordedEvent>)>> = LazyLock::new(|| recordings("legacy"));

/// What is in a folder, by file.
fn recordings(folder: &str) -> Vec<(PathBuf, Vec<RecordedEvent>)> {
    let mut files: Vec<_> = fs::read_dir(data(folder))
        .expect("the folder is in the repository")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
        .into_iter()
        .map(|path| {
            let events = lines(&unpack(&path)).map(read).collect();
            (path, events)
        })
        .collect()
}

#[test]
fn a_v1beta1_line_is_written_byte_for_byte_as_it_was_read() {
    let bytes = unpack(&data("v1beta1/events.ndjson.zst"));
    let mut count = 0;
    for line in lines(&bytes) {
        let event = read(line);
        assert_eq!(event.unmapped, None);
        let mut written = Vec::new();
        write_line(&event, Flavour::V1beta1, &mut written);
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(line));
        let mut extended = Vec::new();
        write_line(&event, Flavour::Extended, &mut extended);
        assert_eq!(extended, written, "there is nothing to add");
        count += 1;
    }
    assert_eq!(count, 5000);
}

fn fields_are_the_same_one_by_one(event: &Event<'_>) {
    let values = (0..).map(|index| event.value_at(index));
    let one_by_one: Vec<_> = event.field_names().into_iter().zip(values).collect();
    assert_eq!(format!("{one_by_one:?}"), format!("{:?}", event.data()));
}

#[test]
fn every_event_survives_json_arrow_and_protobuf() {
    let mut count = 0;
    for (path, events) in LEGACY.iter().chain(&recordings("v1beta1")) {
        let name = path.display();
        count += events.len();
        let mut builder = BatchBuilder::default();
        let mut delimited = Vec::new();
        for (seq, event) in events.iter().enumerate() {
            let mut line = Vec::new();
            write_line(event, Flavour::Extended, &mut line);
            assert_eq!(&read(&line), event, "{name}");
            protobuf::write_delimited(&event.event, &mut delimited);
            builder.push(seq as u64, event);
        }

        let mut back = protobuf::Reader::new(delimited.as_slice());
        for event in events {
            let read = back.next().expect("there is one").expect("it is an event");
            assert_eq!(read.event, event.event, "{name}");
            assert_eq!(read.unmapped, None);
        }
        assert!(back.next().is_none());
        assert_eq!(back.offset(), delimited.len() as u64);

        let mut rows = 0;
        for batch in builder.finish().batches {
            for event in batch.events() {
                let recorded = &events[event.seq() as usize];
                assert_eq!(event.to_recorded(), *recorded, "{name}");
                fields_are_the_same_one_by_one(&event);
                fields_are_the_same_one_by_one(&Event::from_message(event.seq(), &recorded.event));
                let alone = Event::from_recorded(event.seq(), recorded);
                assert_eq!(alone.to_recorded(), *recorded, "{name}");
                assert_eq!(alone.kernel_context(), event.kernel_context(), "{name}");
                assert_eq!(alone.processor(), event.processor(), "{name}");
                rows += 1;
            }
        }
        assert_eq!(rows, events.len());
    }
    assert_eq!(count, 203 + 49 + 24_010 + 5000);
}

/// How often something had no place, over all legacy recordings.
#[test]
fn what_has_no_place_is_known() {
    let mut counts = BTreeMap::new();
    for (_, events) in LEGACY.iter() {
        for unmapped in events.iter().filter_map(|event| event.unmapped.as_deref()) {
            let members: BTreeMap<String, serde_json::Value> =
                serde_json::from_str(unmapped).expect("it is an object");
            for pointer in members.into_keys() {
                let without_indexes = pointer.replace(|c: char| c.is_ascii_digit(), "N");
                *counts.entry(without_indexes).or_insert(0) += 1;
            }
        }
    }
    insta::assert_debug_snapshot!(counts);
}

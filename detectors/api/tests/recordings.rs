//! Every line of every recording in `fixtures/data/tracee`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use detectors_api::event::{BatchBuilder, RecordedEvent};
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

#[test]
fn every_legacy_event_survives_export_and_import() {
    let mut count = 0;
    for (path, events) in recordings("legacy") {
        for event in events {
            let mut line = Vec::new();
            write_line(&event, Flavour::Extended, &mut line);
            assert_eq!(read(&line), event, "{}", path.display());
            count += 1;
        }
    }
    assert_eq!(count, 203 + 49 + 24_010);
}

#[test]
fn every_event_survives_arrow() {
    for (path, events) in recordings("legacy").into_iter().chain(recordings("v1beta1")) {
        let mut builder = BatchBuilder::default();
        for (seq, event) in events.iter().enumerate() {
            builder.push(seq as u64, event);
        }
        let mut back: Vec<_> = events.iter().map(|_| None).collect();
        for batch in builder.finish().batches {
            for event in batch.events() {
                back[event.seq() as usize] = Some(event.to_recorded());
            }
        }
        for (event, back) in events.iter().zip(back) {
            assert_eq!(back.as_ref(), Some(event), "{}", path.display());
        }
    }
}

#[test]
fn every_event_survives_protobuf() {
    for (path, events) in recordings("legacy").into_iter().chain(recordings("v1beta1")) {
        let mut bytes = Vec::new();
        for event in &events {
            protobuf::write_delimited(&event.event, &mut bytes);
        }
        let mut back = protobuf::Reader::new(bytes.as_slice());
        for event in &events {
            let read = back.next().expect("there is one").expect("it is an event");
            assert_eq!(read.event, event.event, "{}", path.display());
            assert_eq!(read.unmapped, None);
        }
        assert!(back.next().is_none());
        assert_eq!(back.offset(), bytes.len() as u64);
    }
}

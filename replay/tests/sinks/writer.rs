//! What holds for all forms.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use replay::{Ending, Format, Writer};

use super::detections::{capture, sample, text, written};

#[test]
fn when_it_is_flushed_does_not_matter() {
    let sample = sample();
    for format in sample.formats() {
        if matches!(format, Format::Table { .. }) {
            continue;
        }
        let mut out = Vec::new();
        let mut writer = Writer::new(format.clone(), &mut out);
        writer.capture(&capture());
        for detection in sample.detections.clone() {
            writer.flush().expect("memory takes all");
            writer.write(detection).expect("memory takes all");
        }
        writer.finish().expect("memory takes all");
        let at_once = written(
            format.clone(),
            Some(&capture()),
            sample.detections.clone(),
            &Ending::default(),
        );
        assert_eq!(out, at_once, "{format:?}");
    }
}

#[test]
fn lines_reach_the_reader_when_they_are_flushed() {
    let sample = sample();
    let mut lines = 0;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut writer = Writer::new(Format::Ndjson, Shared(Arc::clone(&seen)));
    for detection in sample.detections {
        writer.write(detection).expect("memory takes all");
        writer.flush().expect("memory takes all");
        lines += 1;
        assert_eq!(
            seen.lock()
                .expect("nobody panics")
                .iter()
                .filter(|byte| **byte == b'\n')
                .count(),
            lines
        );
    }
}

#[test]
fn json_is_an_array_of_the_lines_of_ndjson() {
    let sample = sample();
    let lines = text(sample.in_form(Format::Ndjson));
    let array = text(sample.in_form(Format::Json));
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    let array: Vec<serde_json::Value> = serde_json::from_str(&array).expect("an array");
    assert_eq!((lines.len(), &lines), (sample.detections.len(), &array));
}

/// Bytes that somebody reads while they are written.
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts the bytes that it takes.
#[derive(Default)]
struct Counting(usize);

impl Write for &mut Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn forms_that_stream_hold_little_back() {
    let sample = sample();
    for format in sample.formats() {
        // A table waits for all of its rows, and JUnit counts; row groups of Parquet have a test of their own.
        if matches!(format, Format::Table { .. } | Format::Junit(_) | Format::Parquet) {
            continue;
        }
        let (mut early, mut all) = (Counting::default(), Counting::default());
        let many = || sample.detections.iter().cycle().take(2000).cloned();
        let mut writer = Writer::new(format.clone(), &mut early);
        many().for_each(|detection| writer.write(detection).expect("it counts"));
        drop(writer);
        let mut writer = Writer::new(format.clone(), &mut all);
        many().for_each(|detection| writer.write(detection).expect("it counts"));
        writer.finish().expect("it counts");
        assert!(early.0 * 2 > all.0, "{format:?}: {} of {} bytes", early.0, all.0);
    }
}

#[test]
fn what_cannot_be_written_is_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let sample = sample();
    for format in sample.formats() {
        let mut writer = Writer::new(format.clone(), Full);
        let written = sample
            .detections
            .iter()
            .cloned()
            .try_for_each(|detection| writer.write(detection))
            .and_then(|()| writer.finish());
        assert!(written.is_err(), "{format:?}");
    }
}

//! A recorder that is killed loses nothing it acknowledged.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use capture::{CaptureReader, CaptureWriter, Header, JournalPolicy, State, WriterOptions};
use common::{event, expected, read_all};

const PATH: &str = "CAPTURE_TEST_RECORDER";

/// The recorder, run by the tests below in a process of its own: writes numbered events until it is killed, and says how
/// many it has acknowledged.
#[test]
fn recorder() {
    let Some(path) = std::env::var_os(PATH) else {
        return;
    };
    let options = WriterOptions {
        segment_rows: 700,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(Path::new(&path), Header::default(), options).unwrap();
    let mut written = 0;
    for round in 0_u64.. {
        for _ in 0..(round * 7919) % 50 {
            writer.push(&event(written));
            written += 1;
        }
        writer.flush().unwrap();
        println!("acknowledged {written}");
    }
}

/// Starts a recorder, kills it after `acknowledgements` and `delay`; how many events it had acknowledged.
fn record_and_kill(path: &Path, acknowledgements: usize, delay: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "recorder", "--nocapture"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let number = |line: String| {
        line.strip_prefix("acknowledged ")
            .and_then(|number| number.parse().ok())
    };
    let mut acknowledged: u64 = 0;
    for count in lines.by_ref().filter_map(number).take(acknowledgements) {
        acknowledged = count;
    }
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    for count in lines.filter_map(number) {
        acknowledged = count;
    }
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut in_segments = 0;
    for (round, acknowledgements) in [1, 2, 5, 13, 27, 28, 29, 30, 44, 61].into_iter().enumerate() {
        let path = directory.path().join(format!("{round}.tcap"));
        let delay = Duration::from_micros(round as u64 * 1713);
        let acknowledged = record_and_kill(&path, acknowledgements, delay);
        let reader = CaptureReader::open(&path).unwrap();
        assert_eq!(reader.state(), State::Truncated);
        let events = read_all(&reader);
        let written = events.len() as u64;
        assert!(
            written >= acknowledged,
            "{written} of {acknowledged} acknowledged events are there"
        );
        assert_eq!(events, expected(written));
        assert_eq!(reader.manifest().totals.written, written);
        in_segments += reader.manifest().segments;
    }
    assert!(in_segments > 0, "no recorder lived long enough to end a segment");
}

/// Wherever the last frame is torn, the frames before it count, and the cut is reported.
#[test]
fn a_torn_frame_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    let journal = path.join("journal/segment-000000.journal");
    let mut writer = CaptureWriter::create(&path, Header::default(), WriterOptions::default()).unwrap();
    for n in 0..20 {
        writer.push(&event(n));
    }
    writer.flush().unwrap();
    let whole = std::fs::metadata(&journal).unwrap().len();
    for n in 20..25 {
        writer.push(&event(n));
    }
    writer.flush().unwrap();
    drop(writer);
    let content = std::fs::read(&journal).unwrap();
    for length in whole as usize..=content.len() {
        std::fs::write(&journal, &content[..length]).unwrap();
        let reader = CaptureReader::open(&path).unwrap();
        assert_eq!(reader.state(), State::Truncated);
        let count = if length == content.len() { 25 } else { 20 };
        assert_eq!(reader.manifest().totals.written, count);
        let cut = reader.cut().map(|cut| (cut.offset, cut.bytes));
        let torn = whole as usize != length && length != content.len();
        assert_eq!(cut, torn.then(|| (whole, length as u64 - whole)));
        if length % 97 == 0 {
            assert_eq!(read_all(&reader), expected(count));
        }
    }
}

/// A recorder may die between making Parquet of a segment and removing its journal.
#[test]
fn no_event_counts_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    let options = WriterOptions {
        segment_rows: 10,
        journal: JournalPolicy::Sync,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(&path, Header::default(), options).unwrap();
    for n in 0..9 {
        writer.push(&event(n));
    }
    writer.flush().unwrap();
    let journal = path.join("journal/segment-000000.journal");
    let kept = std::fs::read(&journal).unwrap();
    writer.push(&event(9));
    writer.flush().unwrap();
    writer.push(&event(10));
    writer.flush().unwrap();
    drop(writer);
    std::fs::write(&journal, kept).unwrap();
    let reader = CaptureReader::open(&path).unwrap();
    assert_eq!(read_all(&reader), expected(11));
    assert_eq!(reader.manifest().totals.written, 11);
    assert_eq!(reader.verify(&|_| ()).faults, []);
}

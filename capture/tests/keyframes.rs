//! Where a capture has keyframes is known without reading them, and stores begin with the last one before what is asked.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use capture::{CaptureReader, CaptureWriter, Header, WriterOptions};
use detectors_api::testkit::TestEvent;

const SECOND: u64 = 1_000_000_000;

/// A shell runs one command after the other: two segments and the beginning of a third.
fn write(path: &std::path::Path) -> CaptureWriter {
    let options = WriterOptions {
        segment_rows: 300,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(path, Header::default(), options).unwrap();
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
    }
    writer.flush().unwrap();
    writer
}

fn check(reader: &CaptureReader) {
    let seqs = reader.keyframe_seqs();
    assert!(seqs.len() >= 2, "{seqs:?}");
    assert_eq!(seqs, reader.keyframes().unwrap());
    for seq in [0, seqs[0] - 1, seqs[0], seqs[0] + 1, seqs[1], 699] {
        let expected = seqs.iter().rfind(|keyframe| **keyframe <= seq);
        let stores = reader.stores_with(seq, Vec::new()).unwrap();
        assert_eq!(
            stores.settled(),
            expected.copied().unwrap_or_default(),
            "for {seq}"
        );
    }
}

#[test]
fn they_are_known_of_open_and_closed_captures() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    let writer = write(&path);
    check(&CaptureReader::open(&path).unwrap());
    writer.finish().unwrap();
    check(&CaptureReader::open(&path).unwrap());
}

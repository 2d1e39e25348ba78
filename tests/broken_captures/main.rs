//! `replay` of captures that are not as they should be: what can be read is replayed, what cannot is named, and the exit code
//! tells.
//!
//! A capture that is broken is so in all its forms, and every output that tells of captures tells it.

mod told;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use assert_cmd::Command;
use capture::{CaptureWriter, Header, Loss, WriterOptions};
use detectors_api::event::RecordedEvent;
use fixtures::generator::Generator;

use told::told;

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

fn tracee_cap() -> Command {
    Command::cargo_bin("tracee-cap").expect("the binary is built with the tests")
}

fn replay(capture: &Path, arguments: &[&str]) -> Output {
    tracee_cap()
        .arg("replay")
        .arg(capture)
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
    for (threads, window, batch) in [
        ("1", "701", "100"),
        ("2", "1000000", "65536"),
        ("8", "701", "100"),
    ] {
        let way = ["--threads", threads, "--window", window, "--batch-size", batch];
        let found = replay(capture, &way);
        assert!(found.stdout == expected.stdout, "{way:?}: other output");
        assert_eq!(found.status.code(), Some(code), "{}", text(&found.stderr));
        assert_eq!(text(&found.stderr), text(&expected.stderr), "{way:?}");
    }
    expected
}

/// What is found in `events`, where all can be read.
fn found_in(events: &[(u64, RecordedEvent)]) -> String {
    found_in_range(events, &[])
}

/// The same in a range.
fn found_in_range(events: &[(u64, RecordedEvent)], range: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("readable.tcap");
    written(&path, events).finish().expect("finished");
    let output = replay(&path, range);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The capture in one file.
fn packed(capture: &Path) -> PathBuf {
    let pack = capture.with_extension("tcap.tar");
    let mut command = tracee_cap();
    let output = command.arg("pack").arg(capture).arg("-w").arg(&pack).output();
    let output = output.expect("it runs");
    // What has no end can be packed, too.
    assert!(
        matches!(output.status.code(), Some(0 | 5)),
        "{}",
        text(&output.stderr)
    );
    pack
}

/// Replays a capture and its pack, which must give the same and end with `code`. Gives one of them.
fn in_all_forms(capture: &Path, pack: &Path, code: i32) -> Output {
    let expected = in_all_ways(capture, code);
    let found = replay(pack, &["--threads", "2"]);
    assert_eq!(found.status.code(), Some(code), "{}", text(&found.stderr));
    assert_eq!(text(&found.stdout), text(&expected.stdout));
    let same_name = text(&found.stderr).replace(".tcap.tar", ".tcap");
    assert_eq!(same_name, text(&expected.stderr));
    expected
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
    let pack = packed(&path);
    let output = in_all_forms(&path, &pack, 0);
    assert_eq!(text(&output.stdout), found_in(&events));
    let lost = "lost: 17 events between 8999 and 9000: ring_full";
    for words in ["(17 lost)", lost] {
        assert!(
            text(&output.stderr).contains(words),
            "{words}: {}",
            text(&output.stderr)
        );
    }
    for capture in [&path, &pack] {
        let record = told(capture, "closed", 0, &[], &[&["lossy.tcap", lost]]);
        let loss = serde_json::json!([
            {"cause": "ring_full", "events": 17, "after_seq": 8999, "before_seq": 9000}
        ]);
        assert_eq!((&record["losses"], &record["lost"]), (&loss, &17.into()));
    }
    // They are missing from no part without them.
    let before = replay(&path, &["--to", "seq:8998"]);
    assert_eq!(before.status.code(), Some(0));
    assert!(
        !text(&before.stderr).contains("lost:"),
        "{}",
        text(&before.stderr)
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

    told(&path, "open", 5, &[], &[&["is still being recorded"]]);

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

/// Looks at something that detectors look for, again and again, for some seconds.
const ACTIONS: &str = "i=0; while [ $i -lt 40 ]; do cat /proc/sys/kernel/randomize_va_space >/dev/null; sleep 0.05; i=$((i + 1)); done";

#[test]
fn a_capture_that_another_process_records_is_replayed_meanwhile() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("live.tcap");
    let mut recorder = std::process::Command::new(tracee_cap().get_program())
        .args(["record", "--flush-interval", "50ms", "-w"])
        .arg(&path)
        .args(["--", "sh", "-c", ACTIONS])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut found = Vec::new();
    while recorder.try_wait().expect("it is ours").is_none() {
        let output = path.exists().then(|| replay(&path, &["--detectors", "TRC-109"]));
        // It may have ended in between, or not quite have begun.
        let open = output.filter(|output| output.status.code() == Some(5));
        found.extend(open.map(|output| text(&output.stdout)));
    }
    let recorded = recorder.wait_with_output().expect("it ended");
    if recorded.status.code() == Some(4) {
        // Not `eprintln`: the test harness would keep that to itself.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED, no live recording here: {}",
            text(&recorded.stderr)
        );
        return;
    }
    assert!(recorded.status.success(), "{}", text(&recorded.stderr));
    let whole = replay(&path, &["--detectors", "TRC-109"]);
    assert_eq!(whole.status.code(), Some(0), "{}", text(&whole.stderr));
    let whole = text(&whole.stdout);
    let is_part = |found: &&String| !found.is_empty() && found.len() < whole.len();
    assert!(
        found.iter().any(|found| is_part(&found)),
        "no replay found a part of {whole}"
    );
    for pair in found.windows(2) {
        assert!(pair[1].starts_with(&pair[0]), "what was found is found no more");
    }
    assert!(found.iter().all(|found| whole.starts_with(found)));
}

#[test]
fn a_truncated_capture_is_replayed_up_to_where_it_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("truncated.tcap");
    let events = events();
    drop(written(&path, &events[..8_000]));
    let pack = packed(&path);
    let output = in_all_forms(&path, &pack, 5);
    assert_eq!(text(&output.stdout), found_in(&events[..8_000]));
    assert!(
        text(&output.stderr).contains("its recorder died"),
        "{}",
        text(&output.stderr)
    );
    for capture in [&path, &pack] {
        told(
            capture,
            "truncated",
            5,
            &[],
            &[&["is truncated: its recorder died"]],
        );
    }
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

/// Damages a file of a capture, and the copy of it that is in the pack.
fn damage(file: &Path, pack: &Path, place: Damage) {
    let whole = fs::read(file).expect("the file is there");
    let length = whole.len();
    let mut bytes = whole.clone();
    match place {
        // After the magic number.
        Damage::Front => bytes[4..length.min(60)].fill(0xff),
        Damage::Footer => bytes[length - 60..length - 8].fill(0xff),
    }
    let mut packed = fs::read(pack).expect("the pack is there");
    let at = packed.windows(length).position(|part| part == whole);
    let at = at.expect("a pack has the files as they are");
    packed[at..at + length].copy_from_slice(&bytes);
    fs::write(pack, packed).expect("it is ours");
    fs::write(file, bytes).expect("it is ours");
}

/// The numbers that events of a type, or of all types, have in segment 1.
fn numbers(events: &[(u64, RecordedEvent)], name: Option<&str>) -> Vec<u64> {
    let wanted = |(seq, event): &&(u64, RecordedEvent)| {
        seq / SEGMENT == 1 && name.is_none_or(|name| event.event.name == name)
    };
    events.iter().filter(wanted).map(|(seq, _)| *seq).collect()
}

/// Everything up to the end of segment 1, and what comes after it.
const RANGES: [[&str; 2]; 2] = [["--to", "seq:5999"], ["--from", "seq:6000"]];

/// Damages the events of `name` in segment 1: replay must find what is in all others, and name the stretch.
fn events_cannot_be_read(name: &str, place: Damage) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("damaged.tcap");
    let events = events();
    written(&path, &events).finish().expect("finished");
    let pack = packed(&path);
    damage(&part(&path, &format!("events/name={name}")), &pack, place);

    let output = in_all_forms(&path, &pack, 3);
    let gone = numbers(&events, Some(name));
    let readable: Vec<_> = events
        .iter()
        .filter(|(seq, _)| !gone.contains(seq))
        .cloned()
        .collect();
    // Segment 2 begins with what stores made of all events before it, so that they miss nothing there.
    let [to, from] = RANGES;
    let expected = found_in_range(&readable, &to) + &found_in_range(&events, &from);
    assert_eq!(text(&output.stdout), expected);
    assert_ne!(
        expected,
        found_in(&events),
        "nothing is missing, so this shows nothing"
    );
    let (first, last) = (gone[0], gone[gone.len() - 1]);
    let stretch = format!(
        "{} events of type {name} between {first} and {last} could not be read: ",
        gone.len()
    );
    let said = text(&output.stderr);
    assert!(said.contains(&stretch), "{stretch}{said}");
    for capture in [&path, &pack] {
        let record = told(capture, "closed", 3, &[&[&stretch]], &[]);
        let gap = &record["unreadable"][0];
        assert_eq!(
            (
                &gap["event_type"],
                &gap["first_seq"],
                &gap["last_seq"],
                &gap["events"]
            ),
            (&name.into(), &first.into(), &last.into(), &gone.len().into())
        );
        let reason = gap["reason"].as_str().expect("text");
        assert!(reason.contains("part-000001.parquet"), "{reason}");
    }
    // So are parts without the stretch. To the second, detectors come with what they remember of it.
    let before = ["--to", "seq:2999"];
    let whole = replay(&path, &before);
    assert_eq!(whole.status.code(), Some(0), "{}", text(&whole.stderr));
    assert_eq!(text(&whole.stdout), found_in_range(&events, &before));
    let after = replay(&path, &from);
    let gap = text(&after.stderr).contains("could not be read");
    assert_eq!(after.status.code(), Some(if gap { 3 } else { 0 }));
    assert_eq!(text(&after.stdout), found_in_range(&events, &from));
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
    let pack = packed(&path);
    damage(&part(&path, "process"), &pack, Damage::Front);
    let output = in_all_forms(&path, &pack, 3);
    let said = text(&output.stderr);
    for words in [
        "events of type ptrace between ",
        "process/part-000001.parquet",
        "--provenance has all",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let [to, _] = RANGES;
    let output = replay(&path, &to);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let gone = numbers(&events, None);
    let readable: Vec<_> = events
        .iter()
        .filter(|(seq, _)| !gone.contains(seq))
        .cloned()
        .collect();
    assert_eq!(text(&output.stdout), found_in(&readable[..SEGMENT as usize]));
}

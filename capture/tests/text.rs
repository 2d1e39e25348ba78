//! A capture as a text: nothing is lost on the way there and back, and what is no such text is refused with its line.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampNanosecondArray, UInt64Array,
};
use capture::{
    CaptureReader, CaptureWriter, Entry, Error, Form, Header, Loss, State, Temporary, WriterOptions, text,
};
use detectors_api::arbitrary::recorded_event;
use detectors_api::event::RecordedEvent;
use detectors_stores::Input;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row;
use proptest::prelude::*;

fn options() -> WriterOptions {
    WriterOptions {
        segment_rows: 30,
        ..WriterOptions::default()
    }
}

fn header() -> Header {
    Header {
        capture_id: "0123456789abcdef0123456789abcdef".to_owned(),
        created: Some("2026-01-02T03:04:05Z".to_owned()),
        argv: vec!["record".to_owned(), "a\nb: \"c\"".to_owned()],
        sensor_plan: Some(serde_json::json!([{"event": "close", "status": "hooked"}])),
        ..Header::default()
    }
}

fn all(reader: &CaptureReader) -> Vec<Entry> {
    reader.entries().unwrap().collect::<Result<_, _>>().unwrap()
}

fn text_of(reader: &CaptureReader) -> String {
    let mut text = Vec::new();
    reader.write_text(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn read(text: &str) -> Result<CaptureReader, Error> {
    CaptureReader::open_text(text.as_bytes(), Temporary::new("x.tcap.txt").unwrap())
}

/// There and back: the same capture, and then the same text.
fn comes_back(reader: &CaptureReader) -> String {
    let text = text_of(reader);
    let again = read(&text).unwrap();
    assert_eq!(again.form(), Form::Text);
    assert_eq!(again.state(), reader.state());
    assert_eq!(again.manifest().header, reader.manifest().header);
    assert_eq!(again.manifest().totals, reader.manifest().totals);
    let (there, back) = (all(reader), all(&again));
    let differ = there.iter().zip(&back).find(|(there, back)| there != back);
    assert!(differ.is_none(), "{differ:#?}");
    assert_eq!(there.len(), back.len());
    assert_eq!(text_of(&again), text);
    text
}

fn task(seq: u64, pid: u32) -> Input {
    let task = TaskSnapshot {
        host_pid: pid,
        host_tid: pid,
        start_ns: 1_000_000_000,
        comm: "a \"b\"\n".to_owned(),
        ..TaskSnapshot::default()
    };
    Input {
        store: "process".to_owned(),
        seq,
        rows: TaskSnapshot::to_batch(&[task]),
    }
}

fn detections() -> RecordBatch {
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("a"), None]);
    list.append_null();
    let columns: [(&str, ArrayRef); 6] = [
        ("seq", Arc::new(UInt64Array::from(vec![1, u64::MAX]))),
        ("number", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
        ("is", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        (
            "event",
            Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\x00\xff"), Some(b"")])),
        ),
        ("names", Arc::new(list.finish())),
        (
            "time",
            Arc::new(TimestampNanosecondArray::from(vec![i64::MIN, i64::MAX]).with_timezone("UTC")),
        ),
    ];
    let mut rows = RecordBatch::try_from_iter(columns).unwrap();
    let more: ArrayRef = Arc::new(StringArray::from(vec!["\u{2028}", "\u{1f980}"]));
    let mut fields = rows.schema().fields().to_vec();
    fields.push(Arc::new(arrow::datatypes::Field::new(
        "word",
        more.data_type().clone(),
        false,
    )));
    let mut all = rows.columns().to_vec();
    all.push(more);
    rows = RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), all).unwrap();
    rows
}

fn loss(seq_from: u64, count: u64) -> Loss {
    Loss {
        seq_from,
        seq_to: seq_from + 1,
        time_from: Some(-1),
        time_to: None,
        cpu: Some(3),
        cause: "ring full".to_owned(),
        count,
    }
}

fn write(path: &Path, events: &[RecordedEvent]) -> CaptureWriter {
    let mut writer = CaptureWriter::create(path, header(), options()).unwrap();
    writer.add_input(task(0, 1)).unwrap();
    writer.add_input(task(0, 2)).unwrap();
    for (number, event) in events.iter().enumerate() {
        writer.push(event);
        if number % 10 == 9 {
            writer.flush().unwrap();
        }
    }
    writer.add_input(task(writer.next_seq(), 3)).unwrap();
    writer.record_loss(loss(1, 4));
    writer.record_loss(loss(0, 2));
    writer.write_detections(&detections());
    writer.flush().unwrap();
    writer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_a_capture_says_comes_back(events in prop::collection::vec(recorded_event(), 0..60)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.tcap");
        write(&path, &events).finish().unwrap();
        comes_back(&CaptureReader::open(&path).unwrap());
    }
}

fn events(count: u64) -> Vec<RecordedEvent> {
    (0..count).map(common::event).collect()
}

#[test]
fn parts_of_captures_come_back_with_what_was_before_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    let mut writer = CaptureWriter::create(&path, header(), options()).unwrap();
    writer.add_input(task(0, 1)).unwrap();
    for event in events(50) {
        writer.push(&event);
    }
    writer.add_input(task(40, 2)).unwrap();
    writer.finish().unwrap();
    let reader = CaptureReader::open(&path).unwrap();
    let part = directory.path().join("part.tcap");
    let mut writer = CaptureWriter::create(&part, header(), options()).unwrap();
    for entry in reader.entries_of(&reader.event_types(), 20..=45).unwrap() {
        writer.write_entry(entry.unwrap()).unwrap();
    }
    writer.finish().unwrap();
    let text = comes_back(&CaptureReader::open(&part).unwrap());
    let words: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("keyframe "))
        .collect();
    assert!(
        words.iter().any(|line| line.starts_with("keyframe process 20 {")),
        "{words:?}"
    );
}

#[test]
fn a_capture_without_an_end_comes_back_without_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    let writer = write(&path, &events(45));
    let open = CaptureReader::open(&path).unwrap();
    assert!(matches!(
        open.write_text(Vec::new()),
        Err(Error::BeingRecorded { .. })
    ));
    drop(writer);
    let reader = CaptureReader::open(&path).unwrap();
    assert_eq!(reader.state(), State::Truncated);
    let text = comes_back(&reader);
    assert!(text.contains("\nstate: \"truncated\"\n"));
}

#[test]
fn a_text_is_opened_as_captures_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    write(&path, &events(45)).finish().unwrap();
    let reader = CaptureReader::open(&path).unwrap();
    let file = directory.path().join("x.tcap.txt");
    reader.write_text_to(&file, false).unwrap();
    assert!(matches!(
        reader.write_text_to(&file, false),
        Err(Error::Exists { .. })
    ));
    reader.write_text_to(&file, true).unwrap();
    assert!(text::is_text(&file).unwrap() && !text::is_text(&path.join("manifest.json")).unwrap());
    let opened = CaptureReader::open(&file).unwrap();
    assert_eq!(opened.path(), file);
    assert_eq!(all(&opened), all(&reader));
    assert!(opened.verify(&|_| ()).faults.is_empty());
    // It can be copied in the other forms, and is then a capture of its own.
    let copy = directory.path().join("copy.tcap");
    opened.unpack(&copy, false, &|_| ()).unwrap();
    drop(opened);
    assert_eq!(all(&CaptureReader::open(&copy).unwrap()), all(&reader));
}

#[test]
fn a_text_reads_like_this() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tcap");
    let mut writer = CaptureWriter::create(&path, header(), options()).unwrap();
    writer.add_input(task(0, 1)).unwrap();
    writer.push(&common::event(2));
    writer.add_input(task(1, 2)).unwrap();
    writer.push(&common::event(4));
    writer.record_loss(loss(1, 4));
    writer.write_detections(&detections());
    writer.finish().unwrap();
    insta::assert_snapshot!(comes_back(&CaptureReader::open(&path).unwrap()));
}

/// What somebody may write by hand.
const BY_HAND: &str = r#"tracee_cap_capture: "1.2"
recording:
  host:
    architecture: "x86_64"
---
# Two events, numbered as they come, and one that is not.

event {"timestamp":"2026-01-02T03:04:05Z","id":3,"name":"close"}
event {"timestamp":"2026-01-02T03:04:06Z","id":3,"name":"close"}
event 17 {"timestamp":"2026-01-02T03:04:07Z","id":3,"name":"close"}
columns input custom: store text, operation text, source text?, key text?, data text?, resolution text?
end
"#;

#[test]
fn texts_can_be_written_by_hand() {
    let reader = read(BY_HAND).unwrap();
    let seqs: Vec<_> = reader.events().unwrap().map(|event| event.unwrap().0).collect();
    assert_eq!(seqs, [0, 1, 17]);
    assert_eq!(reader.state(), State::Closed);
    assert_eq!(reader.manifest().header.host.architecture, "x86_64");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let with = |line: &str| {
        BY_HAND.replacen(
            "# Two events, numbered as they come, and one that is not.",
            line,
            1,
        )
    };
    for (text, expected) in [
        (String::new(), "line 1: the text breaks off here"),
        ("hello\n".to_owned(), "line 1: a capture as a text begins with"),
        (BY_HAND.replace("\"1.2\"", "\"2.0\""), "has capture format 2.0"),
        (
            BY_HAND.replace("---\n", ""),
            "line 12: the text breaks off here: the head has no",
        ),
        (
            BY_HAND.replace("\nend\n", "\n"),
            "line 12: the text breaks off here",
        ),
        (format!("{BY_HAND}end\n"), "line 13: something follows"),
        (
            BY_HAND.replace("architecture: ", "architecture "),
            "line 4: this is no",
        ),
        (
            BY_HAND.replace("\"x86_64\"", "7"),
            "line 3: `host` of `recording`",
        ),
        (
            BY_HAND.replace(
                "---\n",
                "totals: {\"received\":4,\"written\":3,\"lost\":1}\n---\n",
            ),
            "line 1: the totals",
        ),
        (with("colour {}"), "line 6: a line begins with"),
        (with("event 9 {}"), "line 6: not a Tracee event"),
        (with("event -1 {}"), "line 6: `-1` is no sequence number"),
        (
            with(
                "event 20 {\"timestamp\":\"2026-01-02T03:04:05Z\",\"id\":3,\"name\":\"close\"}\nevent 20 {\"timestamp\":\"2026-01-02T03:04:05Z\",\"id\":3,\"name\":\"close\"}",
            ),
            "line 7: event 20 was pushed after",
        ),
        (
            with("input process 0 {}"),
            "line 6: there is no line `columns input process: …`",
        ),
        (
            with("input nothing 0 {}"),
            "line 6: this version knows no table stores/nothing",
        ),
        (with("input ../.. 0 {}"), "line 6: `../..` cannot name a store"),
        (with("columns loss: seq u64"), "line 6: columns are those of"),
        (
            with("columns input custom: seq u65"),
            "line 6: `seq u65` is no column",
        ),
        (with("loss {\"cause\":\"x\"}"), "line 6: Json error"),
        (with("loss {}{}"), "line 6: trailing characters"),
        (
            with(&format!("loss {{\"cause\":{}", "[".repeat(1_000_000))),
            "line 6: recursion limit exceeded",
        ),
        (
            with(
                "loss {\"seq_from\":0,\"seq_to\":0,\"cause\":\"\",\"count\":1}\nloss {\"seq_from\":0,\"seq_to\":0,\"cause\":3,\"count\":1}",
            ),
            "line 7: Json error",
        ),
        (
            with(
                "columns keyframe stores: x u64\nevent {\"timestamp\":\"2026-01-02T03:04:05Z\",\"id\":3,\"name\":\"close\"}\nkeyframe stores 0 {\"x\":1}",
            ),
            "line 8: a keyframe comes before",
        ),
        (
            with("columns input process: x u64\ninput process 0 {\"x\":1}"),
            "line 7: the stores of",
        ),
    ] {
        let error = read(&text).expect_err(expected).explain();
        assert!(error.contains(expected), "{error}\n{expected}");
        assert!(error.starts_with("x.tcap.txt"), "{error}");
    }
}

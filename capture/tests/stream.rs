//! What another program streams is recorded as it would be imported.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::thread;

use capture::live::{
    Delivery, Ended, NoObserver, Observer, Recording, Stream, StreamConfig, Summary, ndjson, record_stream,
};
use capture::{
    CaptureReader, CaptureWriter, Content, Header, Import, ImportedInput, Input, InputFormat, Loss, Record,
    Source, State, Unreadable, WriterOptions,
};
use common::{event, read_all};
use detectors_api::event::RecordedEvent;
use detectors_api::json::{Flavour, write_line};

const LOG: &[u8] = b"{\"level\":\"info\",\"ts\":1.5,\"msg\":\"is ready\"}\n";

fn line(event: &RecordedEvent) -> Vec<u8> {
    let mut line = Vec::new();
    write_line(event, Flavour::Extended, &mut line);
    line
}

fn config(directory: &Path) -> StreamConfig {
    StreamConfig::new(Recording::new(directory.join("stream.tcap")))
}

/// Records what `write` writes into a pipe.
fn pipe(
    config: &StreamConfig,
    observer: &mut dyn Observer,
    write: impl FnOnce(&mut dyn Write) + Send + 'static,
) -> Summary {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let writer = thread::spawn(move || write(&mut writer));
    let stream = ndjson("-", reader.into()).unwrap();
    let summary = record_stream(config, stream, &mut |_| true, observer, &mut || false).unwrap();
    writer.join().unwrap();
    summary
}

/// Records `deliveries`, and then how the stream ends.
fn deliver(config: &StreamConfig, deliveries: Vec<Delivery>, end: Result<(), String>) -> Summary {
    let stream = Stream::start(ImportedInput::default(), move |outlet| {
        deliveries.into_iter().for_each(|delivery| outlet.put(delivery));
        end
    });
    record_stream(
        config,
        stream.unwrap(),
        &mut |_| true,
        &mut NoObserver,
        &mut || false,
    )
    .unwrap()
}

fn delivery(events: impl IntoIterator<Item = RecordedEvent>, lost: Option<u64>) -> Delivery {
    let record = |event| Record {
        line: None,
        content: Content::Event(Box::new(event)),
    };
    Delivery {
        records: events.into_iter().map(record).collect(),
        bytes: 1,
        lost,
    }
}

fn input(summary: &Summary) -> &ImportedInput {
    match &summary.manifest.header.source {
        Source::Import { inputs } => &inputs[0],
        Source::Live => panic!("not from a stream"),
    }
}

#[derive(Default)]
struct Faults(Vec<(Option<u64>, String)>);

impl Observer for Faults {
    fn unreadable(&mut self, record: &Unreadable) {
        self.0.push((record.line, record.reason.clone()));
    }
}

#[test]
fn a_pipe_gives_what_an_import_of_the_same_bytes_gives() {
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    for n in 0..5000 {
        bytes.extend(line(&event(n)));
        match n % 1000 {
            17 => bytes.extend(LOG),
            23 => bytes.extend(b"  \n"),
            500 => bytes.extend(b"nonsense\n"),
            _ => {}
        }
    }
    // The last line has no end, and is not whole.
    bytes.extend(b"{\"half\":");

    let file = directory.path().join("events.ndjson");
    fs::write(&file, &bytes).unwrap();
    let path = directory.path().join("import.tcap");
    let mut writer = CaptureWriter::create(&path, Header::default(), WriterOptions::default()).unwrap();
    let mut faults = Vec::new();
    let imported = Import::open(&Input::File(file), InputFormat::Auto)
        .unwrap()
        .run(
            &mut writer,
            &mut |record| faults.push((record.line, record.reason)),
            &|_| (),
        )
        .unwrap();
    let manifest = writer.finish().unwrap();

    // In pieces that are no lines.
    let mut told = Faults::default();
    let config = config(directory.path());
    let summary = pipe(&config, &mut told, move |writer| {
        for piece in bytes.chunks(1001) {
            writer.write_all(piece).unwrap();
        }
    });
    assert_eq!(summary.ended, Ended::Stream);
    assert_eq!(told.0, faults);
    assert_eq!(
        input(&summary),
        &ImportedInput {
            name: "-".to_owned(),
            ..imported
        }
    );
    assert_eq!(summary.manifest.totals, manifest.totals);
    assert_eq!(summary.manifest.events, manifest.events);
    let reader = CaptureReader::open(&config.recording.path).unwrap();
    assert_eq!(reader.state(), State::Closed);
    assert_eq!(read_all(&reader), read_all(&CaptureReader::open(&path).unwrap()));
    assert_eq!(reader.verify(&|_| ()).faults, []);
}

#[test]
fn a_request_to_stop_still_takes_what_is_in_the_pipe() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let (reader, mut writer) = std::io::pipe().unwrap();
    for n in 0..50 {
        writer.write_all(&line(&event(n))).unwrap();
    }
    writer.write_all(b"{\"the beginning of\"").unwrap();
    let stream = ndjson("-", reader.into()).unwrap();
    let summary = record_stream(&config, stream, &mut |_| true, &mut NoObserver, &mut || true).unwrap();
    assert_eq!(summary.ended, Ended::Requested);
    assert_eq!((summary.progress.written, summary.manifest.unreadable()), (50, 0));
    drop(writer);
}

#[test]
fn events_keep_their_order_and_late_ones_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    // A second is 1,000,000 of these; number 9 and the like have no time.
    let numbers = [2_000_000, 1_000_000, 999_999, 0, 999_998, 3_000_000];
    let events: Vec<_> = numbers.into_iter().map(event).collect();
    let config = config(directory.path());
    let summary = deliver(&config, vec![delivery(events.clone(), None)], Ok(()));
    assert_eq!(summary.progress.late, 2);
    assert!(
        summary.warnings[0].starts_with("2 events came more than a second after later ones"),
        "{:?}",
        summary.warnings
    );
    let read = read_all(&CaptureReader::open(&config.recording.path).unwrap());
    assert_eq!(read, (0..).zip(events).collect::<Vec<_>>());
}

#[test]
fn what_the_program_has_lost_is_placed_by_when_it_was_asked() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let events = |numbers: std::ops::Range<u64>| numbers.map(event);
    let deliveries = vec![
        delivery(events(0..10), Some(0)),
        delivery(events(10..20), Some(0)),
        delivery(events(20..30), Some(7)),
        delivery(events(30..35), None),
        delivery(events(35..40), Some(0)),
        delivery(events(40..50), Some(3)),
    ];
    let summary = deliver(&config, deliveries, Ok(()));
    assert_eq!((summary.progress.written, summary.progress.lost), (50, 10));
    let reader = CaptureReader::open(&config.recording.path).unwrap();
    let loss = |seq_from, seq_to, count| Loss {
        seq_from,
        seq_to,
        time_from: None,
        time_to: None,
        cpu: None,
        cause: "upstream".to_owned(),
        count,
    };
    assert_eq!(reader.losses().unwrap(), [loss(19, 40, 7), loss(39, 50, 3)]);
}

#[test]
fn what_came_before_a_stream_broke_off_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let deliveries = vec![delivery((0..10).map(event), None)];
    let summary = deliver(&config, deliveries, Err("somebody pulled the plug".to_owned()));
    assert_eq!(
        summary.ended,
        Ended::Broken("somebody pulled the plug".to_owned())
    );
    let reader = CaptureReader::open(&config.recording.path).unwrap();
    assert_eq!((reader.state(), read_all(&reader).len()), (State::Closed, 10));
}

#[test]
fn events_that_are_wanted_are_kept_with_those_that_always_are() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let mut execution = event(4);
    execution.event.name = "sched_process_exec".to_owned();
    let events: Vec<_> = (0..10).map(event).chain([execution]).collect();
    let stream = Stream::start(ImportedInput::default(), move |outlet| {
        outlet.put(delivery(events, None));
        Ok(())
    });
    let mut wanted = |name: &str| name == "close";
    let summary = record_stream(
        &config,
        stream.unwrap(),
        &mut wanted,
        &mut NoObserver,
        &mut || false,
    )
    .unwrap();
    let input = input(&summary);
    assert_eq!((input.events, input.left_out), (11, 8));
    let kept: Vec<_> = summary.manifest.events.into_iter().collect();
    assert_eq!(
        kept,
        [("close".to_owned(), 2), ("sched_process_exec".to_owned(), 1)]
    );
}

//! Detectors that remember find the same wherever a replay starts, however it is cut, and while the capture is being recorded.

use std::path::Path;
use std::sync::Once;

use capture::{CaptureReader, CaptureWriter, Header, WriterOptions};
use detectors_api::prelude::*;
use detectors_engine::{Counts, Detection, Engine, EngineBuilder};
use fixtures::generator::Generator;

/// A process opened files again: every third one, with what it opened before and what the process store says.
struct OpensAgain;

impl StatefulDetector for OpensAgain {
    type State = Vec<String>;
    const REACH: Reach = Reach::PerProcess;

    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("S-1", "opens_again")
            .field("paths", FieldType::StringArray)
            .on(EventRequirement::new("security_file_open").data("pathname!=/"))
            .on(EventRequirement::new("sched_process_exit"))
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, paths: &mut Vec<String>, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        paths.extend(event.get("pathname").map(str::to_owned));
        if paths.len() < 3 {
            return Ok(Outputs::none());
        }
        let id = event.process().entity_id().unwrap_or_default();
        let exe = cx.processes().get_process(id).map_or("?", |process| process.exe);
        let output = Output::new()
            .with("paths", std::mem::take(paths))
            .with("exe", exe);
        Ok(output.into())
    }
}

/// What [`Busy`] says when it panics.
const PANIC: &str = "very much out of luck";

/// Counts what happens in a container; fails and panics now and then.
struct Busy;

impl StatefulDetector for Busy {
    type State = u64;
    const REACH: Reach = Reach::PerContainer;

    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("S-2", "busy")
            .field("count", FieldType::UInt64)
            .on(EventRequirement::new("sched_process_exec"))
            .on(EventRequirement::new("security_socket_connect"))
    }

    fn on_event(&self, count: &mut u64, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        *count += 1;
        match event.seq() % 101 {
            0 => return Err("out of luck".into()),
            1 => std::panic::panic_any(PANIC),
            2 => cx.warn("luck is running out"),
            _ => {}
        }
        Ok(count
            .is_multiple_of(5)
            .then(|| Output::new().with("count", *count))
            .into())
    }
}

/// Passes on what [`Busy`] finds, without remembering anything.
struct Relay;

impl EventDetector for Relay {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("S-3", "relayed")
            .field("count", FieldType::UInt64)
            .on(EventRequirement::new("busy").data("count>5"))
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(event
            .get::<u64>("count")
            .map(|count| Output::new().with("count", count))
            .into())
    }
}

/// Numbers what the others find.
struct Numbered;

impl StatefulDetector for Numbered {
    type State = u64;
    const REACH: Reach = Reach::Global;

    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("A-4", "numbered")
            .on(EventRequirement::new("opens_again"))
            .on(EventRequirement::new("relayed"))
            .auto_populate(AutoPopulate::DETECTED_FROM)
    }

    fn on_event(&self, number: &mut u64, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        *number += 1;
        Ok(Output::new().with("number", *number).into())
    }
}

/// Does not remember, and nobody needs it: it does not run before the range.
struct Exits;

impl EventDetector for Exits {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("S-5", "exits").on(EventRequirement::new("sched_process_exit"))
    }

    fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Output::new().into())
    }
}

fn engine() -> Engine {
    let built = EngineBuilder::new()
        .detector(Stateful(OpensAgain))
        .detector(Stateful(Busy))
        .detector(Relay)
        .detector(Stateful(Numbered))
        .detector(Exits)
        .build();
    assert_eq!(built.refusals, []);
    built.engine
}

/// Writes a capture, and detects while it is written.
fn recorded(
    path: &Path,
    retention_ns: Option<u64>,
    flush: usize,
) -> (CaptureReader, Vec<Detection>, Vec<Counts>) {
    let header = Header {
        stores_retention_ns: retention_ns,
        ..Header::default()
    };
    let options = WriterOptions {
        segment_rows: 1_500,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(path, header, options).expect("a new capture");
    let mut engine = engine();
    let mut found = Vec::new();
    for (count, event) in (1..).zip(Generator::new(11).take(9_000)) {
        writer.push(&event);
        if count % flush == 0 {
            let batches = writer.flush().expect("flushed");
            found.extend(engine.process(&batches, writer.stores()));
        }
    }
    let batches = writer.flush().expect("flushed");
    found.extend(engine.process(&batches, writer.stores()));
    writer.finish().expect("finished");
    let counts = engine.stats().map(|stats| stats.counts).collect();
    (CaptureReader::open(path).expect("own capture"), found, counts)
}

fn replay(reader: &CaptureReader, threads: usize, options: &replay::Options) -> (Vec<Detection>, Engine) {
    let engine = engine();
    let options = replay::Options {
        threads,
        ..options.clone()
    };
    let mut found = Vec::new();
    let take = |detections| {
        found.extend::<Vec<_>>(detections);
        Ok(())
    };
    let outcome = replay::Replay::plan(reader, engine, Vec::new(), options)
        .and_then(|replay| replay.run(take, |_| {}))
        .expect("the capture is whole");
    assert_eq!(outcome.gaps, []);
    (found, outcome.engine)
}

fn counts(engine: &Engine) -> Vec<Counts> {
    engine.stats().map(|stats| stats.counts).collect()
}

/// Compares a live run, a full replay and replays that start in the middle. Gives the detections.
fn is_the_same(retention_ns: Option<u64>) -> Vec<Detection> {
    only_show_panics_of_the_test();
    let directory = tempfile::tempdir().expect("a directory");
    let (reader, live, live_counts) = recorded(&directory.path().join("x.tcap"), retention_ns, 700);
    let (_, live_again, _) = recorded(&directory.path().join("y.tcap"), retention_ns, 39);
    assert_eq!(live, live_again, "the flushes do not matter");
    for id in ["S-1", "S-2", "S-3", "A-4", "S-5"] {
        let found = live.iter().filter(|detection| &*detection.detector_id == id);
        assert!(
            found.count() > 5,
            "{id} found next to nothing, so this shows nothing about it"
        );
    }
    let last = reader.manifest().seq.expect("events").last;
    let latest = *reader
        .keyframes()
        .expect("whole")
        .last()
        .expect("there are keyframes");
    for (from, to, threads, window, batch_size) in [
        (0, u64::MAX, 1, 1_000_000, 65_536),
        (0, u64::MAX, 8, 499, 33),
        (1, 900, 2, 499, 64),
        (last / 2, u64::MAX, 8, 1_200, 7),
        (last / 2, u64::MAX, 1, 1_000_000, 65_536),
        (latest, last - 10, 2, 1_000_000, 128),
        (last, last, 2, 50_000, 65_536),
    ] {
        let options = replay::Options {
            seq: from..=to,
            window,
            batch_size,
            ..replay::Options::default()
        };
        let (found, engine) = replay(&reader, threads, &options);
        let expected = live
            .iter()
            .filter(|detection| options.seq.contains(&detection.seq));
        let cause = format!("from {from} to {to} on {threads} threads");
        assert!(found.iter().eq(expected), "{cause}");
        if (from, to) == (0, u64::MAX) {
            assert_eq!(counts(&engine), live_counts, "{cause}");
        }
        for stats in engine.stats() {
            let warmed = stats.warm_up > 0;
            assert!(
                !warmed || from > 0 && stats.detector != "S-5",
                "{} {cause}",
                stats.detector
            );
            assert!(
                warmed || from < 2 || stats.detector == "S-5",
                "{} {cause}",
                stats.detector
            );
            assert_eq!(stats.counts.outputs, of(&found, &stats.detector), "{cause}");
        }
    }
    live
}

/// Those of the detector are on purpose.
fn only_show_panics_of_the_test() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let show = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload_as_str() != Some(PANIC) {
                show(panic);
            }
        }));
    });
}

fn of(found: &[Detection], id: &str) -> u64 {
    found
        .iter()
        .filter(|detection| &*detection.detector_id == id)
        .count() as u64
}

#[test]
fn what_is_remembered_is_remembered_from_anywhere() {
    is_the_same(None);
}

#[test]
fn what_is_forgotten_is_forgotten_from_anywhere() {
    let found = is_the_same(Some(300_000));
    let directory = tempfile::tempdir().expect("a directory");
    let (_, remembered, _) = recorded(&directory.path().join("x.tcap"), None, 700);
    for id in ["S-1", "S-2"] {
        assert_ne!(
            of(&found, id),
            of(&remembered, id),
            "{id} forgot nothing, so this shows nothing"
        );
    }
}

//! Writing recordings down, with detection on the way, and replaying them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;

use capture::{CaptureReader, CaptureWriter, Header, Loss, WriterOptions};
use detectors_api::detector::Detector;
use detectors_api::stores::Store;
use detectors_engine::{Engine, EngineBuilder};
use detectors_stores::{Input, Settings, custom};
use replay::Gap;

use crate::interpreter::{Found, Recording};
use crate::recordings::{Drawn, Shape};

/// How a replay goes about it.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) threads: usize,
    pub(crate) window: u64,
    pub(crate) batch_size: usize,
    pub(crate) range: RangeInclusive<u64>,
}

impl Default for Way {
    /// All of it, as the command does.
    fn default() -> Self {
        let replay::Options {
            seq,
            batch_size,
            window,
            ..
        } = replay::Options::default();
        Self {
            threads: 2,
            window,
            batch_size,
            range: seq,
        }
    }
}

const ARCHITECTURE: &str = "x86_64";

/// An engine of those of `detectors` that are in order.
pub(crate) fn engine(detectors: Vec<Box<dyn Detector>>) -> Engine {
    EngineBuilder::new()
        .detectors(detectors)
        .enrichments(["environment"])
        .stores(Store::ALL)
        .architecture(ARCHITECTURE)
        .build()
        .engine
}

/// The ids of the detectors that an engine runs.
pub(crate) fn running(engine: &Engine) -> BTreeSet<String> {
    engine
        .definitions()
        .map(|definition| definition.id.clone())
        .collect()
}

fn settings(shape: &Shape) -> Settings {
    Settings {
        retention_ns: shape.retention_ns,
        architecture: ARCHITECTURE.to_owned(),
        dns: true,
    }
}

fn header(shape: &Shape) -> Header {
    let mut header = Header {
        sensor_plan: Some(serde_json::json!([{"event": "net_packet_dns", "status": "hooked"}])),
        stores_retention_ns: shape.retention_ns,
        enrichments: vec!["environment".to_owned()],
        ..Header::default()
    };
    header.host.architecture = ARCHITECTURE.to_owned();
    header
}

/// What a store is told before event `seq`.
fn told(seq: u64) -> Input {
    let severity = seq % 10 + 1;
    let file = format!(
        r#"{{"store": "ip_reputation", "entries": [
            {{"source": "feed", "key": "203.0.113.7", "data": {{"status": "deny", "severity": {severity}}}}}]}}"#
    );
    let file = custom::parse(&file, Path::new("a test")).expect("it is written as it should be");
    file.to_input(seq)
}

/// What a recording tells stores beside its events.
fn inputs(drawn: &Drawn) -> Vec<Input> {
    let told_at = drawn.shape.told.iter().filter(|_| !drawn.events.is_empty());
    let mut places: Vec<_> = told_at.map(|index| index.index(drawn.events.len())).collect();
    places.sort_unstable();
    places
        .into_iter()
        .map(|place| told(drawn.events[place].0))
        .collect()
}

/// The recording, as the interpreter wants it.
pub(crate) fn plain(drawn: &Drawn) -> Recording<'_> {
    Recording {
        events: &drawn.events,
        settings: settings(&drawn.shape),
        inputs: inputs(drawn),
        unread: BTreeSet::new(),
        keyframes: Vec::new(),
    }
}

/// Writes a recording to `path` while `engine` looks on. Gives what it found.
pub(crate) fn record(path: &Path, drawn: &Drawn, mut engine: Engine) -> Found {
    let Drawn { events, shape } = drawn;
    let options = WriterOptions {
        segment_rows: shape.segment_rows,
        row_group_rows: shape.row_group_rows,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(path, header(shape), options).expect("a new capture");
    let mut detections = Vec::new();
    let mut flush = |writer: &mut CaptureWriter| {
        let batches = writer.flush().expect("the disk takes it");
        detections.extend(engine.process(&batches, writer.stores()));
    };
    let losses: BTreeSet<usize> = shape
        .losses
        .iter()
        .filter(|_| !events.is_empty())
        .map(|index| index.index(events.len()))
        .collect();
    let mut inputs = inputs(drawn).into_iter().peekable();
    for (place, (seq, event)) in events.iter().enumerate() {
        while let Some(input) = inputs.next_if(|input| input.seq <= *seq) {
            writer.add_input(input).expect("in time");
        }
        if losses.contains(&place) {
            writer.record_loss(Loss {
                seq_from: seq.saturating_sub(1),
                seq_to: *seq,
                time_from: None,
                time_to: None,
                cpu: None,
                cause: "ring_full".to_owned(),
                count: 3,
            });
        }
        writer.push_at(*seq, event).expect("in order");
        if (place + 1) % shape.flush == 0 {
            flush(&mut writer);
        }
    }
    flush(&mut writer);
    if !shape.died {
        writer.finish().expect("the disk takes it");
    }
    Found {
        detections,
        counts: counts(&engine),
    }
}

fn counts(engine: &Engine) -> std::collections::BTreeMap<String, detectors_engine::Counts> {
    engine
        .stats()
        .map(|stats| (stats.detector.clone(), stats.counts))
        .collect()
}

/// Replays a capture. What could not be read comes second.
pub(crate) fn replay(reader: &CaptureReader, engine: Engine, way: &Way) -> (Found, Vec<Gap>) {
    let options = replay::Options {
        seq: way.range.clone(),
        threads: way.threads,
        batch_size: way.batch_size,
        window: way.window,
        ..replay::Options::default()
    };
    let mut detections = Vec::new();
    let take = |found: Vec<_>| {
        detections.extend(found);
        Ok(())
    };
    let outcome = replay::Replay::plan(reader, engine, Vec::new(), options)
        .expect("what stores begin with is whole")
        .run(take, |_| {})
        .expect("nothing but the capture can fail");
    let found = Found {
        detections,
        counts: counts(&outcome.engine),
    };
    (found, outcome.gaps)
}

//! How fast detectors run over a capture, and how small captures are.
//!
//! `cargo bench -p replay --bench replay -- [EVENTS]` makes a capture of that many events (5,000,000 by default) with
//! `fixtures::generator`, and prints sizes against NDJSON and its zstd, and replay rates on 1 and on 2 threads, interleaved.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::io::Write;
use std::time::{Duration, Instant};

use capture::{CaptureReader, CaptureWriter, Header, JournalPolicy, WriterOptions};
use detectors_api::event::RecordedEvent;
use detectors_api::json::{Flavour, write_line};
use detectors_api::stores::Store;
use detectors_engine::EngineBuilder;
use fixtures::generator::Generator;
use replay::Options;

const RUNS: usize = 5;
/// NDJSON is measured on this many events: all of them would take long and tell no more.
const SAMPLE: usize = 200_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(5_000_000_usize);
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("bench.tcap");

    let started = Instant::now();
    let mut making = Duration::ZERO;
    let options = WriterOptions {
        journal: JournalPolicy::Off,
        ..WriterOptions::default()
    };
    let header = Header {
        enrichments: vec!["environment".to_owned()],
        ..Header::default()
    };
    let mut writer = CaptureWriter::create(&path, header, options)?;
    let mut generator = Generator::new(1);
    let mut chunk: Vec<RecordedEvent> = Vec::new();
    for first in (0..events).step_by(20_000) {
        let asked = Instant::now();
        chunk.clear();
        chunk.extend(generator.by_ref().take(20_000.min(events - first)));
        making += asked.elapsed();
        for event in &chunk {
            writer.push(event);
        }
        writer.flush()?;
    }
    let manifest = writer.finish()?;
    let writing = started.elapsed().saturating_sub(making);

    let mut lines = Vec::new();
    for event in Generator::new(1).take(SAMPLE.min(events)) {
        write_line(&event, Flavour::V1beta1, &mut lines);
    }
    let mut packed = zstd::Encoder::new(Vec::new(), 1)?;
    packed.write_all(&lines)?;
    let packed = packed.finish()?;
    let per_event = |bytes: usize, events: usize| bytes as f64 / events as f64;
    println!("events                      {events}");
    println!(
        "capture                     {:.1} bytes/event",
        per_event(manifest.bytes() as usize, events)
    );
    println!(
        "NDJSON                      {:.1} bytes/event",
        per_event(lines.len(), SAMPLE.min(events))
    );
    println!(
        "NDJSON, zstd 1              {:.1} bytes/event",
        per_event(packed.len(), SAMPLE.min(events))
    );
    println!(
        "writing (1 thread)          {:.0} events/s",
        rate(events, writing)
    );

    let reader = CaptureReader::open(&path)?;
    let mut times = [Vec::new(), Vec::new()];
    let mut found = Vec::new();
    for _ in 0..RUNS {
        for (threads, times) in (1..).zip(&mut times) {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            let started = Instant::now();
            found.push(pool.install(|| detections(&reader))?);
            times.push(started.elapsed());
        }
    }
    assert!(
        found.windows(2).all(|pair| pair[0] == pair[1]),
        "runs differ: {found:?}"
    );
    println!("detections                  {} (all runs equal)", found[0].0);
    for (threads, times) in (1..).zip(&mut times) {
        times.sort();
        println!(
            "replay on {threads} thread(s)       {:.0} events/s (median of {RUNS}; {:.0} to {:.0})",
            rate(events, times[RUNS / 2]),
            rate(events, times[RUNS - 1]),
            rate(events, times[0]),
        );
    }
    println!(
        "peak memory                 {} MiB",
        peak_memory_mib().unwrap_or_default()
    );
    Ok(())
}

/// Number of detections and digest of them as NDJSON.
fn detections(reader: &CaptureReader) -> Result<(u64, String), replay::Error> {
    let registered = EngineBuilder::new()
        .detectors(detectors_builtin::detectors())
        .enrichments(["environment"])
        .stores(Store::ALL)
        .build();
    assert!(registered.refusals.is_empty(), "{:?}", registered.refusals);
    let mut writer = replay::Writer::new(replay::Format::Ndjson, std::io::sink());
    replay::run(
        reader,
        registered.engine,
        reader.stores(0)?,
        &Options::default(),
        |detections| {
            for detection in detections {
                writer.write(detection.event)?;
            }
            Ok(())
        },
        |_| {},
    )?;
    let written = writer.finish()?;
    Ok((written.detections, written.digest))
}

fn rate(events: usize, time: Duration) -> f64 {
    events as f64 / time.as_secs_f64()
}

fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

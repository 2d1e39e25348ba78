//! How long a row takes from the file to a filter.
//!
//! `cargo bench -p replay --bench decode -- [EVENTS]` makes a capture of that many events (1,000,000 by default) with
//! `fixtures::generator` and decodes the columns that filters of `security_file_open` look at, then those that detectors look at
//! for one event in a hundred. One thread; the fastest of several runs.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::time::{Duration, Instant};

use capture::{CaptureReader, CaptureWriter, Header, JournalPolicy, Scan, WriterOptions};
use detectors_api::event::EventBatch;
use fixtures::generator::Generator;

const TYPE: &str = "security_file_open";
const FILTERED: [&str; 3] = ["ctx", "pathname", "flags"];
const RUNS: usize = 15;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(1_000_000_usize);
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("bench.tcap");
    let options = WriterOptions {
        journal: JournalPolicy::Off,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(&path, Header::default(), options)?;
    for (count, event) in Generator::new(1).take(events).enumerate() {
        writer.push(&event);
        if count % 20_000 == 0 {
            writer.flush()?;
        }
    }
    writer.finish()?;

    let reader = CaptureReader::open(&path)?;
    let scan = || reader.scan(TYPE);
    println!("row groups                  {}", scan().tasks()?.len());
    println!(
        "filtered columns, at once   {:.1} ns/row",
        fastest(|| scan().columns(FILTERED))?
    );
    println!(
        "the same, others on demand  {:.1} ns/row",
        fastest(|| Ok(scan().columns(FILTERED)?.others_on_demand()))?
    );
    println!(
        "all columns, at once        {:.1} ns/row",
        fastest(|| Ok(scan()))?
    );
    for event_type in ["magic_write", "sched_process_exec", "security_socket_connect"] {
        let scan = || Ok(reader.scan(event_type));
        println!("all of {event_type:24} {:.1} ns/row", fastest(scan)?);
    }
    println!(
        "and every 100th event whole {:.1} ns/row",
        fastest_of(
            || Ok(scan().columns(FILTERED)?.others_on_demand()),
            |batch| {
                let rows: Vec<u32> = (0..batch.len() as u32).step_by(100).collect();
                for event in batch.take(&rows).events() {
                    std::hint::black_box(event.to_recorded());
                }
            }
        )?
    );
    Ok(())
}

fn fastest(scan: impl Fn() -> Result<Scan, capture::Error>) -> Result<f64, capture::Error> {
    fastest_of(scan, |_| {})
}

/// ns for a row of `scan`, with what `look` does to its batches.
fn fastest_of(
    scan: impl Fn() -> Result<Scan, capture::Error>,
    look: impl Fn(&EventBatch),
) -> Result<f64, capture::Error> {
    let mut best = Duration::MAX;
    let mut rows = 0;
    for _ in 0..RUNS {
        let tasks = scan()?.tasks()?;
        let started = Instant::now();
        rows = 0;
        for task in &tasks {
            for batch in task.batches()? {
                let batch = batch?;
                look(&batch);
                rows += batch.len();
            }
        }
        best = best.min(started.elapsed());
    }
    Ok(best.as_nanos() as f64 / rows.max(1) as f64)
}

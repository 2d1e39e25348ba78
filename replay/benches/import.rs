//! How fast events are imported, next to `jq` on the same file in the same run.
//!
//! `cargo bench -p replay --bench import -- [EVENTS]` writes that many events (100,000 by default) of `fixtures::generator` as v1beta1
//! NDJSON, and lets jq count the lines of one event type and tracee-cap make a capture of all of them, turn by turn.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use capture::{CaptureWriter, Header, Import, Input, InputFormat, JournalPolicy, WriterOptions};
use detectors_api::json::{Flavour, write_line};
use fixtures::generator::Generator;

const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(100_000_usize);
    let directory = tempfile::tempdir()?;
    let lines = directory.path().join("events.ndjson");
    let mut file = BufWriter::new(File::create(&lines)?);
    let mut line = Vec::new();
    for event in Generator::new(1).take(events) {
        line.clear();
        write_line(&event, Flavour::V1beta1, &mut line);
        file.write_all(&line)?;
    }
    file.flush()?;
    drop(file);
    let bytes = lines.metadata()?.len();

    let capture = directory.path().join("imported.tcap");
    let (mut jq, mut one, mut two) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        jq.push(timed(|| run_jq(&lines))?);
        one.push(timed(|| import(&lines, &capture, 1, events))?);
        two.push(timed(|| import(&lines, &capture, 2, events))?);
    }
    println!(
        "events                      {events}, {:.1} MB of NDJSON",
        bytes as f64 / 1e6
    );
    let jq = median(&mut jq);
    for (what, time) in [
        ("jq", jq),
        ("import, 1 thread", median(&mut one)),
        ("import, 2 threads", median(&mut two)),
    ] {
        println!(
            "{what:<27} {:.0} events/s (median of {RUNS}), {:.1} times jq",
            events as f64 / time.as_secs_f64(),
            jq.as_secs_f64() / time.as_secs_f64()
        );
    }
    Ok(())
}

fn timed(
    work: impl FnOnce() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The least that jq can do with every line: read it, and look at one member.
fn run_jq(lines: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let status = Command::new("jq")
        .args(["-c", "select(.name == \"ptrace\") | .name"])
        .arg(lines)
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("jq: {error} (apt-get install jq)"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("jq: {status}").into())
    }
}

fn import(
    lines: &Path,
    capture: &Path,
    threads: usize,
    events: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let options = WriterOptions {
        journal: JournalPolicy::Off,
        overwrite: true,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(capture, Header::default(), options)?;
    let input = Import::open(&Input::File(lines.to_owned()), InputFormat::Auto)?;
    let read = pool.install(|| input.run(&mut writer, &mut |line| panic!("{line:?}"), &|_| {}))?;
    let manifest = writer.finish()?;
    if (read.events, manifest.totals.written) == (events as u64, events as u64) {
        Ok(())
    } else {
        Err(format!("{} of {events} events arrived", manifest.totals.written).into())
    }
}

//! How fast detectors run over a capture, next to what else could run them.
//!
//! ```text
//! cargo bench -p replay --bench replay -- [--events N] [--sample N] [--lines N] [--runs N] [--data DIRECTORY] [--scap FILE]
//! cargo bench -p replay --bench replay -- --instructions N [--data DIRECTORY]
//! ```
//!
//! What is measured, over events of `fixtures::generator`, a run after the other in rounds, each in a process of its own:
//!
//! * all built-in detectors over a capture of `--events` (5,000,000), on one thread and on two; with stores that keep what has ended
//!   for 10 s, and for ever. Every run must give the same bytes;
//! * detectors with the same filters that do nothing with what they get: that much of it is finding the events;
//! * all built-in detectors and one selective one in YAML, whose cost is told in % of the run without it;
//! * one detector for a rare type of event, the built-in one for it, which asks for ancestors, and one filter on the path of
//!   opened files;
//! * the built-in detectors over the first `--sample` (1,000,000) events, and over the same events as a stream of protobuf messages
//!   (`stream.rs`), which must find the same; and the decoding of that stream alone;
//! * the one filter by jq, DuckDB and sysdig, over `--lines` (200,000) events as NDJSON, where these are installed. sysdig needs a
//!   capture of its own format, `--scap`.
//!
//! `--instructions` counts the instructions of a replay of N events instead (`instructions.rs`).
//!
//! Captures are made when they are needed and kept in `target/bench-data` (`--data`); remove it when the writer of captures has changed.
//! Everything is printed as Markdown. Rates are of all events of a capture, whatever types detectors ask for.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures"
)]

mod figures;
mod instructions;
mod peers;
mod recording;
mod run;
mod sets;
mod stream;

use std::path::{Path, PathBuf};

use capture::CaptureReader;
use figures::{HEADER, Series, Spread, grouped, row};
use peers::{Answer, DuckDb};
use recording::Recording;
use run::{Job, in_child};
use sets::Set;

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever goes wrong ends the benchmark.
type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Settings {
    events: usize,
    sample: usize,
    lines: usize,
    runs: usize,
    data: PathBuf,
    scap: Option<PathBuf>,
    instructions: Option<usize>,
}

impl Settings {
    fn of(arguments: &[String]) -> Result<Self, Failure> {
        let mut settings = Self {
            events: 5_000_000,
            sample: 1_000_000,
            lines: 200_000,
            runs: 5,
            data: Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench-data"),
            scap: None,
            instructions: None,
        };
        let mut arguments = arguments.iter().filter(|argument| *argument != "--bench");
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--events" => settings.events = value.parse()?,
                "--sample" => settings.sample = value.parse()?,
                "--lines" => settings.lines = value.parse()?,
                "--runs" => settings.runs = value.parse()?,
                "--data" => settings.data = value.into(),
                "--instructions" => settings.instructions = Some(value.parse()?),
                "--scap" => settings.scap = Some(value.into()),
                _ => return Err(format!("there is no option {name}").into()),
            }
        }
        settings.sample = settings.sample.min(settings.events);
        settings.lines = settings.lines.min(settings.sample);
        Ok(settings)
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == run::CHILD) {
        println!("{}", serde_json::to_string(&run::child(&arguments[at + 1..])?)?);
        return Ok(());
    }
    let settings = Settings::of(&arguments)?;
    if let Some(events) = settings.instructions {
        return instructions::count(&settings.data, events);
    }
    println!("Load before: {}", load());
    replays(&settings)?;
    baseline(&settings)?;
    one_filter(&settings)?;
    println!("Load after: {}", load());
    Ok(())
}

/// The load of the machine, which tells how far to trust the figures.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.trim().to_owned()
}

/// Runs all jobs in turn, so that what else the machine does meets all alike.
fn rounds<const N: usize>(
    runs: usize,
    jobs: [(Job, &Path, usize); N],
    events: usize,
) -> Result<[Series; N], Failure> {
    let mut series = [(); N].map(|()| Series {
        events,
        runs: Vec::new(),
    });
    for round in 1..=runs {
        eprintln!("round {round} of {runs}");
        for ((job, input, threads), series) in jobs.iter().zip(&mut series) {
            series.runs.push(in_child(*job, input, *threads)?);
        }
    }
    Ok(series)
}

/// How many times the work of one process two do at once: the most that two threads can gain on this machine at this time.
fn two_at_once(runs: usize, job: Job, input: &Path) -> Result<f64, Failure> {
    let mut ratios = Vec::with_capacity(runs);
    for _ in 0..runs {
        let alone = in_child(job, input, 1)?.seconds;
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(|| in_child(job, input, 1));
            (in_child(job, input, 1), other.join())
        });
        let other = other.map_err(|_| "the thread that waits for a run has panicked")??;
        ratios.push(2.0 * alone / one?.seconds.max(other.seconds));
    }
    Ok(Spread::of(ratios).map_or(f64::NAN, |spread| spread.median))
}

fn replays(settings: &Settings) -> Result<(), Failure> {
    let recording = Recording::new(&settings.data, settings.events);
    eprintln!("making captures of {} events", settings.events);
    let (capture, written) = recording.capture(true)?;
    let (for_ever, _) = recording.capture(false)?;
    let events = settings.events as f64;
    println!("\n## Replay of {} events\n", grouped(events));
    let bytes = CaptureReader::open(&capture)?.manifest().bytes();
    println!(
        "Capture: {:.1} bytes/event, {:.1} without retention.",
        bytes as f64 / events,
        CaptureReader::open(&for_ever)?.manifest().bytes() as f64 / events
    );
    match written {
        Some(time) => println!(
            "Writing it, generator on another thread: {} events/s.",
            grouped(events / time.as_secs_f64())
        ),
        None => println!("It was there."),
    }
    let all = Job::Replay(Set::BuiltIn);
    let [
        one,
        two,
        one_ever,
        two_ever,
        filters,
        selective,
        rare,
        rare_ancestry,
        filter,
    ] = rounds(
        settings.runs,
        [
            (all, &capture, 1),
            (all, &capture, 2),
            (all, &for_ever, 1),
            (all, &for_ever, 2),
            (Job::Replay(Set::Filters), &capture, 1),
            (Job::Replay(Set::Selective), &capture, 1),
            (Job::Replay(Set::Rare), &capture, 1),
            (Job::Replay(Set::RareAncestry), &capture, 1),
            (Job::Replay(Set::Filter), &capture, 1),
        ],
        settings.events,
    )?;
    assert_eq!(one.findings(), two.findings(), "one thread and two differ");
    assert_eq!(
        one_ever.findings(),
        two_ever.findings(),
        "one thread and two differ"
    );
    println!("\n{HEADER}");
    println!("{}", row("33 built-in detectors, 1 thread", &one));
    println!("{}", row("33 built-in detectors, 2 threads", &two));
    println!("{}", row("stores keep all for ever, 1 thread", &one_ever));
    println!("{}", row("stores keep all for ever, 2 threads", &two_ever));
    println!("{}", row("their filters alone, 1 thread", &filters));
    println!(
        "{}",
        row("33 built-in and a selective one in YAML, 1 thread", &selective)
    );
    println!("{}", row("one detector for a rare type, 1 thread", &rare));
    println!(
        "{}",
        row(
            "the built-in one for that type, with ancestors, 1 thread",
            &rare_ancestry
        )
    );
    println!("{}", row("one filter on opened paths, 1 thread", &filter));
    println!();
    println!("Two threads are {} times as fast as one.", ratio(&two, &one));
    println!(
        "Two processes at once, of one thread each, do {:.2} times the work of one.",
        two_at_once(settings.runs, all, &capture)?
    );
    println!(
        "Finding the events is {:.0} % of the time of one thread.",
        100.0 * ratio_of(&one, &filters)
    );
    println!(
        "The selective detector costs {:.1} %.",
        100.0 * (1.0 / ratio_of(&selective, &one) - 1.0)
    );
    if let Some(seconds) = Spread::of(rare.runs.iter().map(|run| run.seconds)) {
        println!(
            "The detector for a rare type takes {:.1} ms for the whole capture.",
            seconds.median * 1000.0
        );
    }
    if let Some((_, digest)) = one.findings() {
        println!("Digest of the detections: {digest}");
    }
    Ok(())
}

fn baseline(settings: &Settings) -> Result<(), Failure> {
    let recording = Recording::new(&settings.data, settings.sample);
    eprintln!("making a capture and a stream of {} events", settings.sample);
    let (capture, _) = recording.capture(true)?;
    let stream = recording.stream()?;
    let all = Job::Replay(Set::BuiltIn);
    let [ours, ours_2, stream_1, stream_2, decoding] = rounds(
        settings.runs,
        [
            (all, &capture, 1),
            (all, &capture, 2),
            (Job::Stream, &stream, 1),
            (Job::Stream, &stream, 2),
            (Job::Decode, &stream, 1),
        ],
        settings.sample,
    )?;
    for other in [&ours_2, &stream_1, &stream_2] {
        assert_eq!(
            ours.findings(),
            other.findings(),
            "replay and the protobuf stream differ"
        );
    }
    let events = settings.sample as f64;
    println!("\n## Next to a protobuf stream, {} events\n", grouped(events));
    println!(
        "Stream, zstd 1: {:.1} bytes/event.",
        stream.metadata()?.len() as f64 / events
    );
    println!("\n{HEADER}");
    println!("{}", row("replay, 1 thread", &ours));
    println!("{}", row("replay, 2 threads", &ours_2));
    println!("{}", row("protobuf stream, 1 thread", &stream_1));
    println!("{}", row("protobuf stream, 2 threads (one decodes)", &stream_2));
    println!("{}", row("decoding the stream alone, 1 thread", &decoding));
    println!();
    println!(
        "Replay is {} times as fast as the stream on one thread, {} times on two, {} times as fast as decoding alone; the detections are the same.",
        ratio(&ours, &stream_1),
        ratio(&ours_2, &stream_2),
        ratio(&ours, &decoding),
    );
    Ok(())
}

fn one_filter(settings: &Settings) -> Result<(), Failure> {
    let recording = Recording::new(&settings.data, settings.lines);
    let lines = recording.lines()?;
    let (capture, _) = recording.capture(true)?;
    let large = Recording::new(&settings.data, settings.events);
    let (large_capture, _) = large.capture(true)?;
    let (runs, events) = (settings.runs, settings.lines);
    println!("\n## One filter\n");
    println!("`security_file_open` with `pathname={}*`.\n", sets::PREFIX);
    println!("| what | events | events/s, median | slowest to fastest | answer |");
    println!("|---|---|---|---|---|");
    let filter = Job::Replay(Set::Filter);
    let [small, small_2] = rounds(runs, [(filter, &capture, 1), (filter, &capture, 2)], events)?;
    let [whole, whole_2] = rounds(
        runs,
        [(filter, &large_capture, 1), (filter, &large_capture, 2)],
        large.events,
    )?;
    let mut counts = Vec::new();
    for (what, series) in [
        ("replay, 1 thread", &small),
        ("replay, 2 threads", &small_2),
        ("replay, 1 thread", &whole),
        ("replay, 2 threads", &whole_2),
    ] {
        let answer = Answer {
            count: series.findings().map_or(0, |(detections, _)| detections),
            seconds: series.runs.iter().map(|run| run.seconds).collect(),
        };
        counts.push((what, series.events, answer));
    }
    let mut skipped = Vec::new();
    let mut add = |what: &'static str, events: usize, answer: Result<Answer, Failure>| match answer {
        Ok(answer) => counts.push((what, events, answer)),
        Err(error) => skipped.push(format!("Not measured: {what}: {error}.")),
    };
    add("jq, NDJSON", events, peers::jq(&lines, runs));
    match DuckDb::install(&settings.data) {
        Ok(duckdb) => {
            eprintln!("DuckDB {}", duckdb.version()?);
            add("DuckDB, NDJSON, 1 thread", events, duckdb.lines(&lines, 1, runs));
            add("DuckDB, NDJSON, 2 threads", events, duckdb.lines(&lines, 2, runs));
            add(
                "DuckDB, our Parquet, 1 thread",
                large.events,
                duckdb.parquet(&large_capture, 1, runs),
            );
            add(
                "DuckDB, our Parquet, 2 threads",
                large.events,
                duckdb.parquet(&large_capture, 2, runs),
            );
        }
        Err(error) => skipped.push(format!("Not measured: DuckDB: {error}.")),
    }
    for (what, events, answer) in &counts {
        let same = counts.iter().filter(|(_, other, _)| other == events);
        assert!(
            same.clone().all(|(_, _, other)| other.count == answer.count),
            "{what} answers otherwise: {:?}",
            same.map(|(what, _, other)| (what, other.count))
                .collect::<Vec<_>>()
        );
        println!("{}", answer_row(what, *events, answer));
    }
    match settings.scap.as_ref().map(|scap| peers::sysdig(scap, runs)) {
        Some(Ok((events, answer))) => println!(
            "{}",
            answer_row("sysdig, other events and paths", events, &answer)
        ),
        Some(Err(error)) => skipped.push(format!("Not measured: {error}.")),
        None => skipped.push(
            "Not measured: sysdig: it reads captures of its own format only; give one with --scap."
                .to_owned(),
        ),
    }
    println!();
    for line in skipped {
        println!("{line}");
    }
    Ok(())
}

fn answer_row(what: &str, events: usize, answer: &Answer) -> String {
    let rate = Spread::of(answer.seconds.iter().map(|seconds| events as f64 / seconds));
    let (median, spread) = rate.map_or_else(Default::default, |rate| {
        (
            grouped(rate.median),
            format!("{} to {}", grouped(rate.min), grouped(rate.max)),
        )
    });
    let (events, count) = (grouped(events as f64), grouped(answer.count as f64));
    format!("| {what} | {events} | {median} | {spread} | {count} |")
}

/// How many times as fast `one` is as `other`, by medians.
fn ratio_of(one: &Series, other: &Series) -> f64 {
    match (one.rate(), other.rate()) {
        (Some(one), Some(other)) => one.median / other.median,
        _ => f64::NAN,
    }
}

fn ratio(one: &Series, other: &Series) -> String {
    format!("{:.2}", ratio_of(one, other))
}

//! `tracee-cap replay`.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use anyhow::Context;
use capture::CaptureReader;
use detectors_api::proto::Severity;
use replay::{Format, Options, Provenance, Signatures, Writer};

use crate::detectors::{self, Adjustments, Chosen, Form, Offer};
use crate::exit::{Exit, Failure};
use crate::moment::{self, Moment};
use crate::output::{Destination, terminal_width, write_json};
use crate::stores::{self, StoreFiles};
use crate::{opened, progress};

/// Run detectors over a capture
///
/// Detections come out in the order of the events they were found in. The output is the same for any number of threads and any
/// batch size, and the same as what `record --detectors` printed while the capture was made.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  tracee-cap replay incident.tcap
  tracee-cap replay incident.tcap --detectors TRC-105,ld_preload -o ndjson | jq .workload.process
  tracee-cap replay incident.tcap --detectors 'builtin,./rules' --disable 'TRC-10?'
  tracee-cap replay incident.tcap --in ./rules --detectors 'severity>=high'
  tracee-cap replay incident.tcap --from 2026-05-01T12:00 --to +10m
  tracee-cap replay incident.tcap --fail-on high --provenance run.json -w detections.ndjson")]
pub(crate) struct Args {
    /// The capture
    capture: PathBuf,
    /// Which detectors run; may be repeated
    #[arg(long, value_name = "WORDS", default_value = "all", value_delimiter = ',', long_help = detectors_help())]
    detectors: Vec<String>,
    #[command(flatten)]
    adjustments: Adjustments,
    /// Form of the output; a table on a terminal and NDJSON otherwise, unless told
    #[arg(short, long, value_name = "FORM")]
    output: Option<OutputForm>,
    #[command(flatten)]
    destination: Destination,
    #[command(flatten)]
    stores: StoreFiles,
    /// Look at events from this moment on. Stores know what happened before
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true, long_help = from_help())]
    from: Option<Moment>,
    /// Look at events up to this moment
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    to: Option<Moment>,
    /// End with exit code 1 if something at least this bad was found
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Threshold>,
    /// Write a record of the run: digests of the capture and of the output, and what each detector did
    #[arg(long, value_name = "FILE")]
    provenance: Option<PathBuf>,
    /// Show on stderr what each detector did
    #[arg(long)]
    stats: bool,
    /// Number of threads; all CPUs, unless told
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The most events that are decoded at a time; changes speed and memory, never the result
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum OutputForm {
    /// For people
    Table,
    /// One detection a line
    Ndjson,
    /// One array
    Json,
    /// One finding a line, as Tracee's signatures had them: Data, Context and SigMetadata
    Findings,
}

impl OutputForm {
    /// The form of a list of anything but detections.
    fn list(self) -> Form {
        match self {
            Self::Table => Form::Table,
            Self::Ndjson | Self::Findings => Form::Ndjson,
            Self::Json => Form::Json,
        }
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Threshold {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Threshold {
    fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
        }
    }
}

fn detectors_help() -> String {
    format!(
        "Which detectors run: words separated by commas; may be repeated. Detectors that these need run too, and are named on \
         stderr; what those find is not shown.\n{}",
        detectors::WORDS
    )
}

fn from_help() -> String {
    format!(
        "Look at events from this moment on; stores know what happened before. A moment is {}",
        moment::HELP
    )
}

/// The sequence numbers of the events to look at.
fn range(args: &Args, reader: &CaptureReader) -> Result<RangeInclusive<u64>, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from.is_after(to, reader)
    {
        return Err(Failure::usage(
            "--from is after --to: there is nothing between them",
        ));
    }
    let from = args.from.map_or(Ok(0), |moment| moment.first(reader))?;
    let to = args.to.map_or(Ok(Some(u64::MAX)), |moment| moment.last(reader))?;
    // Empty, if nothing happened until then.
    Ok(to.map_or(RangeInclusive::new(1, 0), |to| from..=to))
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let reader = opened::open(&args.capture)?;
    let seq = range(args, &reader)?;
    let brought = args.stores.load()?;
    let mut stores = reader
        .stores_with(*seq.start(), brought.clone())
        .map_err(opened::failure)?;
    let output = args.output.unwrap_or(if args.destination.is_terminal() {
        OutputForm::Table
    } else {
        OutputForm::Ndjson
    });
    let header = &reader.manifest().header;
    let offer = Offer {
        enrichments: &header.enrichments,
        stores: stores::names(&stores),
        recorder: stores::recorder(&stores),
        architecture: &header.host.architecture,
    };
    let Chosen {
        mut engine,
        refusals,
        helpers,
    } = detectors::engine(&args.detectors, &args.adjustments, offer)?;
    if args.adjustments.list_refused {
        return detectors::list_refused(&refusals, output.list(), &args.destination);
    }
    let unmet = engine.unmet(&detectors::recorded_events(&reader));
    if let Some(line) = detectors::about_unmet(&unmet) {
        tracing::warn!("{line}");
    }
    let threads = args.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .with_context(|| format!("cannot start {threads} threads"))
        .map_err(Failure::environment)?;

    let format = match output {
        OutputForm::Ndjson => Format::Ndjson,
        OutputForm::Json => Format::Json,
        OutputForm::Findings => Format::Findings(Signatures::new(engine.definitions())),
        OutputForm::Table => Format::Table {
            width: terminal_width(),
        },
    };
    let mut writer = Writer::new(format, args.destination.open()?);
    let mut failed = false;
    let options = Options {
        seq,
        batch_size: args.batch_size as usize,
        hidden: helpers,
        ..Options::default()
    };
    let wanted = replay::stores_for(&reader, &engine, &options);
    if stores.settled() > wanted {
        stores = reader.stores_with(wanted, brought).map_err(opened::failure)?;
    }
    let bar = progress::bar(reader.manifest().seq.map(|seq| seq.last), "replay");
    let engine = pool
        .install(|| {
            let reader = reader.clone();
            replay::run(
                &reader,
                engine,
                stores,
                &options,
                |detections| {
                    for detection in detections {
                        let threat = detection.event.threat.as_ref();
                        failed |= threat.is_some_and(|threat| {
                            args.fail_on
                                .is_some_and(|worst| threat.severity >= worst.severity() as i32)
                        });
                        writer.write(detection.event)?;
                    }
                    Ok(())
                },
                |seq| bar.set_position(seq),
            )
        })
        .map_err(|error| match error {
            replay::Error::Output(error) => Failure::from(error),
            replay::Error::Capture(error) => opened::failure(error),
            error => Failure::bad_input(error),
        })?;
    bar.finish_and_clear();
    let written = writer.finish()?;
    let provenance = Provenance::new(std::env::args().collect(), &reader, &options, &engine, &written);
    summarise(&provenance, args.stats);
    if let Some(path) = &args.provenance {
        write_json(path, args.destination.force, &provenance)?;
    }
    let exit = opened::end(&reader);
    Ok(if failed { Exit::Findings } else { exit })
}

#[expect(clippy::print_stderr, reason = "the summary of the run is for people")]
fn summarise(run: &Provenance, stats: bool) {
    let whole = run.from_seq == 0 && run.to_seq.saturating_add(1) >= run.events;
    let events = if whole {
        format!("{} events", run.events)
    } else if run.from_seq > run.to_seq {
        format!("none of {} events", run.events)
    } else {
        format!("events {} to {} of {}", run.from_seq, run.to_seq, run.events)
    };
    eprintln!(
        "{} found by {} detectors in {events} ({} lost); capture {}, {}",
        run.detections,
        run.detectors.len(),
        run.lost,
        run.capture_state,
        &run.capture_digest.get(..16).unwrap_or(&run.capture_digest),
    );
    if stats {
        eprint!("{}", replay::stats_table(run));
    } else {
        eprint!("{}", replay::troubles(run));
    }
}

//! `tracee-cap record`.

mod selection;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use capture::live::{self, Ended, Enricher, LiveError, Observer, Progress, RecordBatch, Started, Summary};
use capture::{JournalPolicy, WriterOptions};
use clap::ValueEnum;
use detectors_api::event::EventBatch;
use detectors_stores::Stores;
use ebpf::{EventReport, Status};
use indicatif::ProgressBar;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use replay::{Format, LiveDetection, Writer};

use crate::detectors::{self, Adjustments, Chosen, Form, Offer};
use crate::enrichment::EnrichmentArgs;
use crate::exit::{Exit, Failure};
use crate::output::{Destination, terminal_width};
use crate::stores::{self, StoreFiles};
use selection::Selection;

/// Record this machine, or one command, into a capture.
///
/// What eBPF programs see of processes, files and sockets goes into a capture that replay, sql and analyze read. The capture can be
/// read while it is being recorded, and what has been acknowledged survives a crash.
///
/// Process creation, execution and exit are always recorded, and so are control groups that are made, removed and entered: the
/// process tree and the containers are made of them. Container runtimes are asked for names and images of containers. What this kernel lets
/// the recorder see, and what not, is shown by `tracee-cap doctor` and kept in the capture.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  tracee-cap record -w incident.tcap                       until Ctrl-C
  tracee-cap record -w minute.tcap --duration 1m
  tracee-cap record -w exploit.tcap -- ./exploit.sh        a command and its descendants
  tracee-cap record -w opens.tcap --events security_file_open --max-size 1GiB
  tracee-cap record -w net.tcap --events @net,-net_packet_ipv4
  tracee-cap record -w found.tcap --detectors builtin      what these detectors need, and what they find

The exit code is tracee-cap's own; how the command ended is said on stderr.")]
pub(crate) struct Args {
    /// Where to make the capture.
    #[arg(short, long = "write", value_name = "FILE.tcap")]
    write: PathBuf,

    /// Replace a capture that is there already.
    #[arg(long)]
    force: bool,

    /// Stop after this time: `10s`, `5m`, `1h30m`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,

    /// Stop when the capture has about this size: `500MiB`, `2GiB`.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_size: Option<u64>,

    #[command(flatten)]
    selection: Selection,

    /// Record the environment of executed programs. It often holds secrets.
    #[arg(long)]
    env: bool,

    /// Run detectors while recording; what they find is printed and kept in the capture. Words separated by commas, as `replay
    /// --help` tells them; may be repeated.
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    detectors: Vec<String>,

    #[command(flatten)]
    adjustments: Adjustments,

    /// Form in which detections are printed; a table on a terminal and NDJSON otherwise, unless told.
    #[arg(short, long, value_name = "FORM", requires = "detectors")]
    output: Option<DetectionForm>,

    /// Size of the buffer between the kernel and the recorder: what does not fit into it is lost, and counted.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = bytes)]
    ring_size: u64,

    /// How long an event may wait in that buffer.
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = duration)]
    latency: Duration,

    /// How often events are acknowledged: written so that they survive the death of the recorder.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    flush_interval: Duration,

    /// Acknowledge only what the disk has, so that it survives the death of the machine, too.
    #[arg(long)]
    fsync: bool,

    /// Let stores forget what ended this long ago (exited processes, removed containers, expired DNS answers): bounds the
    /// memory of a long recording. Replay follows the same rule. Nothing is forgotten unless told.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    stores_retention: Option<Duration>,

    #[command(flatten)]
    enrichment: EnrichmentArgs,

    #[command(flatten)]
    stores: StoreFiles,

    /// Leave out the kernel's symbols, about 1 MB a capture: addresses then have no names.
    #[arg(long)]
    no_symbols: bool,

    /// How progress is shown on stderr.
    #[arg(long, value_enum, default_value_t = ProgressForm::Auto)]
    progress: ProgressForm,

    /// A command to record with its descendants; its end ends the recording.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// How detections are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DetectionForm {
    /// For people: a table whenever something was found.
    Table,
    /// One detection a line, the same lines that replay prints.
    Ndjson,
}

impl DetectionForm {
    /// The form of a list of anything but detections.
    fn list(self) -> Form {
        match self {
            Self::Table => Form::Table,
            Self::Ndjson => Form::Ndjson,
        }
    }
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProgressForm {
    /// A line that changes, on a terminal; nothing otherwise.
    Auto,
    /// A JSON object a line, for every time that events are acknowledged.
    Ndjson,
    /// Nothing.
    None,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "give a number and a unit, such as 500ms, 10s, 5m or 1h30m".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "a time cannot be negative".to_owned())
}

fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.len()
        - text
            .trim_start_matches(|character: char| character.is_ascii_digit())
            .len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        _ => return Err(format!("unknown unit `{unit}`: use KiB, MiB, GiB or TiB")),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "give a size such as 64MiB".to_owned())
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut config = config(args)?;
    let signals = stop_signals()?;
    let mut stop = || matches!(signals.read_signal(), Ok(Some(_)));
    let mut enricher = args.enrichment.enricher()?;
    let mut chosen = chosen(args, &config, enricher.is_some())?;
    let selected = args
        .selection
        .resolve(chosen.as_mut().map(|chosen| &mut chosen.engine))?;
    config.sensor.events = selected.events;
    config.sensor.required = selected.required;
    let form = args.output.unwrap_or(if io::stdout().is_terminal() {
        DetectionForm::Table
    } else {
        DetectionForm::Ndjson
    });
    if let Some(chosen) = &chosen
        && args.adjustments.list_refused
    {
        return detectors::list_refused(&chosen.refusals, form.list(), &Destination::default());
    }
    let mut watch = Watch::new(args.progress, chosen.map(|chosen| detection(chosen, form)));
    let enricher = enricher.as_mut().map(|enricher| enricher as &mut dyn Enricher);
    let result = live::record(&config, enricher, &mut watch, &mut stop);
    watch.bar.finish_and_clear();
    let summary = result.map_err(failure)?;
    if let Some(detection) = watch.detection {
        detection.finish()?;
    }
    say(&describe(&config, &summary))?;
    Ok(Exit::Ok)
}

fn config(args: &Args) -> Result<live::Config, Failure> {
    let ring_bytes = u32::try_from(args.ring_size)
        .ok()
        .filter(|size| *size <= 1 << 30)
        .ok_or_else(|| Failure::usage("--ring-size is at most 1GiB"))?;
    let mut config = live::Config::new(&args.write);
    config.sensor.ring_bytes = ring_bytes;
    config.sensor.latency = args.latency;
    config.sensor.environment = args.env;
    config.window = args.latency;
    config.writer = WriterOptions {
        journal: if args.fsync {
            JournalPolicy::Sync
        } else {
            JournalPolicy::NoSync
        },
        overwrite: args.force,
        ..WriterOptions::default()
    };
    config.command.clone_from(&args.command);
    config.flush_interval = args.flush_interval;
    config.duration = args.duration;
    config.max_bytes = args.max_size;
    config.stores_retention = args.stores_retention;
    config.inputs = args.stores.load()?;
    config.symbols = !args.no_symbols;
    config.argv = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    Ok(config)
}

/// The detectors that run over what is recorded.
fn chosen(args: &Args, config: &live::Config, enriched: bool) -> Result<Option<Chosen>, Failure> {
    if args.detectors.is_empty() {
        return if args.adjustments.are_none() {
            Ok(None)
        } else {
            Err(Failure::usage(
                "no detectors run without --detectors: there is nothing to adjust",
            ))
        };
    }
    let recorded = [("environment", args.env), (live::CONTAINER_ENRICHMENT, enriched)];
    let enrichments: Vec<_> = recorded
        .into_iter()
        .filter(|(_, recorded)| *recorded)
        .map(|(name, _)| name.to_owned())
        .collect();
    let mut known = Stores::new();
    for input in &config.inputs {
        known.add_input(input.clone()).map_err(Failure::bad_input)?;
    }
    let mut available = stores::names(&known);
    available.extend(config.stores().into_iter().map(String::from));
    let offer = Offer {
        enrichments: &enrichments,
        stores: available,
        recorder: String::new(),
        architecture: std::env::consts::ARCH,
    };
    detectors::engine(&args.detectors, &args.adjustments, offer).map(Some)
}

/// The observer that runs detectors over what is recorded.
fn detection(chosen: Chosen, form: DetectionForm) -> LiveDetection<io::Stdout> {
    let format = match form {
        DetectionForm::Ndjson => Format::Ndjson,
        DetectionForm::Table => Format::Table {
            width: terminal_width(),
        },
    };
    LiveDetection::new(chosen.engine, Writer::new(format, io::stdout())).hiding(chosen.helpers)
}

/// Ctrl-C, and what `kill` and a closing terminal send, end the recording in order.
fn stop_signals() -> Result<SignalFd, Failure> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals
        .thread_block()
        .and_then(|()| SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC))
        .context("cannot wait for signals")
        .map_err(Failure::environment)
}

fn failure(error: LiveError) -> Failure {
    let exit = match &error {
        LiveError::Sensor(ebpf::Error::UnknownEvent(_))
        | LiveError::Command { .. }
        | LiveError::Capture(capture::Error::Exists { .. }) => Exit::Usage,
        LiveError::Capture(error) if error.is_bad_input() => Exit::BadInput,
        _ => Exit::Environment,
    };
    Failure::new(exit, error)
}

/// Shows how far the recording is, and lets detectors see it.
struct Watch {
    form: ProgressForm,
    bar: ProgressBar,
    detection: Option<LiveDetection<io::Stdout>>,
}

impl Watch {
    fn new(form: ProgressForm, detection: Option<LiveDetection<io::Stdout>>) -> Self {
        Self {
            form,
            bar: match form {
                ProgressForm::Auto => crate::progress::bar(None, "recording"),
                ProgressForm::Ndjson | ProgressForm::None => ProgressBar::hidden(),
            },
            detection,
        }
    }
}

impl Observer for Watch {
    fn started(&mut self, started: &Started<'_>) {
        for report in started.reports {
            if let Some(line) = restriction(report) {
                self.bar.suspend(|| tracing::info!("{line}"));
            }
        }
    }

    fn flushed(
        &mut self,
        batches: &[EventBatch],
        stores: &Stores,
    ) -> Result<Vec<RecordBatch>, Box<dyn std::error::Error + Send + Sync>> {
        match &mut self.detection {
            Some(detection) => self.bar.suspend(|| detection.flushed(batches, stores)),
            None => Ok(Vec::new()),
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if self.form == ProgressForm::Ndjson {
            let line = serde_json::json!({
                "acknowledged_seq": progress.acknowledged_seq,
                "received": progress.received,
                "lost": progress.lost,
                "detections": progress.detections,
                "bytes": progress.bytes,
            });
            // Nobody may be reading it any more; the recording goes on.
            let _ = say(&line.to_string());
        }
        let rate = progress.written as f64 / self.bar.elapsed().as_secs_f64().max(0.001);
        self.bar.set_message(format!(
            "{} events ({rate:.0}/s), {}, {} lost, {} detections",
            progress.written,
            indicatif::HumanBytes(progress.bytes),
            progress.lost,
            progress.detections
        ));
    }
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{line}")
}

/// What this kernel does not show of an event.
fn restriction(report: &EventReport) -> Option<String> {
    match &report.status {
        Status::Unavailable => Some(format!(
            "{} is not recorded on this kernel: {}",
            report.event,
            report.refused.join("; ")
        )),
        Status::Hooked { loses, .. } if !loses.is_empty() => {
            Some(format!("{} does not show: {}", report.event, loses.join("; ")))
        }
        Status::Hooked { .. } => None,
    }
}

/// The recording in a paragraph.
fn describe(config: &live::Config, summary: &Summary) -> String {
    let progress = &summary.progress;
    let ended = match summary.ended {
        Ended::Requested => "Stopped".to_owned(),
        Ended::Duration => "The time is over".to_owned(),
        Ended::Size => "The capture has its size".to_owned(),
        Ended::Command(status) => format!("The command ended with {status}"),
    };
    let mut text = format!(
        "{ended} after {:.1} s: {} has {} events in {}",
        summary.elapsed.as_secs_f64(),
        config.path.display(),
        progress.written,
        indicatif::HumanBytes(progress.bytes),
    );
    text.push_str(&match progress.lost {
        0 => "; nothing was lost.".to_owned(),
        lost => format!(
            "; {lost} of {} were lost (try a larger --ring-size).",
            progress.received
        ),
    });
    let unavailable: Vec<_> = summary
        .reports
        .iter()
        .filter(|report| report.status == Status::Unavailable)
        .map(|report| report.event)
        .collect();
    if !unavailable.is_empty() {
        text.push_str(&format!(
            " This kernel does not show {}: see tracee-cap doctor.",
            unavailable.join(", ")
        ));
    }
    if !config.command.is_empty() && !matches!(summary.ended, Ended::Command(_)) {
        text.push_str(" The command was left running.");
    }
    for warning in &summary.warnings {
        text.push_str(&format!(" Note: {warning}."));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("2G"), Ok(2 << 30));
        assert!(bytes("MiB").is_err() && bytes("1MB2").is_err() && bytes("99999999999999999999").is_err());
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("soon").is_err() && duration("-1s").is_err());
    }
}

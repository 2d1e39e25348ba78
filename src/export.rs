//! `tracee-cap export`.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use capture::CaptureReader;
use detectors_api::catalogue::catalogue;
use detectors_api::columns::{OTHER, layout};
use detectors_api::event::RecordedEvent;
use detectors_api::json::{Flavour, write_line};
use detectors_api::protobuf::write_delimited;

use crate::exit::{Exit, Failure};
use crate::opened::{self, failure};
use crate::progress;

/// Export the events of a capture in their order.
///
/// The extended format keeps everything: importing it gives an equal capture. The v1beta1 format is what Tracee writes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The capture.
    capture: PathBuf,

    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,

    /// Encoding of the events.
    #[arg(long, value_enum, default_value = "v1beta1")]
    format: Format,

    /// First sequence number.
    #[arg(long, value_name = "SEQ", default_value = "seq:0", hide_default_value = true, value_parser = seq)]
    from: u64,

    /// Last sequence number.
    #[arg(long, value_name = "SEQ", value_parser = seq)]
    to: Option<u64>,

    /// Only events of these names.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    events: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap export incident.tcap | jq .name
  tracee-cap export incident.tcap --format extended -w everything.ndjson
  tracee-cap export incident.tcap --events sched_process_exec,security_socket_connect --from seq:1000 --to seq:1999";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// NDJSON as Tracee writes it.
    V1beta1,
    /// The same, with what Tracee's encoding has no place for under `tracee_cap`.
    Extended,
    /// Length-delimited `tracee.v1beta1.Event` messages.
    Protobuf,
}

fn seq(text: &str) -> Result<u64, String> {
    text.strip_prefix("seq:")
        .unwrap_or(text)
        .parse()
        .map_err(|_| "give a sequence number, such as seq:1000".to_owned())
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let range = args.from..=args.to.unwrap_or(u64::MAX);
    if range.is_empty() {
        return Err(Failure::usage(format!(
            "--from seq:{} is after --to seq:{}",
            range.start(),
            range.end()
        )));
    }
    let reader = opened::open(&args.capture)?;
    let types = event_types(&reader, &args.events)?;
    match &args.write {
        None => export(&reader, &types, range, args, io::stdout().lock())?,
        Some(path) => {
            let mut options = OpenOptions::new();
            options.write(true);
            if args.force {
                options.create(true).truncate(true);
            } else {
                options.create_new(true);
            }
            let file = options.open(path).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    Failure::usage(format!("{} exists already: --force replaces it", path.display()))
                }
                _ => Failure::environment(
                    anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
                ),
            })?;
            export(&reader, &types, range, args, file)?;
        }
    }
    Ok(opened::end(&reader))
}

/// The event types to read. A name that neither the catalogue nor the capture knows is a mistake.
fn event_types(reader: &CaptureReader, wanted: &[String]) -> Result<Vec<&'static str>, Failure> {
    let present = reader.event_types();
    if wanted.is_empty() {
        return Ok(present);
    }
    for name in wanted {
        if catalogue().get(name).is_none() && !present.contains(&OTHER) {
            return Err(Failure::usage(format!(
                "there is no event `{name}`: `tracee-cap events list` shows all"
            )));
        }
    }
    let mut types: Vec<_> = wanted.iter().map(|name| layout(name).name()).collect();
    types.sort_unstable();
    types.dedup();
    types.retain(|name| present.contains(name));
    Ok(types)
}

fn export(
    reader: &CaptureReader,
    types: &[&str],
    range: RangeInclusive<u64>,
    args: &Args,
    out: impl Write,
) -> Result<(), Failure> {
    let bar = progress::bar(Some(reader.manifest().totals.written), "export");
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let mut line = Vec::new();
    for (number, event) in reader.events_of(types, range).map_err(failure)?.enumerate() {
        let (_, event) = event.map_err(failure)?;
        if !args.events.is_empty() && !args.events.contains(&event.event.name) {
            continue;
        }
        line.clear();
        encode(&event, args.format, &mut line);
        out.write_all(&line)?;
        if number % 1024 == 0 {
            bar.set_position(number as u64);
        }
    }
    out.flush()?;
    bar.finish_and_clear();
    Ok(())
}

fn encode(event: &RecordedEvent, format: Format, out: &mut Vec<u8>) {
    match format {
        Format::V1beta1 => write_line(event, Flavour::V1beta1, out),
        Format::Extended => write_line(event, Flavour::Extended, out),
        Format::Protobuf => write_delimited(&event.event, out),
    }
}

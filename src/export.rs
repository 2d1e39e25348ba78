//! `tracee-cap export`.

use std::io::Write;
use std::path::PathBuf;
use std::slice;

use capture::CaptureReader;
use detectors_api::event::RecordedEvent;
use detectors_api::json::{Flavour, write_line};
use detectors_api::protobuf::write_delimited;
use fixtures::slice::Slice;

use crate::exit::{Exit, Failure};
use crate::opened::{self, failure};
use crate::output::Destination;
use crate::progress;
use crate::replay::range::Range;
use crate::replay::restriction::Wanted;
use crate::slice::tell_failures;

/// Export the events of a capture in their order.
///
/// The extended format keeps everything: importing it gives an equal capture. The v1beta1 format is what Tracee writes, and what its own
/// tools read.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The capture.
    capture: PathBuf,

    /// Encoding of the events.
    #[arg(long, value_enum, default_value = "v1beta1")]
    format: Format,

    #[command(flatten)]
    destination: Destination,

    #[command(flatten, next_help_heading = "What is exported")]
    range: Range,
    #[command(flatten, next_help_heading = "What is exported")]
    wanted: Wanted,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap export incident.tcap | jq .name
  tracee-cap export incident.tcap --format extended -w everything.ndjson
  tracee-cap export incident.tcap --event sched_process_exec,security_socket_connect --from seq:1000 --to seq:1999
  tracee-cap export incident.tcap --container web --from +10m --where uid=0 | jq .name";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// NDJSON as Tracee writes it.
    V1beta1,
    /// The same, with what Tracee's encoding has no place for under `tracee_cap`.
    Extended,
    /// Length-delimited `tracee.v1beta1.Event` messages.
    Protobuf,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    // A misspelt event needs no capture to be told.
    args.wanted.events()?;
    let reader = opened::open(&args.capture)?;
    let slice = Slice {
        seq: args.range.of(&reader)?,
        restrictions: args
            .wanted
            .of(slice::from_ref(&reader))?
            .pop()
            .unwrap_or_default(),
        only: true,
    };
    export(&reader, &slice, args.format, args.destination.open()?)?;
    tell_failures(&slice);
    Ok(opened::end(&reader))
}

fn export(reader: &CaptureReader, slice: &Slice, format: Format, mut out: impl Write) -> Result<(), Failure> {
    let bar = progress::bar(Some(reader.manifest().totals.written), "export");
    let mut line = Vec::new();
    for (number, event) in slice.events(reader).map_err(failure)?.enumerate() {
        let (_, event) = event.map_err(failure)?;
        line.clear();
        encode(&event, format, &mut line);
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

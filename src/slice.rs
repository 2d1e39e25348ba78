//! `tracee-cap slice`.

use std::path::PathBuf;
use std::slice;

use capture::CaptureWriter;
use fixtures::slice::{Slice, Sliced};

use crate::exit::{Exit, Failure};
use crate::making::Making;
use crate::opened::{self, failure, warn};
use crate::pack::summary;
use crate::progress;
use crate::replay::range::Range;
use crate::replay::restriction::Wanted;

/// Cut a part out of a capture.
///
/// A slice is a capture of its own: events keep their numbers and times, and stores know in it what was before, so that
/// `replay` finds in the slice what `replay` with the same options finds in the whole. With restrictions, events that stores are made of
/// are kept as well, such as forks and exits; --only leaves them out.
///
/// Losses that reach into the slice are kept whole: which of the events would have been in it, nobody knows. Detections that were
/// recorded are kept if their events are. `tracee-cap info` tells what a slice was cut from.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The capture.
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,

    /// The slice to make: a directory, a pack if the name ends with `.tar`, or a text if it ends with `.txt`.
    #[arg(short, long, value_name = "OUT")]
    write: PathBuf,

    /// Replace a capture that is there.
    #[arg(long)]
    force: bool,

    #[command(flatten, next_help_heading = "What is kept")]
    range: Range,
    #[command(flatten, next_help_heading = "What is kept")]
    wanted: Wanted,
    /// Nothing but the events that are asked for; stores may then know less.
    #[arg(long, help_heading = "What is kept")]
    only: bool,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap slice incident.tcap --from 2026-05-01T12:00 --to +10m -w lunch.tcap
  tracee-cap slice incident.tcap --container web -w web.tcap.tar
  tracee-cap slice incident.tcap --process-tree 4711 -w shell.tcap.txt
  tracee-cap slice incident.tcap --event 'net_*' --where uid=0 --only -w root-net.tcap";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    // A misspelt event needs no capture to be told.
    args.wanted.events()?;
    let reader = opened::open(&args.capture)?;
    let seq = args.range.of(&reader)?;
    let restrictions = args
        .wanted
        .of(slice::from_ref(&reader))?
        .pop()
        .unwrap_or_default();
    if seq == (0..=u64::MAX) && restrictions.is_empty() {
        return Err(Failure::usage(
            "say what to keep, with --from, --to, --event, --container, --process-tree or --where",
        ));
    }
    let there = reader.manifest().seq;
    if !there.is_some_and(|there| *seq.start() <= there.last && there.first <= *seq.end()) {
        return Err(Failure::usage("no event of the capture is in that range"));
    }
    let slice = Slice {
        seq,
        restrictions,
        only: args.only,
    };
    let making = Making::begin(&args.write, args.force)?;
    let mut writer = CaptureWriter::create(making.directory(), slice.header(&reader), making.options())
        .map_err(failure)?;
    let bar = progress::bar(None, "slice");
    let sliced = slice
        .write(&reader, &mut writer, &|events| bar.set_position(events))
        .map_err(failure)?;
    writer.finish().map_err(failure)?;
    bar.finish_and_clear();
    let made = making.finish()?;
    warn(&summary(&args.write, &made));
    tell(&slice, &sliced);
    Ok(opened::end(&reader))
}

/// What is to be known about a slice.
fn tell(slice: &Slice, sliced: &Sliced) {
    tell_failures(slice);
    if sliced.partial_losses > 0 {
        warn(&format!(
            "{} losses are counted that may have been before the slice or after it",
            sliced.partial_losses
        ));
    }
}

/// Says which conditions had no value for some events.
pub(crate) fn tell_failures(slice: &Slice) {
    for failed in slice.restrictions.failures() {
        warn(&format!(
            "{} had no value for {} events, which are left out; the first is event {}, {}: {}",
            failed.condition, failed.events, failed.seq, failed.event, failed.reason
        ));
    }
}

//! `tracee-cap unpack`.

use std::io;
use std::path::{Path, PathBuf};

use capture::{CaptureReader, Form};

use crate::exit::{Exit, Failure};
use crate::making;
use crate::opened::{self, failure, warn};
use crate::pack::summary;
use crate::progress;

/// Make a directory of a pack, for tools that read its Parquet files.
///
/// tracee-cap itself reads packs as they are. Digests are checked on the way, only files that the manifest lists are taken, and
/// the directory has its name when it is complete.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The pack; `-` for standard input.
    pack: PathBuf,

    /// The directory to make; the pack's name without `.tar` in the current directory, unless told.
    #[arg(short, long, value_name = "CAPTURE")]
    write: Option<PathBuf>,

    /// Replace the capture if it exists.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap unpack incident.tcap.tar                           # makes incident.tcap/
  ssh host cat incident.tcap.tar | tracee-cap unpack - -w incident.tcap
  duckdb -c \"SELECT count(*) FROM 'incident.tcap/events/*/*.parquet'\"";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let target = match &args.write {
        Some(target) => target.clone(),
        None => making::bare_name(&args.pack)
            .map(PathBuf::from)
            .ok_or_else(|| Failure::usage("give the directory to make with -w CAPTURE"))?,
    };
    let reader = if args.pack == Path::new("-") {
        CaptureReader::open_stream(io::stdin().lock(), &args.pack)
    } else {
        CaptureReader::open(&args.pack)
    }
    .map_err(failure)?;
    match reader.form() {
        Form::Pack | Form::Text => {}
        Form::Directory | Form::Temporary => {
            return Err(Failure::usage(format!(
                "{} is a directory already",
                args.pack.display()
            )));
        }
    }
    let bar = progress::bar(Some(reader.manifest().bytes()), "unpack");
    reader
        .unpack(&target, args.force, &|bytes| bar.inc(bytes))
        .map_err(failure)?;
    bar.finish_and_clear();
    warn(&summary(&target, &reader));
    Ok(opened::end(&reader))
}

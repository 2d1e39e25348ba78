//! `tracee-cap pack`.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use capture::CaptureReader;
use indicatif::HumanBytes;

use crate::exit::{Exit, Failure};
use crate::making;
use crate::opened::{self, failure, warn};
use crate::progress;

/// Make one file of a capture, to hand on.
///
/// A pack is a plain tar archive of the capture's files, the manifest first. Every command reads it as it is, without
/// unpacking it. The same capture always gives the same bytes. Digests are checked on the way. A capture whose recorder died
/// can be packed, too, and stays incomplete.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The capture.
    capture: PathBuf,

    /// The file to write, `-` for standard output; the capture's name with `.tar` in the current directory, unless told.
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap pack incident.tcap                                 # makes incident.tcap.tar
  tracee-cap replay incident.tcap.tar
  tracee-cap pack incident.tcap -w - | ssh lab tracee-cap unpack - -w incident.tcap
  tar tf incident.tcap.tar";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let reader = opened::whole(&args.capture)?;
    let target = match &args.write {
        Some(target) => target.clone(),
        None => making::bare_name(&args.capture)
            .map(|name| PathBuf::from(name + ".tar"))
            .ok_or_else(|| Failure::usage("give the file to write with -w FILE"))?,
    };
    let bar = progress::bar(Some(reader.manifest().bytes()), "pack");
    let progress = |bytes| bar.inc(bytes);
    if target == Path::new("-") {
        let out = io::stdout();
        if out.is_terminal() {
            return Err(Failure::usage(
                "a pack is not for a terminal: redirect it, or name a file",
            ));
        }
        reader.pack(out.lock(), &progress).map_err(failure)?;
    } else {
        reader.pack_to(&target, args.force, &progress).map_err(failure)?;
    }
    bar.finish_and_clear();
    warn(&summary(&target, &reader));
    Ok(opened::end(&reader))
}

/// What has been copied to `target`.
pub(crate) fn summary(target: &Path, reader: &CaptureReader) -> String {
    let manifest = reader.manifest();
    format!(
        "{}: {} events in {} files, {}; digest {}",
        target.display(),
        manifest.totals.written,
        manifest.parts.len(),
        HumanBytes(manifest.bytes()),
        manifest.digest(),
    )
}

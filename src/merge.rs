//! `tracee-cap merge`.

use std::path::PathBuf;

use capture::{CaptureReader, CaptureWriter};
use fixtures::merge::{Error, Merge, Source};
use jiff::SignedDuration;

use crate::exit::{Exit, Failure};
use crate::making::{self, Making};
use crate::opened::{self, failure, warn};
use crate::pack::summary;
use crate::progress;

/// Make one capture of several.
///
/// Merges the parts of a recording, or the recordings of several machines. Events are ordered by time, and get new numbers; those of one
/// capture stay in their order. What stores know is kept apart: what is asked about an event is answered from what was recorded on
/// its machine. The column `host_name` of the process table tells machines apart in queries.
///
/// Captures are parts of one recording if they have the same boot id or, without any, were cut out of the same capture; an event that
/// two of them have is there once. All others are of different machines.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The captures.
    #[arg(value_name = "CAPTURE", required = true, num_args = 2..)]
    captures: Vec<PathBuf>,

    /// The capture to make: a directory, a pack if the name ends with `.tar`, or a text if it ends with `.txt`.
    #[arg(short, long, value_name = "OUT")]
    write: PathBuf,

    /// Replace a capture that is there.
    #[arg(long)]
    force: bool,

    /// Correct the clock of a capture, named by its path or file or by its host, to find the places of its events; may be repeated.
    /// Times stay as they were recorded.
    #[arg(long, value_name = "NAME=SPAN", value_parser = correction)]
    offset: Vec<Correction>,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap merge web-1.tcap web-2.tcap -w web.tcap
  tracee-cap merge web-1.tcap db.tcap --offset db=+250ms -w both.tcap.tar
  tracee-cap merge monday.tcap tuesday.tcap -w week.tcap
  tracee-cap sql web.tcap 'SELECT host_name, count(*) FROM events GROUP BY host_name'";

/// What the clock of a capture is corrected by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Correction {
    name: String,
    ns: i64,
}

fn correction(text: &str) -> Result<Correction, String> {
    let (name, span) = text.rsplit_once('=').ok_or("write NAME=+250ms or NAME=-2s")?;
    let (sign, span) = match span.strip_prefix('-') {
        Some(span) => (-1, span),
        None => (1, span.strip_prefix('+').unwrap_or(span)),
    };
    let parsed: SignedDuration = span
        .parse()
        .map_err(|_| format!("`{span}` is no time span such as 250ms or 1m30s"))?;
    let ns = i64::try_from(parsed.as_nanos()).ok().filter(|ns| *ns >= 0);
    Ok(Correction {
        name: name.to_owned(),
        ns: sign * ns.ok_or_else(|| format!("`{span}` is too long, or negative"))?,
    })
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let readers = args
        .captures
        .iter()
        .map(|path| opened::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let offsets = offsets(&readers, &args.offset)?;
    let sources = readers.iter().zip(offsets);
    let sources = sources.map(|(reader, offset_ns)| Source { reader, offset_ns });
    let merge = Merge::of(sources.collect()).map_err(merge_failure)?;
    let making = Making::begin(&args.write, args.force)?;
    let mut writer =
        CaptureWriter::create(making.directory(), merge.header(), making.options()).map_err(failure)?;
    let bar = progress::bar(
        Some(
            readers
                .iter()
                .map(|reader| reader.manifest().totals.written)
                .sum(),
        ),
        "merge",
    );
    let merged = merge
        .write(&mut writer, &|events| bar.set_position(events))
        .map_err(merge_failure)?;
    writer.finish().map_err(failure)?;
    bar.finish_and_clear();
    let made = making.finish()?;
    warn(&format!(
        "{}; machines: {}",
        summary(&args.write, &made),
        merge.machine_count()
    ));
    if merged.duplicates > 0 {
        warn(&format!(
            "{} events were in two captures, and are there once",
            merged.duplicates
        ));
    }
    for part in merged.continued {
        warn(&format!(
            "{} begins in the midst of a recording: what was known there is known as far as the parts before it tell",
            args.captures[part].display()
        ));
    }
    Ok(readers.iter().map(opened::end).fold(Exit::Ok, Exit::or))
}

/// What each capture's clock is corrected by, in ns.
fn offsets(readers: &[CaptureReader], corrections: &[Correction]) -> Result<Vec<i64>, Failure> {
    let mut offsets = vec![0; readers.len()];
    for Correction { name, ns } in corrections {
        let mut named = 0;
        for (reader, offset) in readers.iter().zip(&mut offsets) {
            if is_named(reader, name) {
                *offset = *ns;
                named += 1;
            }
        }
        if named == 0 {
            return Err(Failure::usage(format!(
                "--offset: no capture, and no host of one, is called {name}"
            )));
        }
    }
    Ok(offsets)
}

/// Whether a capture is meant by a path, by the name of its file, with or without what tells its form, or by its host.
fn is_named(reader: &CaptureReader, name: &str) -> bool {
    let path = reader.path();
    let bare = making::bare_name(path);
    path == std::path::Path::new(name)
        || path.file_name().is_some_and(|file| file == name)
        || bare
            .as_deref()
            .is_some_and(|bare| bare == name || bare.strip_suffix(".tcap") == Some(name))
        || reader.manifest().header.host.name == name
}

fn merge_failure(error: Error) -> Failure {
    match error {
        Error::Capture(error) => failure(error),
        Error::Merged(_) => Failure::new(Exit::Usage, error),
        Error::Stores(_) => Failure::bad_input(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_have_a_name_and_a_span() {
        let ns = |text| correction(text).map(|correction| (correction.name, correction.ns));
        assert_eq!(ns("db=+250ms"), Ok(("db".to_owned(), 250_000_000)));
        assert_eq!(ns("a=b.tcap=-2s"), Ok(("a=b.tcap".to_owned(), -2_000_000_000)));
        assert_eq!(ns("db=1us"), Ok(("db".to_owned(), 1_000)));
        for wrong in ["db", "db=", "db=250", "db=--2s", "db=9000000h"] {
            assert!(correction(wrong).is_err(), "{wrong}");
        }
    }
}

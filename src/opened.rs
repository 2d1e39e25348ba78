//! Opening captures in all their forms, and saying what is missing from them.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use capture::{CaptureReader, Form, State, Temporary, text};

use crate::exit::{Exit, Failure};
use crate::import;
use crate::output::exists;
use crate::signals;

/// Opens a capture, in whatever [`form`](whole) it is. Tables that nothing will read are named on stderr.
pub(crate) fn open(path: &Path) -> Result<CaptureReader, Failure> {
    let reader = whole(path)?;
    for (table, rows) in reader.unknown_tables() {
        warn(&format!(
            "{}: {rows} rows of table {table} are left out: a newer version wrote them",
            path.display()
        ));
    }
    Ok(reader)
}

/// Opens a capture: a directory, a pack, a text, or a file of events (`-` for standard input), which is imported for this run.
pub(crate) fn whole(path: &Path) -> Result<CaptureReader, Failure> {
    if path == Path::new("-") {
        return import::for_this_run(path);
    }
    // What is a directory, or is not there at all, is taken for a capture.
    let is_file = path.metadata().is_ok_and(|metadata| !metadata.is_dir());
    if is_file && text::is_text(path).map_err(failure)? {
        read_text(path)
    } else if is_file && !capture::is_pack(path).map_err(failure)? {
        import::for_this_run(path)
    } else {
        CaptureReader::open(path).map_err(failure)
    }
}

/// Makes a capture of a text for this run.
fn read_text(path: &Path) -> Result<CaptureReader, Failure> {
    let place = Temporary::new(path).map_err(failure)?;
    signals::remove_at_end(place.directory())?;
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()));
    let source = BufReader::new(file.map_err(Failure::environment)?);
    CaptureReader::open_text(source, place).map_err(failure)
}

/// The failure that an error of a capture means.
pub(crate) fn failure(error: capture::Error) -> Failure {
    match error {
        capture::Error::Exists { path } => exists(&path),
        capture::Error::UnknownColumn { .. } | capture::Error::BeingRecorded { .. } => {
            Failure::new(Exit::Usage, error)
        }
        error if error.is_bad_input() => Failure::bad_input(error),
        error => Failure::environment(error),
    }
}

/// What it means that the capture was read to its end: an incomplete one has a code of its own, as have events that could not
/// be imported for this run, and one line says what is missing.
pub(crate) fn end(reader: &CaptureReader) -> Exit {
    shortcoming(reader).map_or(Exit::Ok, |(exit, line)| {
        warn(&line);
        exit
    })
}

/// What was missing when the capture was read to its end, and what that means. None, if it has an end.
pub(crate) fn shortcoming(reader: &CaptureReader) -> Option<(Exit, String)> {
    let totals = reader.manifest().totals;
    let lost = match totals.lost {
        0 => "nothing is known to be lost".to_owned(),
        lost => format!("{lost} of {} events were lost", totals.received),
    };
    let unreadable = reader.manifest().unreadable();
    if reader.form() == Form::Temporary && unreadable > 0 {
        let line = format!(
            "{}: {unreadable} records could not be read and are left out; `tracee-cap import --skip-bad` makes that a success",
            reader.path().display()
        );
        return Some((Exit::BadInput, line));
    }
    let state = match (reader.state(), reader.cut()) {
        (State::Closed, _) => return None,
        (State::Open, _) => "is still being recorded".to_owned(),
        (State::Truncated, None) => "is truncated: its recorder died".to_owned(),
        (State::Truncated, Some(cut)) => format!(
            "is truncated: its recorder died, and the last {} bytes of the journal, which it had not acknowledged, \
             were cut off ({})",
            cut.bytes, cut.reason
        ),
    };
    Some((
        Exit::Incomplete,
        format!("{} {state}; {lost}", reader.path().display()),
    ))
}

/// A line for people.
pub(crate) fn warn(message: &str) {
    #[expect(clippy::print_stderr, reason = "stderr is for people")]
    {
        eprintln!("tracee-cap: {message}");
    }
}

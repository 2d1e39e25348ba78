//! Opening captures in all their forms, and saying what is missing from them.

use std::path::Path;

use capture::{CaptureReader, Form, State};

use crate::exit::{Exit, Failure};
use crate::import;

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

/// Opens a capture: a directory, a pack, or a file of events (`-` for standard input), which is imported for this run.
pub(crate) fn whole(path: &Path) -> Result<CaptureReader, Failure> {
    if is_capture(path)? {
        CaptureReader::open(path).map_err(failure)
    } else {
        import::for_this_run(path)
    }
}

/// Whether the path leads to a capture, or to nothing, rather than to a file of events.
fn is_capture(path: &Path) -> Result<bool, Failure> {
    if path == Path::new("-") {
        return Ok(false);
    }
    match path.metadata() {
        Ok(metadata) if !metadata.is_dir() => capture::is_pack(path).map_err(failure),
        _ => Ok(true),
    }
}

/// The failure that an error of a capture means.
pub(crate) fn failure(error: capture::Error) -> Failure {
    match error {
        capture::Error::UnknownColumn { .. }
        | capture::Error::Exists { .. }
        | capture::Error::BeingRecorded { .. } => Failure::new(Exit::Usage, error),
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

//! The text form of a capture: one file to read, to compare and to write by hand.
//!
//! ```text
//! tracee_cap_capture: "1.2"                               the head: what the manifest says of the recording      [`head`]
//! recording:
//!   …
//! ---
//! keyframe stores 100 {…}                                 a row of what was before the first event
//! columns input process: host_pid u32, comm text, …       the columns of the rows that follow                   [`columns`]
//! input process 0 {…}                                     a row that a store is told before event 0
//! event 0 {…}                                             an event, as `export` writes it
//! loss {…}
//! detection {…}
//! end
//! ```
//!
//! It is made of [entries](crate::Entry), in their order. Reading it makes a capture of it, in a [`Temporary`](crate::Temporary)
//! place, so that whatever reads captures reads texts.
//!
//! Invariants:
//! * nothing that a capture says is lost, but how its rows are divided into files;
//! * the same capture gives the same bytes, and a text that was written comes back to the byte;
//! * a text is untrusted: a line has a largest length, and a fault names its line.

mod columns;
mod head;
mod read;
mod rows;
mod write;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::{Error, Table};

/// Whether the file at `path` looks like a capture as a text; false for what is no regular file.
///
/// # Errors
/// If it cannot be read.
pub fn is_text(path: &Path) -> Result<bool, Error> {
    let metadata = path.metadata().map_err(Error::io("open", path))?;
    if !metadata.is_file() {
        return Ok(false);
    }
    File::open(path)
        .and_then(begins_as_text)
        .map_err(Error::io("read", path))
}

fn begins_as_text(file: impl Read) -> io::Result<bool> {
    let mut start = Vec::with_capacity(head::MAGIC.len());
    file.take(head::MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == head::MAGIC.as_bytes())
}

/// A table of which a text has rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rows {
    Keyframe(String),
    Input(String),
    Loss,
    Detections,
}

impl Rows {
    fn table(&self) -> Table {
        match self {
            Self::Keyframe(store) => Table::Keyframe(store.clone()),
            Self::Input(store) => Table::Store(store.clone()),
            Self::Loss => Table::Loss,
            Self::Detections => Table::Detections,
        }
    }
}

/// The word or words that a row begins with.
impl std::fmt::Display for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keyframe(store) => write!(f, "keyframe {store}"),
            Self::Input(store) => write!(f, "input {store}"),
            Self::Loss => f.write_str("loss"),
            Self::Detections => f.write_str("detection"),
        }
    }
}

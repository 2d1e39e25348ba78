//! Both JSON encodings of events, one event a line.
//!
//! * **v1beta1**: what Tracee writes today: the protobuf event, with snake-case keys, 64-bit integers in quotes, the
//!   type of a field's value as its key. Read and written.
//! * **legacy** `trace.Event`: what Tracee wrote before, in the shapes of several years. Read, and converted as Tracee
//!   converts it; nothing that the event model has a place for is dropped.
//!
//! [`read_line`] recognises the encoding of each line, so a stream may mix them, and logger lines in between.
//!
//! # Nothing is lost
//!
//! What a line has and no model holds goes into [`RecordedEvent::unmapped`]: unknown keys at any depth, and field values
//! that are not what their key says or whose key is unknown (the field then keeps its name and has no value).
//! [`Flavour::Extended`] writes it back, together with the [kernel context](crate::event::KernelContext), under the key
//! `tracee_cap`; whatever event is written that way reads back equal.
//!
//! # Limits
//!
//! A line is untrusted: it may have at most [`MAX_LINE`] bytes, JSON may be nested 128 deep and events 80 messages.

mod encode;
mod error;
mod extension;
mod legacy;
mod protojson;
mod recognise;
#[cfg(test)]
mod tests;
mod unmapped;
mod v1beta1;
mod value;
pub(crate) mod wire;
mod write;

use std::fmt;

pub use error::LineError;

use self::encode::Object;
use self::recognise::Recognised;
use crate::event::RecordedEvent;

/// Longest line that is read, in bytes.
pub const MAX_LINE: usize = 64 << 20;

/// What a line is.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// An event.
    Event(Box<RecordedEvent>),
    /// A line of Tracee's logger: an object with a level and a message. It is no event and says nothing about one.
    Log,
}

/// The encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// The one that Tracee writes.
    V1beta1,
    /// The older `trace.Event`.
    Legacy,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1beta1 => "v1beta1",
            Self::Legacy => "legacy",
        })
    }
}

/// How much of an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Byte for byte what Tracee writes, but for maps, which it writes in random order and we in order of their keys.
    V1beta1,
    /// The same, and all the rest under `tracee_cap`, so that reading it gives back the event as it is.
    Extended,
}

/// Reads a line, with or without its end.
///
/// # Errors
/// If it is neither an event nor a line of Tracee's logger; says what it is instead, or which member is wrong.
pub fn read_line(line: &[u8]) -> Result<Line, LineError> {
    if line.len() > MAX_LINE {
        return Err(LineError::TooLong { len: line.len() });
    }
    let line = line.trim_ascii_end();
    if line.is_empty() {
        return Err(LineError::Blank);
    }
    let line = std::str::from_utf8(line).map_err(|error| LineError::NotUtf8 {
        column: error.valid_up_to() + 1,
    })?;
    let event = match recognise::recognise(line)? {
        Recognised::Event(Encoding::V1beta1) => v1beta1::read(line)?,
        Recognised::Event(Encoding::Legacy) => legacy::read(line)?,
        Recognised::Log => return Ok(Line::Log),
    };
    Ok(Line::Event(Box::new(event)))
}

/// Appends an event and the end of the line.
pub fn write_line(recorded: &RecordedEvent, flavour: Flavour, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    match flavour {
        Flavour::V1beta1 => write::event(&mut object, &recorded.event),
        Flavour::Extended => extension::event(&mut object, recorded),
    }
    object.close();
    out.push(b'\n');
}

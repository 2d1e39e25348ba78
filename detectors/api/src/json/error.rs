//! What can be wrong with a line.

use serde::Deserialize;

use super::{Encoding, MAX_LINE};
use crate::depth::TooDeep;

/// A line that is no event. Reading goes on with the next line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Nothing but white space. Most callers skip it.
    #[error("the line is blank")]
    Blank,
    /// More than [`MAX_LINE`].
    #[error("the line has {len} bytes; at most {MAX_LINE} are read")]
    TooLong {
        /// Bytes in the line.
        len: usize,
    },
    /// Bytes that are no text.
    #[error("column {column}: not UTF-8 text")]
    NotUtf8 {
        /// First byte that is not UTF-8, counted from 1.
        column: usize,
    },
    /// Text that is no JSON object.
    #[error("column {column}: not a JSON object: {reason}; the line starts with {start:?}")]
    NotJson {
        /// Byte of the line, counted from 1.
        column: usize,
        /// What was expected.
        reason: String,
        /// First characters of the line.
        start: String,
    },
    /// A JSON object that is something else.
    #[error("not a Tracee event: {missing}; its keys are {keys}")]
    NotAnEvent {
        /// What an event would have.
        missing: String,
        /// The first few keys that were found.
        keys: String,
    },
    /// A member of an event whose value cannot be what it says.
    #[error("column {column}: `{path}` of an event in the {encoding} encoding: {reason}")]
    Member {
        /// The encoding that the line was taken for.
        encoding: Encoding,
        /// Path of the member, such as `workload.process.pid`.
        path: String,
        /// Byte of the line, counted from 1.
        column: usize,
        /// What was found and what was expected.
        reason: String,
    },
    /// Nesting that could not be kept.
    #[error(transparent)]
    TooDeep(#[from] TooDeep),
    /// An object with the same unknown key twice, of which only one could be kept.
    #[error("`{pointer}` is there twice")]
    Duplicate {
        /// JSON pointer.
        pointer: String,
    },
    /// Our own addition to an event contradicts the event or itself.
    #[error("`tracee_cap` of the event: {reason}")]
    Extension {
        /// What is wrong.
        reason: String,
    },
}

/// Longest piece of the input that an error repeats, in bytes.
const MAX_REASON: usize = 200;

impl LineError {
    pub(super) fn not_json(text: &str, error: &serde_json::Error) -> Self {
        Self::NotJson {
            column: error.column(),
            reason: reason(error),
            start: text.chars().take(40).collect(),
        }
    }
}

/// Why `line` cannot be read as a `T`, with the path of the member.
pub(super) fn diagnose<'de, T: Deserialize<'de>>(line: &'de str, encoding: Encoding) -> LineError {
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let read: Result<T, _> = serde_path_to_error::deserialize(&mut deserializer);
    match read.err() {
        Some(error) if error.inner().is_data() => LineError::Member {
            encoding,
            path: error.path().to_string(),
            column: error.inner().column(),
            reason: reason(error.inner()),
        },
        Some(error) => LineError::not_json(line, error.inner()),
        None => match deserializer.end() {
            Err(error) => LineError::not_json(line, &error),
            Ok(()) => LineError::Member {
                encoding,
                path: ".".to_owned(),
                column: 1,
                reason: "its fields cannot be told apart".to_owned(),
            },
        },
    }
}

/// What serde says, without the position, and cut short where it repeats much of the input.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&position).unwrap_or(&text);
    if text.len() <= MAX_REASON {
        return text.to_owned();
    }
    // The end says what was expected.
    let half = MAX_REASON / 2;
    let (head, tail) = (
        text.floor_char_boundary(half),
        text.ceil_char_boundary(text.len() - half),
    );
    format!("{} … {}", &text[..head], &text[tail..])
}

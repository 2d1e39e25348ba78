//! What can go wrong with a query.

use std::io;

use datafusion::error::DataFusionError;

/// A query could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A capture cannot be read.
    #[error(transparent)]
    Capture {
        /// What is wrong with it.
        source: capture::Error,
    },
    /// The query is no SQL, names what there is not, or fails on the values it meets.
    #[error("{message}")]
    Sql {
        /// What is wrong, and where.
        message: String,
    },
    /// The query would change something.
    #[error("captures are only read: {reason}")]
    Refused {
        /// What the engine calls it.
        reason: String,
    },
    /// There is not exactly one statement.
    #[error("one statement was expected, and there are {found}")]
    Statements {
        /// How many there are.
        found: usize,
    },
    /// The query needs more memory than it may have.
    #[error("the query needs more memory than it may have: {message}")]
    Memory {
        /// What ran out.
        message: String,
    },
    /// The machine gave no threads.
    #[error("cannot start the query engine")]
    Runtime {
        /// Why not.
        source: io::Error,
    },
    /// The answer could not be written.
    #[error("cannot write the answer")]
    Write {
        /// Why not.
        source: io::Error,
    },
    /// The answer has a type that the output format cannot show.
    #[error("cannot write the answer as {format}: {message}")]
    Format {
        /// The format.
        format: &'static str,
        /// What it does not take.
        message: String,
    },
}

/// An error of the engine: the fault of a capture, of the query `text`, or of the machine.
pub(crate) fn sql_error(error: DataFusionError, text: &str) -> Error {
    match into_capture_error(error) {
        Ok(source) => Error::Capture { source },
        Err(error) => match error.find_root() {
            DataFusionError::ResourcesExhausted(message) => Error::Memory {
                message: message.clone(),
            },
            _ => Error::Sql {
                message: pointed(&error, text),
            },
        },
    }
}

/// The error of a capture that is wrapped in `error`.
fn into_capture_error(error: DataFusionError) -> Result<capture::Error, DataFusionError> {
    match error {
        DataFusionError::External(inner) => inner
            .downcast::<capture::Error>()
            .map(|inner| *inner)
            .map_err(DataFusionError::External),
        DataFusionError::Context(context, inner) => {
            into_capture_error(*inner).map_err(|inner| DataFusionError::Context(context, Box::new(inner)))
        }
        other => Err(other),
    }
}

/// The message, and the line of the query with a mark at the place, where the engine tells it.
fn pointed(error: &DataFusionError, text: &str) -> String {
    let message = match error.find_root() {
        DataFusionError::SQL(error, _) => error.to_string(),
        _ => error.strip_backtrace(),
    };
    let place = match error.diagnostic().and_then(|diagnostic| diagnostic.span) {
        Some(span) => Some((span.start.line, span.start.column)),
        None => place_in(&message),
    };
    let mark = place.and_then(|(line, column)| {
        let line = text.lines().nth(usize::try_from(line.checked_sub(1)?).ok()?)?;
        let before = usize::try_from(column.checked_sub(1)?).ok()?;
        Some(format!(
            "\n  {line}\n  {}^",
            " ".repeat(before.min(line.chars().count()))
        ))
    });
    message + &mark.unwrap_or_default()
}

/// The place that the parser writes into its messages, `… at Line: 1, Column: 8`.
fn place_in(message: &str) -> Option<(u64, u64)> {
    let (_, rest) = message.split_once("Line: ")?;
    let (line, rest) = rest.split_once(", Column: ")?;
    let digits = rest
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(rest.len());
    Some((line.parse().ok()?, rest[..digits].parse().ok()?))
}

impl Error {
    /// Whether the query is at fault, rather than a capture or the machine.
    #[must_use]
    pub fn is_bad_query(&self) -> bool {
        matches!(
            self,
            Self::Sql { .. } | Self::Refused { .. } | Self::Statements { .. } | Self::Format { .. }
        )
    }
}

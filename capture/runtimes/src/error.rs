//! Why nothing is known about a container.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use detectors_api::stores::Runtime;

/// Why there is no answer about a container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A runtime gave none.
    #[error("{runtime} at {}: {cause}", .socket.display())]
    Runtime {
        /// The runtime.
        runtime: Runtime,
        /// Its socket.
        socket: PathBuf,
        /// Why.
        cause: Cause,
    },
    /// The container's runtime cannot be asked.
    #[error(
        "{runtime} cannot be asked: it has no socket here; say where it is if it is not at the usual place"
    )]
    NoSocket {
        /// The runtime.
        runtime: Runtime,
    },
    /// Nobody can be asked.
    #[error("no container runtime has a socket here")]
    NoRuntime,
    /// It is not known what runs the container, and none of the runtimes does.
    #[error("no runtime knows the container: {}", Joined(.0))]
    All(Vec<Error>),
    /// No runtime makes such ids.
    #[error("this is no id of a container: it may only have letters, digits and `_.:-`")]
    NotAnId,
    /// The runtimes are too slow for so many questions.
    #[error("{waiting} questions wait for answers already; ask again later")]
    Busy {
        /// Number of questions that wait.
        waiting: usize,
    },
    /// The thread that asks has ended.
    #[error("the thread that asks container runtimes has ended")]
    Ended,
}

/// Why a runtime gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// It does not know the container.
    #[error("it does not know the container")]
    UnknownContainer,
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// It cannot be reached.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// It refused.
    #[error("{request} failed: {reason}")]
    Refused {
        /// What was asked for.
        request: &'static str,
        /// What it said.
        reason: String,
    },
}

/// Errors, one after another.
struct Joined<'a>(&'a [Error]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

/// An error and what it came from, in one line: clients often say only there what went wrong.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

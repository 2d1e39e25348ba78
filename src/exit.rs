//! Exit codes and how errors reach the person who reads them.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why the process ends; the number is its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Ok = 0,
    /// Findings with `--fail-on`, or a test mismatch.
    Findings = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Input that is unreadable, corrupt or of the wrong version.
    BadInput = 3,
    /// Privileges or kernel features are missing.
    Environment = 4,
    /// A capture that is open or truncated was read to its end.
    Incomplete = 5,
    /// Ctrl-C: what there is was written.
    Interrupted = 130,
}

impl Exit {
    /// The code that says more, where two parts of the work ended differently: findings, then what could not be read, then what is
    /// incomplete.
    pub(crate) fn or(self, other: Self) -> Self {
        let rank = |exit| match exit {
            Self::Interrupted => 6,
            Self::Usage => 5,
            Self::Environment => 4,
            Self::Findings => 3,
            Self::BadInput => 2,
            Self::Incomplete => 1,
            Self::Ok => 0,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// An error with the exit code it stands for.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
        }
    }

    pub(crate) fn usage(message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        Self::new(Exit::Usage, anyhow::Error::msg(message))
    }

    pub(crate) fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::BadInput, error)
    }

    pub(crate) fn environment(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Environment, error)
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

/// The error with its causes.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// Errors of the machine we run on (a full disk, a closed pipe).
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::environment(error)
    }
}

/// Ends the process: prints an error with its causes. A reader that closed the pipe has seen enough: that is no error.
pub(crate) fn report(result: Result<Exit, Failure>) -> ExitCode {
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) if is_broken_pipe(&failure.error) => Exit::Ok,
        Err(failure) => {
            #[expect(clippy::print_stderr, reason = "this is where errors are rendered")]
            {
                eprintln!("tracee-cap: {failure}");
            }
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_that_says_more_wins() {
        let order = [Exit::Ok, Exit::Incomplete, Exit::BadInput, Exit::Findings];
        for (place, less) in order.iter().enumerate() {
            for more in &order[place..] {
                assert_eq!((less.or(*more), more.or(*less)), (*more, *more));
            }
        }
    }
}

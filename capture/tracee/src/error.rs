//! Why there are no events.

use std::error::Error as _;
use std::time::Duration;

use tonic::{Code, Status};

use crate::Address;

/// Tracee cannot be reached, or it is not Tracee that answers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody can be reached there.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// The address.
        address: Address,
        /// Why not.
        reason: String,
    },
    /// Nobody answers.
    #[error("{address} gives no answer within {} s", after.as_secs())]
    Silent {
        /// The address.
        address: Address,
        /// How long was waited.
        after: Duration,
    },
    /// Somebody else answers.
    #[error("{address} does not answer as Tracee does: {reason}")]
    NotTracee {
        /// The address.
        address: Address,
        /// What it says.
        reason: String,
    },
    /// The connection is no longer wanted.
    #[error("stopped before {address} had answered")]
    Stopped {
        /// The address.
        address: Address,
    },
    /// The machine refuses a thread, or what a runtime needs.
    #[error("cannot read a stream: {0}")]
    Machine(#[from] std::io::Error),
}

/// What a call says that failed, in a few words.
pub(crate) fn reason(status: &Status) -> String {
    // Nobody answered the call: the client made the status itself.
    if let Some(cause) = status.source() {
        return format!("the connection failed: {}", last_cause(cause));
    }
    match status.code() {
        Code::Unimplemented => "it has no such service".to_owned(),
        code if status.message().is_empty() => code.description().to_owned(),
        code => format!("{} ({})", status.message(), name(code)),
    }
}

/// A code as the gRPC documents spell it.
fn name(code: Code) -> String {
    let name = format!("{code:?}");
    let mut spelled = String::new();
    for (index, letter) in name.char_indices() {
        if index > 0 && letter.is_ascii_uppercase() {
            spelled.push('_');
        }
        spelled.push(letter.to_ascii_uppercase());
    }
    spelled
}

/// The last cause of an error: clients often say only there what went wrong.
pub(crate) fn last_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_failed_say_why() {
        for (status, said) in [
            (Status::unimplemented("unknown service"), "it has no such service"),
            (Status::data_loss("gone"), "gone (DATA_LOSS)"),
            (
                Status::unavailable("shutting down"),
                "shutting down (UNAVAILABLE)",
            ),
            (Status::cancelled(""), Code::Cancelled.description()),
        ] {
            assert_eq!(reason(&status), said);
        }
    }
}

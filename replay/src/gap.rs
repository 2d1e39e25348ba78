//! What could not be read.

use std::fmt;

use capture::{Error, SeqRange};
use serde::Serialize;

/// Events that are in the capture and could not be read. The run goes on without them.
///
/// It is always a whole row group (or file, if its footer cannot be read), so that what is missing does not depend on how the
/// run is cut into batches and windows. One with several broken columns that detectors asked for is told once for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Gap {
    /// Type of the events.
    pub event_type: String,
    /// First sequence number of the stretch that they lie in.
    pub first_seq: u64,
    /// Last sequence number of it.
    pub last_seq: u64,
    /// Number of events, as far as the capture tells.
    pub events: u64,
    /// What is wrong: file, row group, column and reason.
    pub reason: String,
}

impl Gap {
    /// Events of `event_type` in `seq` could not be read because of `reason`.
    pub(crate) fn new(event_type: &str, seq: SeqRange, events: u64, reason: String) -> Self {
        Self {
            event_type: event_type.to_owned(),
            first_seq: seq.first,
            last_seq: seq.last,
            events,
            reason,
        }
    }

    /// The same for an error; one that is not about what the capture holds comes back.
    pub(crate) fn of_error(
        event_type: &str,
        seq: SeqRange,
        events: u64,
        error: Error,
    ) -> Result<Self, Error> {
        if error.is_bad_input() {
            Ok(Self::new(event_type, seq, events, error.to_string()))
        } else {
            Err(error)
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events of type {} between {} and {} could not be read: {}",
            self.events, self.event_type, self.first_seq, self.last_seq, self.reason
        )
    }
}

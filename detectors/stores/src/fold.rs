//! What every store that grows with a recording does.

use arrow::array::RecordBatch;

use crate::reads::{Reads, Seen};
use crate::rows::RowsError;

/// A deterministic fold over events and inputs, with history.
///
/// Inputs are what events alone do not carry: snapshots at the start, and what was found out later. An input with sequence
/// number `seq` takes effect before event `seq`. Calls come in order of sequence numbers, at equal ones inputs first.
///
/// What is left out here is that of a store which inputs alone make: it needs no keyframes, since a replay that starts in the
/// middle is told all inputs from the beginning, and nothing in it ends by itself.
pub(crate) trait Fold {
    /// The events that change the store, and what it reads of them.
    fn reads(&self) -> &'static [Reads] {
        &[]
    }

    /// Takes an input.
    fn input(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError>;

    /// Applies an event of one of the types that it [reads](Self::reads).
    fn event(&mut self, _event: &Seen<'_>) {}

    /// The state that all questions about later events depend on, as rows; `None` if all of it comes from inputs.
    fn keyframe(&self) -> Option<RecordBatch> {
        None
    }

    /// Takes the state that a [`keyframe`](Self::keyframe) holds, made of all events before `seq`, into an empty store.
    fn restore(&mut self, _seq: u64, _rows: &RecordBatch) -> Result<(), RowsError> {
        Ok(())
    }

    /// Number of rows of a keyframe, about.
    fn weight(&self) -> u64 {
        0
    }

    /// Number of things that [`forget`](Self::forget) looks at. It depends on the state alone, not on what history is kept.
    fn things(&self) -> u64 {
        0
    }

    /// Drops history that only questions about events before `seq` depend on.
    fn compact(&mut self, seq: u64);

    /// Forgets, as of event `seq`, what ended before `horizon_ns` (ns since the Unix epoch) and nothing alive depends on.
    fn forget(&mut self, _seq: u64, _horizon_ns: u64) {}
}

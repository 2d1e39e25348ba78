//! What every store that grows with a recording does.

use arrow::array::RecordBatch;
use detectors_api::event::Event;

use crate::rows::RowsError;

/// A deterministic fold over events and inputs, with history.
///
/// Inputs are what events alone do not carry: snapshots at the start, and what was found out later. An input with sequence
/// number `seq` takes effect before event `seq`. Calls come in order of sequence numbers, at equal ones inputs first.
pub(crate) trait Fold {
    /// The event types that change the store.
    fn event_types(&self) -> &'static [&'static str];

    /// Takes an input.
    fn input(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError>;

    /// Applies an event of one of [`event_types`](Self::event_types).
    fn event(&mut self, event: &Event<'_>);

    /// The state that all questions about later events depend on, as rows; `None` if all of it comes from inputs.
    fn keyframe(&self) -> Option<RecordBatch>;

    /// Takes the state that a [`keyframe`](Self::keyframe) holds, made of all events before `seq`, into an empty store.
    fn restore(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError>;

    /// Number of rows of a keyframe, about.
    fn weight(&self) -> u64;

    /// Drops history that only questions about events before `seq` depend on.
    fn compact(&mut self, seq: u64);

    /// Forgets, as of event `seq`, what ended before `horizon_ns` (ns since the Unix epoch) and nothing alive depends on.
    fn forget(&mut self, seq: u64, horizon_ns: u64);
}

//! One pass of events through stores and engine: the code path that live detection and replay share.

use arrow::array::RecordBatch;
use detectors_api::event::EventBatch;
use detectors_engine::{Detection, Engine, Warning};
use detectors_stores::{FoldError, Stores};

/// An engine and the stores that its detectors ask.
///
/// Feed it stretch after stretch of the total order. How the order is cut into stretches, and a stretch into batches, does not
/// change the detections.
#[derive(Debug)]
pub struct Pass {
    engine: Engine,
    stores: Stores,
}

impl Pass {
    /// A pass that begins with the process snapshot of a recording.
    ///
    /// # Errors
    /// If the snapshot is malformed.
    pub fn new(engine: Engine, process_snapshot: &[RecordBatch]) -> Result<Self, FoldError> {
        let mut stores = Stores::new();
        stores.load_process_snapshot(process_snapshot)?;
        Ok(Self { engine, stores })
    }

    /// The event types that [`feed`](Self::feed) looks at, sorted.
    #[must_use]
    pub fn event_types(&self) -> Vec<&str> {
        let mut types = self.engine.subscribed_events();
        types.extend(Stores::event_types());
        types.sort_unstable();
        types.dedup();
        types
    }

    /// Takes the events of the next stretch and gives what the detectors found in them, in order.
    ///
    /// # Errors
    /// If the events do not come after those of the last stretch.
    pub fn feed(&mut self, batches: &[EventBatch]) -> Result<Vec<Detection>, FoldError> {
        self.stores.apply(batches)?;
        Ok(self.engine.process(batches, &self.stores))
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Ends the pass: detectors are closed. Gives back the engine, for its counts, and what detectors failed to close.
    #[must_use]
    pub fn finish(mut self) -> (Engine, Vec<Warning>) {
        let warnings = self.engine.close();
        (self.engine, warnings)
    }
}

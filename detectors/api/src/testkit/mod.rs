//! For the tests of detectors: events made by hand, stores that say what a test wants, and calls without an engine.
//!
//! Everything here panics on misuse, with a text that says what to change: it is for tests. [`call`] asks a stateless detector about
//! one event; [`Direct`] starts a detector of either kind, with settings and [`MockStores`]. What the engine adds (filters,
//! requirements, chains, auto-population) is tested with the harness of the engine's own test kit.
//!
//! ```
//! use detectors_api::prelude::*;
//! use detectors_api::testkit::{TestEvent, call};
//! # struct Opens;
//! # impl EventDetector for Opens {
//! #     fn definition(&self) -> DetectorDefinition { DetectorDefinition::new("X-1", "opens") }
//! #     fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
//! #         Ok(event.get::<&str>("pathname").map(|path| Output::new().with("file", path)).into())
//! #     }
//! # }
//! let outputs = call(&Opens, &TestEvent::new("security_file_open").set("pathname", "/etc/shadow")).unwrap();
//! assert_eq!(outputs.len(), 1);
//! ```

mod direct;
mod event;
mod stores;

pub use direct::{Direct, Started};
pub use event::TestEvent;
pub use stores::MockStores;

use crate::detector::{Context, EventDetector, Result};
use crate::event::{BatchBuilder, EventBatch, RecordedEvent};
use crate::output::Outputs;
use crate::stores::NullStores;

/// What `detector` makes of `event`, without filters and without stores.
///
/// # Errors
/// Those of the detector.
pub fn call(detector: &dyn EventDetector, event: &TestEvent) -> Result<Outputs> {
    let batches = batches(std::slice::from_ref(event));
    detector.on_event(&batches[0].event(0), &Context::new(&NullStores))
}

/// The batches that a recorder would make of `events`, numbered from 1 in this order.
#[must_use]
pub fn batches(events: &[TestEvent]) -> Vec<EventBatch> {
    let recorded: Vec<_> = events.iter().map(TestEvent::to_recorded).collect();
    batches_of(&recorded)
}

/// As [`batches`], for recorded events.
#[must_use]
pub fn batches_of(events: &[RecordedEvent]) -> Vec<EventBatch> {
    let mut builder = BatchBuilder::default();
    for (seq, event) in (1..).zip(events) {
        builder.push(seq, event);
    }
    builder.finish().batches
}

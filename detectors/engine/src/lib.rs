//! The detector engine: from batches of events to detections.
//!
//! [`EngineBuilder`] checks detectors all at once and says everything that is wrong with them; [`Engine`] runs those that
//! are in order. Live detection, replay and tests call the same [`Engine::process`]. Invariants:
//!
//! * The detections of some events depend on those events and on the stores alone: not on how the events are cut into
//!   batches, nor on the number of threads, nor on a clock.
//! * They come in the order of (sequence number of the event, level, detector id, output index). A detection from a
//!   recorded event has level 1, one from a detection of level n has level n + 1; there are at most
//!   [`MAX_LEVELS`] levels.
//! * Detectors see the stores as of the event, the event itself included.
//! * A detector that fails or panics is counted and reported with the event; all others go on.
//!
//! ```
//! use detectors_api::prelude::*;
//! use detectors_api::testkit::{TestEvent, batches};
//! use detectors_engine::EngineBuilder;
//! use detectors_stores::Stores;
//!
//! struct ShadowRead;
//!
//! impl EventDetector for ShadowRead {
//!     fn definition(&self) -> DetectorDefinition {
//!         DetectorDefinition::new("ACME-002", "shadow_read")
//!             .on(EventRequirement::new("security_file_open").data("pathname=/etc/shadow"))
//!     }
//!
//!     fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
//!         Ok(Output::new().into())
//!     }
//! }
//!
//! let registered = EngineBuilder::new().detector(ShadowRead).architecture("x86_64").build();
//! for problem in registered.refusals.iter().chain(&registered.warnings) {
//!     println!("{problem}");
//! }
//! let mut engine = registered.engine;
//! assert_eq!(engine.subscribed_events(), ["security_file_open"]);
//!
//! let window = batches(&[
//!     TestEvent::new("security_file_open").set("pathname", "/etc/passwd"),
//!     TestEvent::new("security_file_open").set("pathname", "/etc/shadow"),
//! ]);
//! let mut stores = Stores::new();
//! stores.apply(&window)?;
//! let detections = engine.process(&window, &stores);
//! assert_eq!(detections[0].order(), (2, 1, "ACME-002", 0));
//! # Ok::<(), detectors_stores::FoldError>(())
//! ```

mod dispatch;
mod engine;
pub mod filter;
mod graph;
mod populate;
mod problem;
mod registry;
mod restriction;
mod selection;
mod slot;
mod stats;
pub mod testkit;

pub use engine::{Detection, Engine, LifecycleError};
pub use problem::{Problem, Reason, Refusal, Warning};
pub use registry::{EngineBuilder, Registered};
pub use restriction::Restriction;
pub use selection::{Described, Evaluation, Facts, Purpose, Selector, Survivors};
pub use stats::{Counts, DetectorStats, Failure, FailureKind, Note, SlowestCall, Timing};

/// Longest chain of detectors that consume each other's events.
pub const MAX_LEVELS: usize = 5;

/// Number of ancestors that a detection gets when its detector asks for them, unless the output says otherwise.
pub const ANCESTRY_DEPTH: u32 = 5;

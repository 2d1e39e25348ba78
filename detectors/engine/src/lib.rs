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

mod dispatch;
mod engine;
pub mod filter;
mod graph;
mod populate;
mod problem;
mod registry;
mod stats;
pub mod testkit;

pub use engine::{Detection, Engine};
pub use problem::{Problem, Reason, Refusal, Warning};
pub use registry::{EngineBuilder, Registered};
pub use stats::{Counts, DetectorStats, Failure, FailureKind};

/// Longest chain of detectors that consume each other's events.
pub const MAX_LEVELS: usize = 5;

/// Number of ancestors that a detection gets when its detector asks for them, unless the output says otherwise.
pub const ANCESTRY_DEPTH: u32 = 5;

//! Running detectors over captures, and live while one is recorded.
//!
//! Both are the same: what detectors want of a stretch of the total order of events is selected
//! ([`Selector::select`](detectors_engine::Selector::select)), the stores take the stretch
//! ([`Stores::advance`](detectors_stores::Stores::advance)), and what was selected goes through the detectors
//! ([`Engine::run`](detectors_engine::Engine::run)). Where the stretches are cut, how many threads there are and how batches are
//! sized does not change a byte of the result. [`Replay`] does so over a capture; the capture's writer and [`LiveDetection`] do
//! so with every flush of a recording.

mod error;
mod executor;
mod expect;
mod gap;
mod live;
mod plan;
pub mod provenance;
pub mod restriction;
mod run;
mod sinks;
mod stats;

pub use error::Error;
pub use expect::{Comparison, ExpectError, Expectation};
pub use gap::Gap;
pub use live::LiveDetection;
pub use plan::{Plan, PlannedDetector, PlannedTest, StoreRead, TypeRead};
pub use provenance::Provenance;
pub use restriction::Restrictions;
pub use run::{Options, Outcome, Progress, ReadCount, Replay, Stages};
pub use sinks::{
    Capture, Ending, Format, Roster, Signatures, Writer, Written, detection_rows, detection_schema,
    severity_name, table,
};
pub use stats::{stats_table, troubles};

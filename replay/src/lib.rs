//! Running detectors over captures, and live while one is recorded.
//!
//! Both are the same: a stretch of the total order of events goes into the stores
//! ([`Stores::advance`](detectors_stores::Stores::advance)) and then through the engine
//! ([`Engine::process`](detectors_engine::Engine::process)). Where the stretches are cut, how many threads there are and how
//! batches are sized does not change a byte of the result. [`run()`] does so over a capture; the capture's writer and
//! [`LiveDetection`] do so with every flush of a recording.

mod error;
mod expect;
mod live;
pub mod provenance;
pub mod restriction;
mod run;
mod sinks;
mod stats;

pub use error::Error;
pub use expect::{Comparison, ExpectError, Expectation};
pub use live::LiveDetection;
pub use provenance::Provenance;
pub use restriction::Restrictions;
pub use run::{Options, run, stores_for};
pub use sinks::{
    Capture, Ending, Format, Roster, Signatures, Writer, Written, detection_rows, detection_schema,
    severity_name, table,
};
pub use stats::{stats_table, troubles};

//! Running detectors over captures, and live while one is recorded.
//!
//! Both are the same: a stretch of the total order of events goes into the stores and then through the engine ([`Pass`]).
//! Where the stretches are cut, how many threads there are and how batches are sized does not change a byte of the result.
//! [`run()`] drives a pass over a capture; the recorder drives one with every flush.

mod error;
mod live;
mod output;
mod pass;
mod provenance;
mod rows;
mod run;
mod table;

pub use error::Error;
pub use live::LiveDetection;
pub use output::{Format, Writer, Written};
pub use pass::Pass;
pub use provenance::{DetectorRun, Provenance};
pub use rows::{detection_rows, detection_schema};
pub use run::{Options, run};
pub use table::{severity_name, table};

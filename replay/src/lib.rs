//! Running detectors over captures, and live while one is recorded.
//!
//! Both are the same: a stretch of the total order of events goes into the stores and then through the engine. Where the
//! stretches are cut, how many threads there are and how batches are sized does not change a byte of the result.

mod table;

pub use table::{severity_name, table};

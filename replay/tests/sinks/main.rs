//! The forms in which detections leave.
//!
//! All tests look at the same few [`detections`], which have what forms get wrong: chains, several tactics, containers and
//! pods, detections that are no threats, detections without a process or a time, and characters that mean something to a form.

mod csv;
mod detections;
mod documentation;
mod expect;
mod junit;
mod ocsf;
mod parquet;
mod samples;
mod sarif;
mod writer;

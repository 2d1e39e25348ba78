//! Detectors written in YAML and CEL.
//!
//! This room is furnished with the detector format; for now detectors are Rust types (see `detectors/builtin`).

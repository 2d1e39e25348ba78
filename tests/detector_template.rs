//! What `tracee-cap detectors new rust` writes compiles, and its own tests pass: it is compiled and run here as it stands.

#[path = "../src/detectors/templates/detector.rs"]
mod detector;

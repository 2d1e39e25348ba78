//! Detectors written in YAML and CEL.

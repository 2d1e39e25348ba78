//! The built-in detectors, one file each.

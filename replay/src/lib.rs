//! Running detectors over captures.

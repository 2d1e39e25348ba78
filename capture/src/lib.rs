//! The capture format and the recording pipeline.

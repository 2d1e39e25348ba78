//! What can go wrong in a run.

use detectors_stores::FoldError;

/// A run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The capture could not be read.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// The state around events could not be rebuilt.
    #[error("the stores cannot be rebuilt from the capture")]
    Stores(#[from] FoldError),
    /// Detections could not be compared with the expected ones.
    #[error(transparent)]
    Expected(#[from] crate::ExpectError),
    /// Detections could not be written.
    #[error("cannot write the detections")]
    Output(#[from] std::io::Error),
    /// Threads could not be started.
    #[error("cannot start threads")]
    Threads(#[source] rayon::ThreadPoolBuildError),
    /// The run was ended from outside.
    #[error("the run was cancelled")]
    Cancelled,
}

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
    /// The stores begin after what the run needs of them; see [`stores_for`](crate::stores_for).
    #[error("the stores begin at event {settled}, but the run needs them from event {wanted} on")]
    LateStores {
        /// Where they begin.
        settled: u64,
        /// Where they should.
        wanted: u64,
    },
    /// Detections could not be compared with the expected ones.
    #[error(transparent)]
    Expected(#[from] crate::ExpectError),
    /// Detections could not be written.
    #[error("cannot write the detections")]
    Output(#[from] std::io::Error),
}

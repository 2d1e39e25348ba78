//! What can go wrong with expected detections.

/// Expected detections could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum ExpectError {
    /// They could not be read.
    #[error("the expected detections cannot be read")]
    Read(#[from] std::io::Error),
    /// A line is no detection.
    #[error("line {line} of the expected detections is no JSON object: give a file as `-o ndjson` writes it")]
    Json {
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A line is longer than any detection may be.
    #[error("line {line} of the expected detections has more than 64 MiB")]
    Long {
        /// Number of the line, from 1.
        line: u64,
    },
    /// What this program writes was not understood by itself.
    #[error("a detection that was found cannot be compared")]
    Written(#[source] serde_json::Error),
}

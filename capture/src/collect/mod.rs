//! Collectors: what a recorder tells stores about this machine, beside events.
//!
//! | collector | input of the store |
//! |---|---|
//! | [`system`] | system: what the host is |
//! | [`symbols`] | symbol: what is where in the kernel |
//! | [`custom`] | custom: what a file of the user says |
//!
//! What cannot be read is left out and told as a warning; a recording is worth more than its last detail.

mod symbols;
mod system;

pub use symbols::{SymbolsError, symbols};
pub use system::system;

use std::path::Path;

use detectors_stores::Input;
use detectors_stores::custom::{FileError, load};

/// What was collected, and what is missing from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Collected {
    /// For the store.
    pub input: Input,
    /// What the user should know, in sentences.
    pub warnings: Vec<String>,
}

/// The entries of a custom store from the file `path`, to take effect before event `seq`.
///
/// # Errors
/// If the file cannot be read or is malformed: the error tells the line and the member.
pub fn custom(path: &Path, seq: u64) -> Result<Input, FileError> {
    load(path).map(|file| file.to_input(seq))
}

//! Collectors: what a recorder tells stores about this machine, beside events.
//!
//! | collector | input of the store |
//! |---|---|
//! | [`system()`] | system: what the host is |
//! | [`symbols()`] | symbol: what is where in the kernel |
//!
//! What cannot be read is left out and told as a warning; a recording is worth more than its last detail.

mod symbols;
mod system;

pub use symbols::{SymbolsError, symbols};
pub use system::system;

use detectors_stores::Input;

/// What was collected, and what is missing from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Collected {
    /// For the store.
    pub input: Input,
    /// What the user should know, in sentences.
    pub warnings: Vec<String>,
}

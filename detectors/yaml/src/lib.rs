//! Detectors written in YAML and CEL.
//!
//! A file holds one detector or one list of texts ([`list`]). [`load`] reads files and directories; what comes out are
//! [`YamlDetector`]s, which the engine runs like any other, and every error of every file with its line and column.
//! Invariants:
//!
//! * Files come from anybody: their size, nesting and growth are bounded, and none makes the loader panic.
//! * Nothing is passed over in silence: an unknown key is an error.
//! * This crate knows nothing of the engine. What only registration can find out, such as an event that does not exist,
//!   is brought back to a place in the file by the detector's [`Origin`].

pub mod cel;
mod compile;
pub mod document;
pub mod error;
pub mod list;
pub mod load;
pub mod schema;
pub mod settings;
pub mod source;

mod detector;

pub use detector::{Origin, YamlDetector};

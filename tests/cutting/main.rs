//! Captures made of captures through the command line: converted, sliced, merged, exported.

mod convert;
mod export;
mod merge;
mod slice;
mod support;

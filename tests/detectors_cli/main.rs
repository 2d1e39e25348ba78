//! Choosing detectors, and the `detectors` subcommand, through the binary and on captures.

mod authoring;
mod browsing;
mod choosing;
mod findings;
mod incident;

//! Fuzz targets: what reads files that others wrote, and packets that others sent.
//!
//! A target is a function that takes any bytes and panics when something is wrong: not only when the code under test
//! panics, but also when two ways to the same answer disagree. `./dev fuzz` gives it bytes from libFuzzer and keeps those
//! that reached something new in its [`corpus`]; an ordinary test runs every target over its corpus, so that what was once
//! found stays mended.

mod cel;
pub mod corpus;
mod events;
mod filter;
mod pack;
mod pages;
mod record;
mod sample;
mod text;
mod yaml;

pub use cel::cel;
pub use filter::filter;
pub use pack::pack;
pub use pages::pages;
pub use record::record;
pub use text::text;
pub use yaml::yaml;

/// What a target is: any bytes are fine, a panic is a find.
pub type Target = fn(&[u8]);

/// The targets by name; each has a corpus of that name.
pub const TARGETS: [(&str, Target); 7] = [
    ("cel", cel),
    ("filter", filter),
    ("pack", pack),
    ("pages", pages),
    ("record", record),
    ("text", text),
    ("yaml", yaml),
];

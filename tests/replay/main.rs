//! `replay` through the binary.

mod basics;
mod captures;
mod endings;
mod explain;
mod forms;
mod help;
mod progress;
mod provenance;
mod restrictions;
mod support;

//! `tracee-cap test` and `tracee-cap fixture new`, through the binary.

mod blessing;
mod covering;
mod mistakes;
mod new;
mod recorded;
mod support;
mod verdicts;

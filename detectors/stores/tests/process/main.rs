//! The process store, told what happens on a small host.

mod host;
mod life;
mod retention;
mod rules;
mod vectors;

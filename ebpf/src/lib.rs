//! The live sensor: what happens on this machine, seen by eBPF programs.
//!
//! * `src/bpf/`: the programs, in C with CO-RE relocations, one file per family of hooks, one object;
//! * [`abi`]: the records they write, and the parser, which trusts nothing it reads;
//! * [`plan`]: for each event an ordered list of hooks, and what each of them loses;
//! * [`Sensor`]: tries the plan on the running kernel, keeps what it takes, reads the records;
//! * [`order`]: records in order of time, and the losses between them;
//! * [`tasks`]: the tasks that are alive when a recording starts;
//! * [`symbols`]: where things are in the kernel;
//! * [`kernel`]: what this kernel and this process's privileges allow; [`clock`]: from boot time to wall clock.
//!
//! Invariants: every record that a program makes is counted on its CPU, so that each one that does not arrive is noticed and
//! placed between two that did; a program that the kernel refuses costs its events or a part of them, never the recording;
//! the recorder never sees itself.
//!
//! The recording pipeline (`capture::live`) is the only caller besides `doctor`.

pub mod abi;
pub mod clock;
mod error;
pub mod filters;
mod integrity;
pub mod kernel;
mod loader;
pub mod order;
pub mod plan;
mod sensor;
pub mod symbols;
pub mod syscalls;
pub mod tasks;

pub use error::Error;
pub use sensor::{
    Config, Counters, Drained, EventReport, ProgramCost, Scope, Sensor, Status, probe, verdicts,
};

//! The state around events: deterministic folds with history.
//!
//! A store is fed with what a recording knows beside its events (*inputs*: snapshots at the start, and what was found out
//! later) and with events, in the order of their sequence numbers. It keeps history, so that it can be asked as of any
//! sequence number: the answer is the state after all events up to and including it. Invariants:
//!
//! * the state after N events depends on the inputs and on those events alone: not on how they were cut into batches, nor on
//!   what else was recorded, nor on a clock;
//! * reading changes nothing;
//! * a [keyframe](Stores::keyframes) stands for everything before it: stores that begin with it and are fed with the rest
//!   answer every later question as those that saw everything.
//!
//! | store | fed by | module |
//! |---|---|---|
//! | process | tasks at the start, fork, exec and exit events | [`process`] |
//! | container | cgroups at the start, cgroup and container events, what container runtimes said | [`container`] |
//! | DNS | DNS events | [`dns`] |
//! | system, kernel symbols | snapshots | [`system`], [`symbol`] |
//! | system calls | the architecture | [`syscall`] |
//! | custom, IP reputation | files of the user | [`custom`] |
//!
//! The old data sources ([`legacy`]) are adapters on the same stores. Replay, live detection, queries and the engine's tests
//! feed and ask them.

pub mod container;
pub mod custom;
pub mod dns;
mod fold;
mod keyframes;
pub mod legacy;
mod machine;
pub mod process;
mod reads;
pub mod rows;
mod source;
mod stores;
pub mod symbol;
pub mod syscall;
pub mod system;
mod versions;
mod view;

pub use keyframes::join_keyframes;
pub use machine::MachineStores;
pub use source::StoreSource;
pub use stores::{FoldError, Input, Settings, Stores};
pub use view::StoresAt;

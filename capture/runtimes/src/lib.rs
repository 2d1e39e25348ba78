//! Asks container runtimes what they know about containers: name, image, pod, start.
//!
//! Cgroups name containers by id; the rest only their runtimes know. [`Runtimes`] asks them over their sockets, on a thread of
//! its own, so that a recorder never waits: it asks as it sees containers and takes answers as they come. A slow or missing
//! runtime costs an error as an answer, never more. Answers become rows of the container store's input table.
//!
//! | runtime | interface | default socket |
//! |---|---|---|
//! | Docker | Docker Engine API | `/var/run/docker.sock` |
//! | containerd | its own gRPC API, and CRI for images | `/var/run/containerd/containerd.sock` |
//! | CRI-O | CRI | `/var/run/crio/crio.sock` |
//! | Podman | Docker Engine API | `/var/run/podman/podman.sock` |
//!
//! Invariants: every question is answered once, with facts or an error, within a time that is bounded; runtimes are only read
//! from; facts are about the container that was asked for, whatever else its runtime finds under that text.

mod answer;
mod containerd;
mod cri;
mod docker;
mod error;
mod kubernetes;
mod sockets;
#[cfg(feature = "testkit")]
pub mod testkit;
mod worker;

pub use answer::Answer;
pub use error::{Cause, Error};
pub use sockets::{Skipped, Sockets};
pub use worker::Runtimes;

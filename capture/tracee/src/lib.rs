//! Takes events from a running Tracee, over its gRPC API.
//!
//! [`Tracee::connect`] finds out whether it is Tracee that answers, and which version; [`Tracee::stream`] makes a
//! [`Stream`](capture::live::Stream) of its events, which a recorder takes. Three calls are used:
//!
//! | service | call | what for |
//! |---|---|---|
//! | `tracee.v1beta1.TraceeService` | `GetVersion` | who it is |
//! | `tracee.v1beta1.TraceeService` | `StreamEvents` | its events, of all policies |
//! | `tracee.v1beta1.DiagnosticService` | `GetMetrics` | how many events it has lost, once a second |
//!
//! Invariants: Tracee is only read from; an event that is damaged costs that event, not the stream; fields that our schema
//! does not know are kept; a recorder that is too slow makes Tracee wait, as far as HTTP/2 lets it.

mod address;
mod client;
mod error;
mod messages;
mod stream;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use address::{Address, AddressError};
pub use error::Error;
pub use stream::Tracee;

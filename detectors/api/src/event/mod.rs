//! Events in memory: batches in Arrow, their builder, and the view of one event.
//!
//! [`RecordedEvent`] is the boundary form: the protobuf event and what a recorder knows beyond it. [`BatchBuilder`] turns
//! recorded events into [`EventBatch`]es, one per event type, and rows of the process-context table ([`Contexts`]).
//! [`Event`] is a view of one row; [`Event::to_recorded`] gives back exactly what was pushed.

mod batch;
mod builder;
mod contexts;
mod late;
mod parts;
mod value;
mod view;

pub use batch::{BatchError, EventBatch};
pub use builder::{BatchBuilder, Built};
pub use contexts::{Context, Contexts, context_schema};
pub use late::{ColumnSource, Rows};
pub use parts::{ContainerView, K8sView, ParentView, ProcessView, ThreadView};
pub use value::{FromValue, SockAddrRef, TextList, Value, text};
pub use view::Event;

use crate::proto;

/// An event at the boundary: as imported, as exported, as a sensor made it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedEvent {
    /// The event proper.
    pub event: proto::Event,
    /// What the recorder knows beyond the event model.
    pub kernel: KernelContext,
    /// What the input had and no model holds: a JSON object from JSON pointers to values, sorted by pointer.
    pub unmapped: Option<String>,
}

impl From<proto::Event> for RecordedEvent {
    fn from(event: proto::Event) -> Self {
        Self {
            event,
            ..Self::default()
        }
    }
}

/// Facts about the acting task that the v1beta1 event model has no place for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KernelContext {
    /// CPU on which the event happened.
    pub processor: Option<u32>,
    /// Cgroup id: the inode number of the cgroup directory.
    pub cgroup_id: Option<u64>,
    /// Inode number of the mount namespace.
    pub mount_ns: Option<u32>,
    /// Inode number of the pid namespace.
    pub pid_ns: Option<u32>,
    /// UTS node name.
    pub host_name: Option<String>,
}

/// What the columns of an event cannot hold exactly. Kept as protobuf bytes in the `_extra` column.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Extra {
    /// The event's data, where it is not exactly the catalogue's fields in order and type; then it is authoritative.
    #[prost(message, optional, tag = "1")]
    pub data: Option<Data>,
    /// Threat of an imported detection.
    #[prost(message, optional, tag = "2")]
    pub threat: Option<proto::Threat>,
    /// Origin of an imported detection.
    #[prost(message, optional, tag = "3")]
    pub detected_from: Option<proto::DetectedFrom>,
    /// Timestamp that does not fit into 64-bit ns.
    #[prost(message, optional, tag = "4")]
    pub timestamp: Option<prost_types::Timestamp>,
    /// Stack that has symbols.
    #[prost(message, optional, tag = "5")]
    pub user_stack: Option<proto::UserStackTrace>,
    /// See [`RecordedEvent::unmapped`].
    #[prost(string, optional, tag = "6")]
    pub unmapped: Option<String>,
}

/// A list of event fields.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Data {
    /// The fields.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<proto::EventValue>,
}

/// ns since the Unix epoch of a canonical timestamp (0 ≤ nanos < 10⁹) that fits.
#[must_use]
pub fn timestamp_ns(timestamp: &prost_types::Timestamp) -> Option<i64> {
    if !(0..1_000_000_000).contains(&timestamp.nanos) {
        return None;
    }
    timestamp
        .seconds
        .checked_mul(1_000_000_000)?
        .checked_add(i64::from(timestamp.nanos))
}

/// The timestamp `ns` after the Unix epoch.
#[must_use]
pub fn timestamp_from_ns(ns: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: ns.div_euclid(1_000_000_000),
        // Below 10⁹, so it fits.
        nanos: ns.rem_euclid(1_000_000_000) as i32,
    }
}

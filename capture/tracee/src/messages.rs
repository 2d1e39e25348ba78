//! The messages of the calls, as far as they are used. Fields that are not named here are skipped, as protobuf does.

use bytes::Bytes;
use prost::Message;

/// Paths of the calls.
pub(crate) const GET_VERSION: &str = "/tracee.v1beta1.TraceeService/GetVersion";
pub(crate) const STREAM_EVENTS: &str = "/tracee.v1beta1.TraceeService/StreamEvents";
pub(crate) const GET_METRICS: &str = "/tracee.v1beta1.DiagnosticService/GetMetrics";

/// `GetVersionRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetVersionRequest {}

/// `GetVersionResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetVersionResponse {
    /// Such as `v0.24.1`.
    #[prost(string, tag = "1")]
    pub(crate) version: String,
}

/// `StreamEventsRequest`: without policies and mask, all of all events.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamEventsRequest {}

/// `StreamEventsResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamEventsResponse {
    /// An `Event`, not decoded: a message and bytes look the same on the wire. So a damaged one is not a broken stream, and what our
    /// schema does not know is kept.
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) event: Bytes,
}

/// `GetMetricsRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetMetricsRequest {}

/// `GetMetricsResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetMetricsResponse {
    /// Events that the kernel had and Tracee did not get, since it started.
    #[prost(uint64, tag = "6")]
    pub(crate) lost_events: u64,
}

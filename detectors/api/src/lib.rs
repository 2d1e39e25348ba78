//! What a detector author sees: events, the catalogue, definitions, outputs and store traits.
//!
//! This crate owns the vocabulary that every other crate speaks:
//!
//! * [`proto`]: the `tracee.v1beta1` messages, the form in which events cross our boundary (import, export, gRPC);
//! * [`catalogue`]: all event definitions, compiled in from `data/events.tsv`;
//! * [`columns`]: how the fields of an event type lie in Arrow columns;
//! * [`event`]: batches of events in Arrow, the builder that fills them, and [`event::Event`], the view of one row;
//! * [`entity`]: bit-exact entity ids of processes and threads;
//! * [`detector`], [`definition`], [`output`], [`stores`]: what a detector is, needs, returns and can ask;
//! * [`testkit`]: events, stores and calls for the tests of detectors; [`spelling`]: what a misspelt name was meant to be;
//! * [`json`]: both JSON encodings of events; [`protobuf`]: streams of protobuf events.
//!
//! Invariants: an event that goes through [`event::BatchBuilder`] comes back equal from [`event::Event::to_recorded`];
//! reading an event never panics and never allocates unless the event is not exactly what the catalogue says.

#[cfg(any(test, feature = "arbitrary"))]
pub mod arbitrary;
pub mod catalogue;
pub mod columns;
pub mod definition;
pub mod depth;
pub mod detector;
pub mod entity;
pub mod event;
pub mod json;
pub mod output;
pub mod protobuf;
pub mod spelling;
pub mod stores;
pub mod testkit;

#[doc(hidden)]
pub use inventory;

/// What a detector author needs, to import at once.
pub mod prelude {
    pub use crate::catalogue::{FieldType, Version};
    pub use crate::definition::{
        AutoPopulate, DetectorDefinition, EnrichmentRequirement, EventRequirement, StoreRequirement, Threat,
    };
    pub use crate::detector::{
        Context, DetectorConfig, DetectorError, DetectorParams, EventDetector, Logger, Reach, Result,
        Stateful, StatefulDetector, registered,
    };
    pub use crate::event::{Event, SockAddrRef, TextList, Value};
    pub use crate::output::{Output, Outputs};
    pub use crate::register;
    pub use crate::stores::{ContainerInfo, ProcessInfo, Store, StoreError};
}

/// The messages of package `tracee.v1beta1`, generated from `proto/`.
pub mod proto {
    #![allow(clippy::all, unreachable_pub, missing_docs, reason = "generated code")]
    include!(concat!(env!("OUT_DIR"), "/tracee.v1beta1.rs"));
}

//! Recording what happens now: from the sensor's records, or another program's events, to a capture.
//!
//! [`record`] loads the sensor, tells the stores which tasks and control groups there are, and then, until it is told to stop,
//! takes records from the ring buffer, puts them in order of time, makes events of them and pushes them into a
//! [`CaptureWriter`]. An [`Enricher`] is asked about the containers that come into sight; its answers are told to the container
//! store as they come, and are in later events.
//!
//! [`record_stream`] takes the events of another program from a [`Stream`], which a thread reads: [`ndjson`] is the one that
//! comes through a pipe. Both go the same way from there: every flush goes to an [`Observer`], which may hand back detections.
//!
//! Invariants: an event is acknowledged when a flush has returned, and the observer sees it only then; losses are placed between
//! sequence numbers and times that hold them; `received = written + lost`, and a record that came too late to be put in
//! order is written all the same and counted. The events of a stream keep its order.

mod address;
mod command;
mod container_events;
mod containers;
mod convert;
mod enrichment;
mod fields;
mod hashes;
mod hierarchy;
mod host;
mod integrity;
mod line;
mod packets;
mod pipe;
mod privileges;
mod processes;
mod recorder;
mod recording;
mod session;
mod stack;
mod stream;

pub use arrow::array::RecordBatch;
pub use command::{RunningCommand, WaitingCommand};
pub use enrichment::{Enricher, EnrichmentAnswer};
pub use hashes::{HASH_ENRICHMENT, HashMode};
pub use line::LATE;
pub use packets::{Fields, Packets};
pub use pipe::ndjson;
pub use privileges::start_with_few;
pub use recorder::record;
pub use recording::{
    CONTAINER_ENRICHMENT, Config, Ended, Keep, LiveError, NoObserver, Observer, Progress, Recording, Started,
    Stop, Summary,
};
pub use stream::{Delivery, Outlet, Stream, StreamConfig, record_stream};

#[cfg(doc)]
use crate::CaptureWriter;

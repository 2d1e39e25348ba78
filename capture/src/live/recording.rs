//! What a recording is asked for, what it shows, and how it ends.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use detectors_api::event::{EventBatch, RecordedEvent};
use detectors_api::stores::Store;
use detectors_stores::{Input, Stores};
use ebpf::{EventReport, ProgramCost};

use super::hashes::HashMode;
#[cfg(doc)]
use super::record;
use crate::manifest::{Header, Manifest, format_time};
use crate::{Error, Unreadable, WriterOptions};

/// Name in a capture's manifest of the enrichment that container runtimes give.
pub const CONTAINER_ENRICHMENT: &str = "container";

/// What is asked of a recording, wherever its events come from.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Where the capture is made.
    pub path: PathBuf,
    /// How it is written.
    pub writer: WriterOptions,
    /// How often events are acknowledged.
    pub flush_interval: Duration,
    /// Ends the recording after this time.
    pub duration: Option<Duration>,
    /// Ends the recording when the capture has about this many bytes.
    pub max_bytes: Option<u64>,
    /// What stores are told from the beginning, beside what the recorder collects.
    pub inputs: Vec<Input>,
    /// How long stores keep what has ended; for ever, if `None`. It bounds their memory, and replay follows it.
    pub stores_retention: Option<Duration>,
    /// The recorder's command line, for the manifest.
    pub argv: Vec<String>,
}

impl Recording {
    /// Into a new capture at `path`, until told to stop.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            writer: WriterOptions::default(),
            flush_interval: Duration::from_secs(1),
            duration: None,
            max_bytes: None,
            inputs: Vec::new(),
            stores_retention: None,
            argv: Vec::new(),
        }
    }

    /// What the manifest says of it, whatever is recorded.
    pub(super) fn header(&self, now_ns: u64) -> Header {
        Header {
            created: Some(format_time(now_ns.cast_signed())),
            argv: self.argv.clone(),
            stores_retention_ns: self
                .stores_retention
                .map(|kept| u64::try_from(kept.as_nanos()).unwrap_or(u64::MAX)),
            ..Header::default()
        }
    }
}

/// Which events are kept, besides those that are always recorded.
pub trait Keep: Send + Sync + fmt::Debug {
    /// Whether an event is kept.
    fn keeps(&self, event: &RecordedEvent) -> bool;

    /// How it was asked for, for the manifest: `scope=uid=0`.
    fn described(&self) -> Vec<String>;
}

/// What to record of this machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is asked of the recording.
    pub recording: Recording,
    /// What the sensor watches. Its scope is set by [`record`] when there is a command.
    pub sensor: ebpf::Config,
    /// A command to run; then only it and its descendants are recorded, and its end ends the recording.
    pub command: Vec<OsString>,
    /// Which of the events that the sensor gives are kept; all, if `None`. What [`ebpf::Config::filters`] keeps out is not asked about.
    pub keep: Option<Arc<dyn Keep>>,
    /// How long records wait for others that happened before them; not shorter than the sensor's latency.
    pub window: Duration,
    /// Whether to keep the kernel's symbols: about 1 MB a capture.
    pub symbols: bool,
    /// Whether the SHA-256 of executed files is a field of the events that tell of them, and what tells files apart then.
    pub hashes: Option<HashMode>,
    /// How long an event waits for the hash of its file: a file that takes longer is told to the store [`LATE`](super::LATE).
    pub hash_patience: Duration,
    /// Whether the calling thread, and those that recording starts, keep rights only as far as recording goes on to need them: for a
    /// program that then does nothing else. The command runs with all of them.
    pub gives_up_rights: bool,
    /// How long the end of the recording waits for container runtimes that have not answered yet.
    pub answer_patience: Duration,
}

impl Config {
    /// Everything the sensor knows.
    #[must_use]
    pub fn new(recording: Recording) -> Self {
        let sensor = ebpf::Config::default();
        Self {
            recording,
            window: sensor.latency,
            sensor,
            command: Vec::new(),
            keep: None,
            symbols: true,
            hashes: None,
            hash_patience: Duration::from_millis(200),
            gives_up_rights: false,
            answer_patience: Duration::from_secs(2),
        }
    }

    /// The stores that detectors can ask while this is recorded, and later.
    #[must_use]
    pub fn stores(&self) -> Vec<Store> {
        let mut stores = vec![Store::Container, Store::Process, Store::Syscall, Store::System];
        if self
            .sensor
            .events
            .iter()
            .any(|event| event.starts_with("net_packet_dns"))
        {
            stores.push(Store::Dns);
        }
        if self.symbols {
            stores.push(Store::Symbol);
        }
        stores
    }
}

/// A recording that has begun.
#[derive(Debug)]
pub struct Started<'a> {
    /// How each event is got on this kernel.
    pub reports: &'a [EventReport],
}

/// How far a recording is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sequence number of the last event that is safe; none before the first.
    pub acknowledged_seq: Option<u64>,
    /// Events that the source had: `written + lost`.
    pub received: u64,
    /// Events that are safe.
    pub written: u64,
    /// Events that are known to be lost.
    pub lost: u64,
    /// Events that came too late to be put in order.
    pub late: u64,
    /// Size of the capture, bytes.
    pub bytes: u64,
    /// Rows of detections that the observer has handed back.
    pub detections: u64,
}

/// Sees a recording as it is made. All calls come from the recording thread: as long as they take, the ring buffer fills.
pub trait Observer {
    /// The sensor is attached. A stream of another program has none.
    fn started(&mut self, _started: &Started<'_>) {}

    /// A record of a stream cannot be read; what it held is not in the capture.
    fn unreadable(&mut self, _record: &Unreadable) {}

    /// These events have been acknowledged: one batch per event type. `stores` can be asked as of each of them. What it hands
    /// back goes into the capture's detections.
    ///
    /// # Errors
    /// An error ends the recording; what was acknowledged stays.
    fn flushed(
        &mut self,
        _batches: &[EventBatch],
        _stores: &Stores,
    ) -> Result<Vec<RecordBatch>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Vec::new())
    }

    /// A flush is done, even if there was nothing to flush.
    fn progress(&mut self, _progress: &Progress) {}
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}

/// Whether to stop; asked at least as often as the sensor's latency says, or several times a second.
pub trait Stop {
    /// Whether somebody wants the recording to end.
    fn requested(&mut self) -> bool;
}

impl<F: FnMut() -> bool> Stop for F {
    fn requested(&mut self) -> bool {
        self()
    }
}

/// Why a recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody wanted it.
    Requested,
    /// Its time was over.
    Duration,
    /// It was large enough.
    Size,
    /// The command ended like this.
    Command(ExitStatus),
    /// The stream ended by itself.
    Stream,
    /// The stream broke off, and this is why. What had come before is in the capture.
    Broken(String),
}

/// A recording that is complete.
#[derive(Debug)]
pub struct Summary {
    /// Why it ended.
    pub ended: Ended,
    /// The last progress.
    pub progress: Progress,
    /// What the capture holds.
    pub manifest: Manifest,
    /// How each event was got; empty without a sensor.
    pub reports: Vec<EventReport>,
    /// What the sensor's programs cost, where the kernel counts it.
    pub programs: Vec<ProgramCost>,
    /// CPU time that this process took meanwhile.
    pub cpu: Duration,
    /// What else the user should know, in sentences.
    pub warnings: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why a recording cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The sensor.
    #[error(transparent)]
    Sensor(#[from] ebpf::Error),
    /// The capture.
    #[error(transparent)]
    Capture(#[from] Error),
    /// The thread that reads executed files.
    #[error("cannot start the thread that reads executed files")]
    Hashes(#[source] io::Error),
    /// The command to record.
    #[error("cannot run {command}")]
    Command {
        /// Its program.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// Rights that are not needed any more.
    #[error("cannot give up the capabilities that are not needed (--keep-capabilities does without)")]
    Rights(#[source] io::Error),
    /// The tasks that are alive could not be listed.
    #[error("cannot list the processes that are alive: {0}")]
    Tasks(String),
    /// None of the events can be seen on this kernel.
    #[error("this kernel shows none of the selected events; tracee-cap doctor says why")]
    NothingToRecord,
    /// The observer.
    #[error("the recording's observer failed: {0}")]
    Observer(Box<dyn std::error::Error + Send + Sync>),
}

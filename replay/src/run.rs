//! Running detectors over a capture.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use capture::CaptureReader;
use detectors_engine::{Detection, Engine, Purpose};
use detectors_stores::Input;

use crate::executor::Executor;
use crate::executor::feed::Feed;
use crate::executor::state::State;
use crate::{Error, Gap, Plan};

/// Which events of a capture to run over, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sequence numbers of the events to look at. Stores know what happened before.
    pub seq: RangeInclusive<u64>,
    /// Only events of these types are given to detectors, and read for them; all that they ask for, if `None`.
    pub events: Option<BTreeSet<String>>,
    /// Ids of detectors whose detections are not handed on: they run because others consume them.
    pub hidden: BTreeSet<String>,
    /// Number of threads; one for each CPU, if 0. Changes speed, never the result.
    pub threads: usize,
    /// The most events of a row group among which those that detectors want are selected at a time. Changes speed, never the result.
    pub batch_size: usize,
    /// The most events of a window. What detectors want of a few windows is in memory at a time. Changes speed and memory, never the
    /// result.
    pub window: u64,
    /// Set to true, it ends the run with [`Error::Cancelled`].
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seq: 0..=u64::MAX,
            events: None,
            hidden: BTreeSet::new(),
            threads: 0,
            batch_size: 65_536,
            window: 262_144,
            cancel: None,
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Events in the row groups that have been read.
    pub rows: u64,
    /// Events in all row groups that are to be read.
    pub of: u64,
    /// Detections so far.
    pub detections: u64,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The engine, for its counts. Its detectors are closed.
    pub engine: Engine,
    /// What could not be read, in order.
    pub gaps: Vec<Gap>,
    /// The events of the range by type, of the types that detectors asked for.
    pub reads: BTreeMap<String, ReadCount>,
    /// Where the time went.
    pub stages: Stages,
}

/// What was read of an event type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadCount {
    /// Events in the range.
    pub events: u64,
    /// Those that some detector wanted.
    pub selected: u64,
}

/// Where the time of a run went. The stages overlap, and reading uses several threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// Reading row groups and selecting what detectors want of them.
    pub reading: Duration,
    /// Detectors, with the stores that they ask.
    pub detecting: Duration,
    /// Folding events into the stores; a part of detecting.
    pub folding: Duration,
}

/// A run that has been planned.
#[derive(Debug)]
pub struct Replay {
    reader: CaptureReader,
    options: Options,
    executor: Executor,
}

impl Replay {
    /// Plans a run of `engine` over `reader`'s capture. Stores are told what the capture has, and `inputs`.
    ///
    /// What happened before the range goes into the stores, and into the states of stateful detectors, so that the detections
    /// are those that a run over the whole capture finds in the range.
    ///
    /// # Errors
    /// If what the capture keeps for stores cannot be read.
    pub fn plan(
        reader: &CaptureReader,
        engine: Engine,
        inputs: Vec<Input>,
        options: Options,
    ) -> Result<Self, Error> {
        let (from, to) = (*options.seq.start(), *options.seq.end());
        let only = options.events.as_ref();
        let mut feeds = Vec::new();
        let mut windows = Vec::new();
        let mut add = |purpose, range: RangeInclusive<u64>| -> Result<(), Error> {
            let selector = engine.selector(purpose);
            let feed = Feed::new(reader, purpose, selector, &range, only, options.batch_size)?;
            windows.extend(
                reader
                    .windows(range, options.window)
                    .map(|window| (feeds.len(), window)),
            );
            feeds.push(feed);
            Ok(())
        };
        let mut begin = from;
        // What was before the range only matters to what detectors remember.
        if let Some(before) = from.checked_sub(1).filter(|_| remembers(reader, &engine)) {
            begin = first(reader).min(from);
            add(Purpose::WarmUp, begin..=before)?;
        }
        add(Purpose::Detect, from..=to)?;
        let state = State::new(reader, inputs, begin..=to)?;
        Ok(Self {
            reader: reader.clone(),
            executor: Executor {
                engine,
                state,
                feeds,
                windows,
                gaps: BTreeSet::new(),
                hidden: options.hidden.clone(),
                cancel: options.cancel.clone(),
            },
            options,
        })
    }

    /// What the run would read, and why.
    #[must_use]
    pub fn explain(&self) -> Plan {
        Plan::new(&self.reader, &self.options, &self.executor)
    }

    /// Runs, and hands detections to `sink`, in order. `progress` is told now and then how far it is, from any thread.
    ///
    /// # Errors
    /// If the capture cannot be read for another reason than what is in it, `sink` fails, threads cannot be started, or the run
    /// is cancelled.
    pub fn run(
        self,
        sink: impl FnMut(Vec<Detection>) -> Result<(), Error> + Send,
        progress: impl Fn(Progress) + Sync,
    ) -> Result<Outcome, Error> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.options.threads)
            .thread_name(|number| format!("replay-{number}"))
            .build()
            .map_err(Error::Threads)?;
        pool.install(|| self.executor.run(sink, &progress))
    }
}

/// Whether the capture has events that shape what a detector remembers.
fn remembers(reader: &CaptureReader, engine: &Engine) -> bool {
    let recorded = reader.event_types();
    engine
        .warm_up_events()
        .iter()
        .any(|event| recorded.contains(event))
}

/// The first sequence number of a capture.
fn first(reader: &CaptureReader) -> u64 {
    let mut ranges = reader.segments().iter().filter_map(|segment| segment.seq);
    ranges.next().map_or(0, |seq| seq.first)
}

//! Running detectors over a capture.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use capture::CaptureReader;
use detectors_api::event::EventBatch;
use detectors_engine::{Detection, Engine};
use detectors_stores::Stores;
use rayon::prelude::*;

use crate::Error;

/// Which events of a capture to run over, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sequence numbers of the events to look at. Stores know what happened before.
    pub seq: RangeInclusive<u64>,
    /// The most events of a batch. Changes speed and memory, never the result.
    pub batch_size: usize,
    /// The most events of a window, which is what is in memory at a time. Changes speed and memory, never the result.
    pub window: u64,
    /// Ids of detectors whose detections are not handed on: they run because others consume them.
    pub hidden: BTreeSet<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seq: 0..=u64::MAX,
            batch_size: 65_536,
            window: 1_000_000,
            hidden: BTreeSet::new(),
        }
    }
}

/// The sequence number for which [`run`] wants the stores of a capture ([`CaptureReader::stores`]): the first of the range;
/// but if a detector remembers something of this capture, the first of the capture, because what it remembers depends on all
/// events before the range.
#[must_use]
pub fn stores_for(reader: &CaptureReader, engine: &Engine, options: &Options) -> u64 {
    let from = *options.seq.start();
    if remembers(reader, engine) {
        from.min(first(reader))
    } else {
        from
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

/// Runs `engine` over `reader`'s capture and hands its detections to `sink`, in order. Gives back the engine, for its counts.
///
/// `stores` are the capture's for [`stores_for`], or for an earlier sequence number. What happened before the range goes into
/// the stores, and into the states of stateful detectors, so that the detections are those that a run over the whole capture
/// finds in the range. Events are read a window at a time, in parallel, on the current rayon pool. `progress` is told how many
/// sequence numbers are done.
///
/// # Errors
/// If the capture cannot be read, or `sink` fails, or `stores` begin too late for stateful detectors.
pub fn run(
    reader: &CaptureReader,
    mut engine: Engine,
    mut stores: Stores,
    options: &Options,
    mut sink: impl FnMut(Vec<Detection>) -> Result<(), Error>,
    mut progress: impl FnMut(u64),
) -> Result<Engine, Error> {
    let for_stores = Stores::event_types();
    let mut for_all = engine.subscribed_events();
    for_all.extend(&for_stores);
    for_all.sort_unstable();
    for_all.dedup();
    let for_all: Vec<String> = for_all.into_iter().map(str::to_owned).collect();
    let mut for_memory = for_stores;
    if remembers(reader, &engine) {
        for_memory.extend(engine.warm_up_events());
        for_memory.sort_unstable();
        for_memory.dedup();
    }
    let for_memory: Vec<String> = for_memory.into_iter().map(str::to_owned).collect();

    let (from, to) = (*options.seq.start(), *options.seq.end());
    if stores.settled() > stores_for(reader, &engine, options) {
        return Err(Error::LateStores {
            settled: stores.settled(),
            wanted: stores_for(reader, &engine, options),
        });
    }
    // What happened before only matters to the stores, and to what detectors remember.
    if let Some(before) = from.checked_sub(1) {
        for window in reader.windows(stores.settled()..=before, options.window) {
            let batches = read(reader, &for_memory, &window, options.batch_size)?;
            let end = window.end().saturating_add(1);
            stores.advance(&batches, end)?;
            engine.warm_up(&batches, &stores);
            stores.compact(end);
            progress(*window.end());
        }
    }
    for window in reader.windows(from..=to, options.window) {
        let batches = read(reader, &for_all, &window, options.batch_size)?;
        let end = window.end().saturating_add(1);
        stores.advance(&batches, end)?;
        sink(shown(engine.process(&batches, &stores), &options.hidden))?;
        stores.compact(end);
        progress(*window.end());
    }
    for warning in engine.close() {
        tracing::warn!("{warning}");
    }
    Ok(engine)
}

/// The detections without those of the detectors `hidden`.
pub(crate) fn shown(mut detections: Vec<Detection>, hidden: &BTreeSet<String>) -> Vec<Detection> {
    if !hidden.is_empty() {
        detections.retain(|detection| !hidden.contains(&*detection.detector_id));
    }
    detections
}

fn read(
    reader: &CaptureReader,
    types: &[String],
    window: &RangeInclusive<u64>,
    batch_size: usize,
) -> Result<Vec<EventBatch>, Error> {
    let tasks: Vec<_> = types
        .par_iter()
        .map(|event_type| {
            reader
                .scan(event_type)
                .seq_range(window.clone())
                .batch_size(batch_size)
                .tasks()
        })
        .collect::<Result<_, _>>()?;
    let batches: Vec<Vec<EventBatch>> = tasks
        .into_par_iter()
        .flatten_iter()
        .map(|task| task.batches()?.collect::<Result<Vec<_>, _>>())
        .collect::<Result<_, _>>()?;
    Ok(batches.into_iter().flatten().collect())
}

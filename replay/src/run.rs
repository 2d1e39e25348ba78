//! Running detectors over a capture.

use std::ops::RangeInclusive;

use capture::CaptureReader;
use detectors_api::event::EventBatch;
use detectors_engine::{Detection, Engine};
use rayon::prelude::*;

use crate::{Error, Pass};

/// Which events of a capture to run over, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sequence numbers whose detections are wanted. Stores still see everything before.
    pub seq: RangeInclusive<u64>,
    /// The most events of a batch. Changes speed and memory, never the result.
    pub batch_size: usize,
    /// The most events of a window, which is what is in memory at a time. Changes speed and memory, never the result.
    pub window: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seq: 0..=u64::MAX,
            batch_size: 65_536,
            window: 1_000_000,
        }
    }
}

/// Runs `engine` over `reader`'s capture and hands its detections to `sink`, in order. Gives back the engine, for its counts.
///
/// Events are read a window at a time, in parallel, on the current rayon pool. `progress` is told how many sequence numbers are
/// done.
///
/// # Errors
/// If the capture cannot be read, or `sink` fails.
pub fn run(
    reader: &CaptureReader,
    engine: Engine,
    options: &Options,
    mut sink: impl FnMut(Vec<Detection>) -> Result<(), Error>,
    mut progress: impl FnMut(u64),
) -> Result<Engine, Error> {
    let mut pass = Pass::new(engine, &reader.store_snapshots("process")?)?;
    let types: Vec<String> = pass.event_types().into_iter().map(str::to_owned).collect();
    for window in windows(reader, options) {
        let batches = read(reader, &types, &window, options.batch_size)?;
        let mut detections = pass.feed(&batches)?;
        detections.retain(|detection| options.seq.contains(&detection.seq));
        sink(detections)?;
        progress(*window.end());
    }
    let (engine, warnings) = pass.finish();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(engine)
}

/// Stretches of sequence numbers that end where segments end, so that few row groups are cut.
fn windows(reader: &CaptureReader, options: &Options) -> Vec<RangeInclusive<u64>> {
    let step = options.window.max(1);
    let mut windows = Vec::new();
    for seq in reader.segments().iter().filter_map(|segment| segment.seq) {
        let end = seq.last.min(*options.seq.end());
        let mut first = seq.first;
        // Segments are dense, but a capture is untrusted: skip from window to window only where there are events.
        while first <= end {
            let last = end.min(first.saturating_add(step - 1));
            windows.push(first..=last);
            match last.checked_add(1) {
                Some(next) => first = next,
                None => break,
            }
        }
    }
    windows
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

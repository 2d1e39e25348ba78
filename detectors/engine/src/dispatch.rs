//! From a window of events to its detections.
//!
//! Filters run per batch, in parallel. Detectors then run rank by rank, those of one rank in parallel, each over its inputs
//! in order; what a detector makes of one event does not depend on other events, so its calls run in parallel too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use detectors_api::detector::Context;
use detectors_api::event::{Event, EventBatch};
use detectors_api::proto;
use detectors_stores::Stores;
use rayon::prelude::*;

use crate::engine::{Detection, Input, Slot, Source, panic_text};
use crate::filter::Filter;
use crate::populate::populate;
use crate::stats::{Counts, DetectorStats, Failure, FailureKind};

/// Calls that a thread takes at once: below that, handing out work costs more than it gains.
const CALLS_PER_TASK: usize = 32;

/// An event that has passed the filters of a detector.
#[derive(Clone, Copy, Debug)]
enum Delivery<'a> {
    Recorded { seq: u64, batch: usize, row: usize },
    Detection { detection: &'a Detection, slot: usize },
}

/// What a detector made of a window.
struct Run {
    detections: Vec<Detection>,
    counts: Counts,
    failures: Vec<Failure>,
    time: std::time::Duration,
}

pub(crate) fn process(slots: &mut [Slot], batches: &[EventBatch], stores: &Stores) -> Vec<Detection> {
    let recorded = select(slots, batches);
    let mut produced: Vec<Vec<Detection>> = slots.iter().map(|_| Vec::new()).collect();
    let ranks = slots.iter().map(|slot| slot.rank).max().unwrap_or(0);
    for rank in 1..=ranks {
        let runs: Vec<_> = slots
            .par_iter()
            .zip(&recorded)
            .enumerate()
            .filter(|(_, (slot, _))| slot.rank == rank)
            .map(|(index, (slot, recorded))| (index, slot.run(recorded.clone(), &produced, batches, stores)))
            .collect();
        for (index, run) in runs {
            produced[index] = slots[index].stats.take(run);
        }
    }
    let mut detections: Vec<_> = produced.into_iter().flatten().collect();
    detections.sort_by(|a, b| a.order().cmp(&b.order()));
    detections
}

/// For every slot, how many recorded events it sees and which of them pass.
fn select<'a>(slots: &[Slot], batches: &[EventBatch]) -> Vec<(u64, Vec<Delivery<'a>>)> {
    let tasks: Vec<(usize, usize, &Input)> = slots
        .iter()
        .enumerate()
        .flat_map(|(slot, detector)| {
            let inputs = detector
                .inputs
                .iter()
                .filter(|input| input.source == Source::Recorded);
            inputs.flat_map(move |input| {
                let wanted = move |(_, batch): &(usize, &EventBatch)| batch.event_type() == input.event;
                batches
                    .iter()
                    .enumerate()
                    .filter(wanted)
                    .map(move |(batch, _)| (slot, batch, input))
            })
        })
        .collect();
    let selected: Vec<_> = tasks
        .par_iter()
        .map(|(_, batch, input)| select_any(&input.filters, &batches[*batch]))
        .collect();
    let mut recorded: Vec<_> = slots.iter().map(|_| (0, Vec::new())).collect();
    for ((slot, batch, _), rows) in tasks.into_iter().zip(selected) {
        let (seen, deliveries): &mut (u64, Vec<_>) = &mut recorded[slot];
        *seen += batches[batch].len() as u64;
        deliveries.extend(rows.into_iter().map(|row| Delivery::Recorded {
            seq: batches[batch].seq(row),
            batch,
            row,
        }));
    }
    recorded
}

/// The rows that pass any of the filters.
fn select_any(filters: &[Filter], batch: &EventBatch) -> Vec<usize> {
    let mut rows: Vec<usize> = filters.iter().flat_map(|filter| filter.select(batch)).collect();
    if filters.len() > 1 {
        rows.sort_unstable();
        rows.dedup();
    }
    rows
}

impl<'a> Delivery<'a> {
    /// What deliveries to one detector are sorted by: event, level, producer, output.
    fn order(&self) -> (u64, u8, usize, u32) {
        match self {
            Self::Recorded { seq, .. } => (*seq, 0, 0, 0),
            Self::Detection { detection, slot } => (detection.seq, detection.level, *slot, detection.index),
        }
    }

    fn event(&self, batches: &'a [EventBatch]) -> Event<'a> {
        match self {
            Self::Recorded { batch, row, .. } => batches[*batch].event(*row),
            Self::Detection { detection, .. } => Event::from_message(detection.seq, &detection.event),
        }
    }
}

impl Slot {
    fn run<'a>(
        &self,
        (mut seen, mut deliveries): (u64, Vec<Delivery<'a>>),
        produced: &'a [Vec<Detection>],
        batches: &'a [EventBatch],
        stores: &Stores,
    ) -> Run {
        let start = Instant::now();
        for input in &self.inputs {
            let Source::Detector(slot) = input.source else {
                continue;
            };
            seen += produced[slot].len() as u64;
            let passed = produced[slot].iter().filter(|detection| {
                let event = Event::from_message(detection.seq, &detection.event);
                input.filters.iter().any(|filter| filter.matches(&event))
            });
            deliveries.extend(passed.map(|detection| Delivery::Detection { detection, slot }));
        }
        deliveries.sort_unstable_by_key(Delivery::order);

        let results: Vec<_> = deliveries
            .par_iter()
            .with_min_len(CALLS_PER_TASK)
            .map(|delivery| self.call(&delivery.event(batches), stores))
            .collect();

        let mut run = Run {
            detections: Vec::new(),
            counts: Counts {
                seen,
                passed: deliveries.len() as u64,
                ..Counts::default()
            },
            failures: Vec::new(),
            time: start.elapsed(),
        };
        let mut last = None;
        let mut index = 0;
        for (delivery, result) in deliveries.iter().zip(results) {
            let (seq, level, ..) = delivery.order();
            if last != Some((seq, level)) {
                last = Some((seq, level));
                index = 0;
            }
            match result {
                Ok(events) => {
                    for event in events {
                        run.detections.push(Detection {
                            seq,
                            level: level + 1,
                            detector_id: self.id.clone(),
                            index,
                            event,
                        });
                        index += 1;
                    }
                }
                Err((kind, message)) => {
                    match kind {
                        FailureKind::Error => run.counts.errors += 1,
                        FailureKind::Panic => run.counts.panics += 1,
                    }
                    if run.failures.len() < DetectorStats::KEPT_FAILURES {
                        run.failures.push(Failure {
                            detector: self.definition.id.clone(),
                            seq,
                            event: delivery.event(batches).name().to_owned(),
                            kind,
                            message,
                        });
                    }
                }
            }
        }
        run.counts.outputs = run.detections.len() as u64;
        run
    }

    /// What the detector makes of one event.
    fn call(&self, event: &Event<'_>, stores: &Stores) -> Result<Vec<proto::Event>, (FailureKind, String)> {
        let stores = stores.at(event.seq(), event.timestamp_ns().unwrap_or_default());
        let context = Context::new(&stores);
        match catch_unwind(AssertUnwindSafe(|| self.detector.on_event(event, &context))) {
            Ok(Ok(outputs)) => Ok(outputs
                .into_iter()
                .map(|output| populate(self, output, event, &stores))
                .collect()),
            Ok(Err(error)) => Err((FailureKind::Error, error.to_string())),
            Err(payload) => Err((FailureKind::Panic, panic_text(payload.as_ref()))),
        }
    }
}

impl DetectorStats {
    /// Takes a run's numbers and leaves its detections.
    fn take(&mut self, run: Run) -> Vec<Detection> {
        self.counts += run.counts;
        self.time += run.time;
        let room = Self::KEPT_FAILURES - self.failures.len();
        self.failures.extend(run.failures.into_iter().take(room));
        run.detections
    }
}

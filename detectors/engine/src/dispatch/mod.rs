//! From a window of events to its detections.
//!
//! Filters run per batch, in parallel. Detectors then run rank by rank, those of one rank in parallel, each over its inputs
//! in order. What a stateless detector makes of one event does not depend on other events, so its calls run in parallel too;
//! a stateful one is called in order, but for different states in parallel.

mod call;
mod states;

use std::time::Instant;

use detectors_api::detector::{EventDetector, Kind, Session};
use detectors_api::event::{Event, EventBatch};
use detectors_stores::Stores;
use rayon::prelude::*;

use crate::engine::Detection;
use crate::filter::Filter;
use crate::slot::{Input, Slot, Source};
use call::{Call, Run};
pub(crate) use states::States;

/// Calls that a thread takes at once: below that, handing out work costs more than it gains.
const CALLS_PER_TASK: usize = 32;

/// An event that has passed the filters of a detector.
#[derive(Clone, Copy, Debug)]
enum Delivery<'a> {
    Recorded { seq: u64, batch: usize, row: usize },
    Detection { detection: &'a Detection, slot: usize },
}

/// What a window is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Its detections.
    Detect,
    /// What detectors remember of it.
    WarmUp,
}

/// Runs the `active` ones of `slots`, rank by rank. `states` has what the detector of each slot remembers.
pub(crate) fn process(
    slots: &mut [Slot],
    states: &mut [States],
    active: &[bool],
    batches: &[EventBatch],
    stores: &Stores,
    purpose: Purpose,
) -> Vec<Detection> {
    let mut recorded = select(slots, active, batches);
    let mut produced: Vec<Vec<Detection>> = slots.iter().map(|_| Vec::new()).collect();
    let ranks = slots.iter().map(|slot| slot.rank).max().unwrap_or(0);
    for rank in 1..=ranks {
        let runs: Vec<_> = slots
            .par_iter()
            .zip(&mut *states)
            .zip(&mut recorded)
            .enumerate()
            .filter(|(index, ((slot, _), _))| slot.rank == rank && active[*index])
            .map(|(index, ((slot, states), recorded))| {
                let recorded = std::mem::take(recorded);
                (index, slot.run(states, recorded, &produced, batches, stores))
            })
            .collect();
        for (index, run) in runs {
            let stats = &mut slots[index].stats;
            produced[index] = match purpose {
                Purpose::Detect => stats.take(run),
                Purpose::WarmUp => stats.take_warm_up(run),
            };
        }
    }
    if purpose == Purpose::WarmUp {
        return Vec::new();
    }
    let mut detections: Vec<_> = produced.into_iter().flatten().collect();
    detections.sort_by(|a, b| a.order().cmp(&b.order()));
    detections
}

/// For every slot, how many recorded events it sees and which of them pass.
fn select<'a>(slots: &[Slot], active: &[bool], batches: &[EventBatch]) -> Vec<(u64, Vec<Delivery<'a>>)> {
    let tasks: Vec<(usize, usize, &Input)> = slots
        .iter()
        .enumerate()
        .filter(|(slot, _)| active[*slot])
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
        states: &mut States,
        (mut seen, mut deliveries): (u64, Vec<Delivery<'a>>),
        produced: &'a [Vec<Detection>],
        batches: &'a [EventBatch],
        stores: &Stores,
    ) -> Run {
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

        let calls = match self.detector.kind() {
            Kind::Stateless(detector) => self.call_each(detector, &deliveries, batches, stores),
            Kind::Stateful(session) => self.call_in_order(session, states, &deliveries, batches, stores),
        };
        self.sum_up(seen, &deliveries, calls, batches)
    }

    fn call_each(
        &self,
        detector: &dyn EventDetector,
        deliveries: &[Delivery<'_>],
        batches: &[EventBatch],
        stores: &Stores,
    ) -> Vec<Call> {
        deliveries
            .par_iter()
            .with_min_len(CALLS_PER_TASK)
            .map_init(Instant::now, |clock, delivery| {
                let event = delivery.event(batches);
                self.call(clock, &event, stores, |cx| detector.on_event(&event, cx))
            })
            .collect()
    }

    fn call_in_order(
        &self,
        session: &dyn Session,
        states: &mut States,
        deliveries: &[Delivery<'_>],
        batches: &[EventBatch],
        stores: &Stores,
    ) -> Vec<Call> {
        let retention_ns = stores.retention_ns();
        let events = deliveries.iter().map(|delivery| delivery.event(batches));
        let mut groups = states.take_out(session.reach(), events, retention_ns);
        let mut calls: Vec<(usize, Call)> = groups
            .par_iter_mut()
            .flat_map_iter(|group| {
                let mut clock = Instant::now();
                group.run(|position, state| {
                    let event = deliveries[position].event(batches);
                    let call = self.call(&mut clock, &event, stores, |cx| {
                        let state = state.get_or_insert_with(|| session.new_state());
                        session.on_event(state, &event, cx)
                    });
                    if call.panicked() {
                        *state = None;
                    }
                    call
                })
            })
            .collect();
        states.put_back(groups, retention_ns);
        calls.sort_unstable_by_key(|(position, _)| *position);
        calls.into_iter().map(|(_, call)| call).collect()
    }
}

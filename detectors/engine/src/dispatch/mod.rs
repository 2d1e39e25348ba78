//! From the events that detectors want to their detections.
//!
//! Detectors run rank by rank, those of one rank in parallel, each over its inputs in order. What a stateless detector makes of
//! one event does not depend on other events, so its calls run in parallel too; a stateful one is called in order, but for
//! different states in parallel.

mod as_of;
mod call;
mod delivery;
mod states;

use detectors_api::detector::{EventDetector, Kind, Session};
use detectors_api::event::Event;
use detectors_stores::StoreSource;
use rayon::prelude::*;

use crate::engine::Detection;
use crate::restriction::Restriction;
use crate::selection::{Purpose, Survivors};
use crate::slot::{Slot, Source};
pub(crate) use as_of::AsOf;
use call::{Calls, Run};
use delivery::{Delivery, Inbox};
pub(crate) use states::States;

/// Calls that a thread takes at once: below that, handing out work costs more than it gains.
const CALLS_PER_TASK: usize = 256;

/// What detectors of a window share.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) survivors: &'a [Survivors],
    pub(crate) stores: &'a dyn StoreSource,
    pub(crate) restriction: Option<&'a dyn Restriction>,
    pub(crate) purpose: Purpose,
}

/// Runs the `active` ones of `slots`, rank by rank. `states` has what the detector of each slot remembers.
pub(crate) fn run(
    slots: &mut [Slot],
    states: &mut [States],
    active: &[bool],
    window: Window<'_>,
) -> Vec<Detection> {
    // Without a restriction there are no permits, and none are needed.
    let permits: Vec<_> = window.restriction.map_or_else(Vec::new, |restriction| {
        let survivors = window.survivors.iter();
        survivors
            .map(|survivors| delivery::permits(survivors, restriction, window))
            .collect()
    });
    let mut inboxes = delivery::recorded(slots, active, window.survivors, &permits);
    let mut produced: Vec<Vec<Detection>> = slots.iter().map(|_| Vec::new()).collect();
    let ranks = slots.iter().map(|slot| slot.rank).max().unwrap_or(0);
    for rank in 1..=ranks {
        let runs: Vec<_> = slots
            .par_iter()
            .zip(&mut *states)
            .zip(&mut inboxes)
            .enumerate()
            .filter(|(index, ((slot, _), _))| slot.rank == rank && active[*index])
            .map(|(index, ((slot, states), inbox))| {
                let inbox = std::mem::take(inbox);
                (index, slot.run(states, inbox, &produced, window.stores))
            })
            .collect();
        for (index, run) in runs {
            let stats = &mut slots[index].stats;
            produced[index] = match window.purpose {
                Purpose::Detect => stats.take(run),
                Purpose::WarmUp => stats.take_warm_up(run),
            };
        }
    }
    if window.purpose == Purpose::WarmUp {
        return Vec::new();
    }
    let mut detections: Vec<_> = produced.into_iter().flatten().collect();
    detections.sort_by(|a, b| a.order().cmp(&b.order()));
    detections
}

impl Slot {
    fn run<'a>(
        &self,
        states: &mut States,
        mut inbox: Inbox<'a>,
        produced: &'a [Vec<Detection>],
        stores: &dyn StoreSource,
    ) -> Run {
        for input in &self.inputs {
            let Source::Detector(slot) = input.source else {
                continue;
            };
            inbox.seen += produced[slot].len() as u64;
            let passed = produced[slot].iter().filter(|detection| {
                let event = Event::from_message(detection.seq, &detection.event);
                input.filters.iter().any(|filter| filter.matches(&event))
            });
            let passed = passed.map(|detection| Delivery::Detection { detection, slot });
            inbox.deliveries.extend(passed);
        }
        // They come in a few sorted stretches, which this sort makes use of.
        inbox.deliveries.sort_by_key(Delivery::order);

        let calls = match self.detector.kind() {
            Kind::Stateless(detector) => self.call_each(detector, &inbox.deliveries, stores),
            Kind::Stateful(session) => self.call_in_order(session, states, &inbox.deliveries, stores),
        };
        self.sum_up(&inbox, calls)
    }

    fn call_each(
        &self,
        detector: &dyn EventDetector,
        deliveries: &[Delivery<'_>],
        stores: &dyn StoreSource,
    ) -> Calls {
        let tasks: Vec<Calls> = deliveries
            .par_chunks(CALLS_PER_TASK)
            .enumerate()
            .map(|(task, deliveries)| {
                let mut calls = Calls::begin();
                for (delivery, position) in deliveries.iter().zip(task * CALLS_PER_TASK..) {
                    self.call(&mut calls, position, delivery, stores, |event, cx| {
                        detector.on_event(event, cx)
                    });
                }
                calls
            })
            .collect();
        tasks.into_iter().collect()
    }

    fn call_in_order(
        &self,
        session: &dyn Session,
        states: &mut States,
        deliveries: &[Delivery<'_>],
        stores: &dyn StoreSource,
    ) -> Calls {
        let retention_ns = stores.retention_ns();
        let events = deliveries.iter().map(Delivery::event);
        let mut groups = states.take_out(session.reach(), events, retention_ns);
        let runs: Vec<Calls> = groups
            .par_iter_mut()
            .map(|group| {
                let mut calls = Calls::begin();
                group.run(|position, state| {
                    let panicked = self.call(
                        &mut calls,
                        position,
                        &deliveries[position],
                        stores,
                        |event, cx| {
                            let state = state.get_or_insert_with(|| session.new_state());
                            session.on_event(state, event, cx)
                        },
                    );
                    if panicked {
                        *state = None;
                    }
                });
                calls
            })
            .collect();
        states.put_back(groups, retention_ns);
        runs.into_iter().collect()
    }
}

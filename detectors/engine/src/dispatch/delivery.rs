//! What detectors are given.

use detectors_api::detector::Context;
use detectors_api::event::{Event, EventBatch};
use rayon::prelude::*;

use super::{AsOf, CALLS_PER_TASK, Window};
use crate::engine::Detection;
use crate::restriction::Restriction;
use crate::selection::Survivors;
use crate::slot::{Slot, Source};

/// An event that has passed the filters of a detector.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delivery<'a> {
    Recorded {
        seq: u64,
        batch: &'a EventBatch,
        row: usize,
        /// Why it could not be told whether detectors may see it.
        fault: Option<&'a str>,
    },
    Detection {
        detection: &'a Detection,
        slot: usize,
    },
}

/// What a detector is given.
#[derive(Debug, Default)]
pub(super) struct Inbox<'a> {
    /// Number of events of the types that it consumes.
    pub(super) seen: u64,
    /// Those that passed its filters.
    pub(super) deliveries: Vec<Delivery<'a>>,
}

/// Whether detectors may see an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    Granted,
    Denied,
    /// That depends on something that could not be read.
    Unknown(String),
}

impl<'a> Delivery<'a> {
    /// What deliveries to one detector are sorted by: event, level, producer, output.
    pub(super) fn order(&self) -> (u64, u8, usize, u32) {
        match self {
            Self::Recorded { seq, .. } => (*seq, 0, 0, 0),
            Self::Detection { detection, slot } => (detection.seq, detection.level, *slot, detection.index),
        }
    }

    pub(super) fn event(&self) -> Event<'a> {
        match self {
            Self::Recorded { batch, row, .. } => batch.event(*row),
            Self::Detection { detection, .. } => Event::from_message(detection.seq, &detection.event),
        }
    }

    /// Why the detector cannot be given it, after all.
    pub(super) fn fault(&self) -> Option<&'a str> {
        match self {
            Self::Recorded { fault, .. } => *fault,
            Self::Detection { .. } => None,
        }
    }
}

/// For every slot, the recorded events that it is given. `permits` are those of each of the survivors.
pub(super) fn recorded<'a>(
    slots: &[Slot],
    active: &[bool],
    survivors: &'a [Survivors],
    permits: &'a [Vec<Permit>],
) -> Vec<Inbox<'a>> {
    let mut inboxes: Vec<Inbox<'a>> = slots.iter().map(|_| Inbox::default()).collect();
    for (number, survivors) in survivors.iter().enumerate() {
        for ((slot, active), inbox) in slots.iter().zip(active).zip(&mut inboxes) {
            if *active && slot.consumes(survivors.event_type()) {
                inbox.seen += survivors.seen();
            }
        }
        let permits = permits.get(number).map(Vec::as_slice).unwrap_or_default();
        let seqs = survivors.seqs();
        for (row, slot) in survivors.wanted() {
            let (row, slot) = (*row as usize, *slot as usize);
            let fault = match permits.get(row) {
                Some(Permit::Denied) => continue,
                Some(Permit::Unknown(fault)) => Some(fault.as_str()),
                Some(Permit::Granted) | None => None,
            };
            if active[slot] {
                inboxes[slot].deliveries.push(Delivery::Recorded {
                    seq: seqs[row],
                    batch: survivors.batch(),
                    row,
                    fault,
                });
            }
        }
    }
    inboxes
}

/// Which events detectors may see: a permit for each.
pub(super) fn permits(
    survivors: &Survivors,
    restriction: &dyn Restriction,
    window: Window<'_>,
) -> Vec<Permit> {
    let rows = (0..survivors.len()).into_par_iter().with_min_len(CALLS_PER_TASK);
    let permits = rows.map(|row| {
        let event = survivors.batch().event(row);
        let stores = AsOf::new(window.stores, &event);
        let holds = restriction.holds(&event, &Context::new(&stores));
        match (event.fault(), holds) {
            (Some(fault), _) => Permit::Unknown(fault),
            (None, true) => Permit::Granted,
            (None, false) => Permit::Denied,
        }
    });
    permits.collect()
}

impl Slot {
    /// Whether the detector consumes recorded events of this type.
    fn consumes(&self, event_type: &str) -> bool {
        let mut inputs = self.inputs.iter();
        inputs.any(|input| input.source == Source::Recorded && input.event == event_type)
    }
}

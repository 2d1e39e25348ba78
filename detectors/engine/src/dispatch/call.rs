//! Calling detectors, and summing up what they did.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use detectors_api::detector::{Context, Notes, Result};
use detectors_api::event::Event;
use detectors_api::output::Outputs;
use detectors_api::proto;
use detectors_stores::StoreSource;

use super::AsOf;
use super::delivery::{Delivery, Inbox};
use crate::engine::Detection;
use crate::populate::populate;
use crate::slot::{Slot, panic_text};
use crate::stats::{Counts, DetectorStats, Failure, FailureKind, Note, SlowestCall, Timing};

/// Some calls of a detector that follow each other.
#[derive(Debug)]
pub(super) struct Calls {
    /// Those that came to something; most do not.
    notable: Vec<Call>,
    total: Duration,
    slow: u64,
    /// The longest: how long it took, and its delivery's position.
    slowest: Option<(Duration, usize)>,
    /// When the last one ended: reading the clock is not free, so calls that follow each other share the reading.
    clock: Instant,
}

/// What a detector made of one event.
#[derive(Debug)]
struct Call {
    /// Position of the event among the deliveries.
    position: usize,
    #[expect(clippy::vec_box, reason = "that is how they are handed on")]
    result: Result<Vec<Box<proto::Event>>, (FailureKind, String)>,
    warnings: u64,
    notes: Vec<String>,
}

/// What a detector made of a window.
#[derive(Default)]
pub(super) struct Run {
    detections: Vec<Detection>,
    counts: Counts,
    failures: Vec<Failure>,
    notes: Vec<Note>,
    timing: Timing,
}

impl Calls {
    pub(super) fn begin() -> Self {
        Self {
            notable: Vec::new(),
            total: Duration::ZERO,
            slow: 0,
            slowest: None,
            clock: Instant::now(),
        }
    }

    /// The call on the event at `position` has ended.
    fn end_call(&mut self, position: usize) {
        let end = Instant::now();
        let time = end - std::mem::replace(&mut self.clock, end);
        self.total += time;
        self.slow += u64::from(time > Timing::SLOW);
        self.slowest = longest(self.slowest, Some((time, position)));
    }
}

/// The longer one; the first, if both took equally long.
fn longest(a: Option<(Duration, usize)>, b: Option<(Duration, usize)>) -> Option<(Duration, usize)> {
    let longer = |a: &(Duration, usize), b: &(Duration, usize)| a.0.cmp(&b.0).then(b.1.cmp(&a.1));
    a.into_iter().chain(b).max_by(longer)
}

impl FromIterator<Self> for Calls {
    /// All of them, in the order of deliveries.
    fn from_iter<T: IntoIterator<Item = Self>>(tasks: T) -> Self {
        let mut all = Self::begin();
        for task in tasks {
            all.notable.extend(task.notable);
            all.total += task.total;
            all.slow += task.slow;
            all.slowest = longest(all.slowest, task.slowest);
        }
        all.notable.sort_by_key(|call| call.position);
        all
    }
}

impl Slot {
    /// What the detector makes of the event at `position`: `on_event` calls it. Tells whether it panicked.
    pub(super) fn call(
        &self,
        calls: &mut Calls,
        position: usize,
        delivery: &Delivery<'_>,
        stores: &dyn StoreSource,
        on_event: impl FnOnce(&Event<'_>, &Context<'_>) -> Result<Outputs>,
    ) -> bool {
        let event = delivery.event();
        let stores = AsOf::new(stores, &event);
        let notes = Notes::default();
        let context = Context::new(&stores).noting(&notes);
        let mut result = if let Some(fault) = delivery.fault() {
            Err((FailureKind::Unreadable, fault.to_owned()))
        } else {
            match catch_unwind(AssertUnwindSafe(|| on_event(&event, &context))) {
                Ok(Ok(outputs)) => {
                    let outputs = outputs.into_iter();
                    let events = outputs.map(|output| populate(self, output, &event, &stores));
                    Ok(events.map(Box::new).collect::<Vec<_>>())
                }
                Ok(Err(error)) => Err((FailureKind::Error, error.to_string())),
                Err(payload) => Err((FailureKind::Panic, panic_text(payload.as_ref()))),
            }
        };
        let panicked = matches!(result, Err((FailureKind::Panic, _)));
        // What could not be read reads as absent, so nothing that came of it can be trusted.
        if let Some(fault) = event.fault() {
            result = Err((FailureKind::Unreadable, fault));
        }
        let warnings = notes.count();
        if warnings > 0 || result.as_ref().map_or(true, |events| !events.is_empty()) {
            calls.notable.push(Call {
                position,
                result,
                warnings,
                notes: notes.into_kept(),
            });
        }
        calls.end_call(position);
        panicked
    }

    /// Sums up the calls on all deliveries.
    pub(super) fn sum_up(&self, inbox: &Inbox<'_>, calls: Calls) -> Run {
        let mut run = Run {
            timing: Timing {
                total: calls.total,
                slow: calls.slow,
                slowest: calls.slowest.map(|(time, position)| {
                    let event = inbox.deliveries[position].event();
                    SlowestCall {
                        time,
                        seq: event.seq(),
                        event: event.name().to_owned(),
                    }
                }),
            },
            ..Run::default()
        };
        run.counts.seen = inbox.seen;
        run.counts.passed = inbox.deliveries.len() as u64;
        let mut last = None;
        let mut index = 0;
        for call in calls.notable {
            let delivery = &inbox.deliveries[call.position];
            let (seq, level, ..) = delivery.order();
            let event = || delivery.event().name().to_owned();
            if last != Some((seq, level)) {
                last = Some((seq, level));
                index = 0;
            }
            run.counts.warnings += call.warnings;
            for text in call.notes {
                if run.notes.len() < DetectorStats::KEPT {
                    run.notes.push(Note {
                        detector: self.definition.id.clone(),
                        seq,
                        event: event(),
                        text,
                    });
                }
            }
            match call.result {
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
                        FailureKind::Unreadable => run.counts.unreadable += 1,
                    }
                    if run.failures.len() < DetectorStats::KEPT {
                        run.failures.push(Failure {
                            detector: self.definition.id.clone(),
                            seq,
                            event: event(),
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
}

impl DetectorStats {
    /// Takes a run's numbers and leaves its detections.
    pub(super) fn take(&mut self, run: Run) -> Vec<Detection> {
        self.counts += run.counts;
        self.timing += run.timing;
        let room = Self::KEPT - self.failures.len();
        self.failures.extend(run.failures.into_iter().take(room));
        let room = Self::KEPT - self.notes.len();
        self.notes.extend(run.notes.into_iter().take(room));
        run.detections
    }

    /// Takes a run that only built up state, and leaves its detections.
    pub(super) fn take_warm_up(&mut self, run: Run) -> Vec<Detection> {
        self.warm_up += run.counts.passed;
        run.detections
    }
}

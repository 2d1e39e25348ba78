//! Calling detectors, and summing up what they did.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use detectors_api::detector::{Context, Notes, Result};
use detectors_api::event::{Event, EventBatch};
use detectors_api::output::Outputs;
use detectors_api::proto;
use detectors_stores::{Stores, StoresAt};

use super::Delivery;
use crate::engine::Detection;
use crate::populate::populate;
use crate::slot::{Slot, panic_text};
use crate::stats::{Counts, DetectorStats, Failure, FailureKind, Note, Timing};

/// What a detector made of one event.
pub(super) struct Call {
    result: Result<Vec<proto::Event>, (FailureKind, String)>,
    warnings: u64,
    notes: Vec<String>,
    time: Duration,
}

impl Call {
    /// Whether the detector panicked.
    pub(super) fn panicked(&self) -> bool {
        matches!(self.result, Err((FailureKind::Panic, _)))
    }
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

impl Slot {
    /// What the detector makes of one event: `on_event` calls it. It takes as long as has passed since `clock`, which is set:
    /// reading the clock is not free, so calls that follow each other share the reading.
    pub(super) fn call(
        &self,
        clock: &mut Instant,
        event: &Event<'_>,
        stores: &Stores,
        on_event: impl FnOnce(&Context<'_>) -> Result<Outputs>,
    ) -> Call {
        let stores: StoresAt<'_> = stores.at(event.seq(), event.timestamp_ns().unwrap_or_default());
        let notes = Notes::default();
        let context = Context::new(&stores).noting(&notes);
        let result = match catch_unwind(AssertUnwindSafe(|| on_event(&context))) {
            Ok(Ok(outputs)) => Ok(outputs
                .into_iter()
                .map(|output| populate(self, output, event, &stores))
                .collect()),
            Ok(Err(error)) => Err((FailureKind::Error, error.to_string())),
            Err(payload) => Err((FailureKind::Panic, panic_text(payload.as_ref()))),
        };
        let end = Instant::now();
        let time = end - std::mem::replace(clock, end);
        Call {
            result,
            warnings: notes.count(),
            notes: notes.into_kept(),
            time,
        }
    }

    /// Sums up calls, one for each of `deliveries`.
    pub(super) fn sum_up(
        &self,
        seen: u64,
        deliveries: &[Delivery<'_>],
        calls: Vec<Call>,
        batches: &[EventBatch],
    ) -> Run {
        let mut run = Run::default();
        run.counts.seen = seen;
        run.counts.passed = deliveries.len() as u64;
        let detector = || self.definition.id.clone();
        let mut last = None;
        let mut index = 0;
        for (delivery, call) in deliveries.iter().zip(calls) {
            let (seq, level, ..) = delivery.order();
            let event = || delivery.event(batches).name().to_owned();
            if last != Some((seq, level)) {
                last = Some((seq, level));
                index = 0;
            }
            run.timing.add(call.time, || (seq, event()));
            run.counts.warnings += call.warnings;
            for text in call.notes {
                if run.notes.len() < DetectorStats::KEPT {
                    run.notes.push(Note {
                        detector: detector(),
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
                    }
                    if run.failures.len() < DetectorStats::KEPT {
                        run.failures.push(Failure {
                            detector: detector(),
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

//! The engine and its detectors.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use detectors_api::definition::DetectorDefinition;
use detectors_api::detector::EventDetector;
use detectors_api::event::EventBatch;
use detectors_api::proto;
use detectors_stores::Stores;

use crate::dispatch;
use crate::filter::Filter;
use crate::problem::{Problem, Reason, Warning};
use crate::stats::DetectorStats;

/// A detection: an event of its own, and its place in the order of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Sequence number of the recorded event that it comes from.
    pub seq: u64,
    /// Number of detectors from that event to this detection, its own included.
    pub level: u8,
    /// Id of its detector.
    pub detector_id: Arc<str>,
    /// Its place among all detections of this detector on this level from this event.
    pub index: u32,
    /// The detection proper.
    pub event: proto::Event,
}

impl Detection {
    /// What detections are sorted by.
    #[must_use]
    pub fn order(&self) -> (u64, u8, &str, u32) {
        (self.seq, self.level, &self.detector_id, self.index)
    }
}

/// Runs detectors over windows of events.
#[derive(Debug)]
pub struct Engine {
    /// By id.
    pub(crate) slots: Vec<Slot>,
}

/// A detector that runs.
pub(crate) struct Slot {
    pub(crate) id: Arc<str>,
    pub(crate) definition: DetectorDefinition,
    /// The definition's threat, ready to be copied.
    pub(crate) threat: Option<proto::Threat>,
    pub(crate) detector: Box<dyn EventDetector>,
    pub(crate) inputs: Vec<Input>,
    /// Number of detectors in the longest chain that ends here.
    pub(crate) rank: usize,
    pub(crate) stats: DetectorStats,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("id", &self.id)
            .field("rank", &self.rank)
            .finish_non_exhaustive()
    }
}

/// An event that a detector consumes if any of the filters lets it pass.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) event: String,
    pub(crate) source: Source,
    pub(crate) filters: Vec<Filter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Events of the recording.
    Recorded,
    /// Detections of the detector in this slot.
    Detector(usize),
}

impl Slot {
    pub(crate) fn new(
        definition: DetectorDefinition,
        detector: Box<dyn EventDetector>,
        inputs: Vec<Input>,
        rank: usize,
    ) -> Self {
        Self {
            id: Arc::from(definition.id.as_str()),
            threat: definition.threat.as_ref().map(|threat| threat.to_proto()),
            stats: DetectorStats {
                detector: definition.id.clone(),
                ..DetectorStats::default()
            },
            definition,
            detector,
            inputs,
            rank,
        }
    }
}

impl Engine {
    pub(crate) fn new(slots: Vec<Slot>) -> Self {
        Self { slots }
    }

    /// The definitions of the detectors that run, by id.
    pub fn definitions(&self) -> impl ExactSizeIterator<Item = &DetectorDefinition> {
        self.slots.iter().map(|slot| &slot.definition)
    }

    /// The types of recorded events that [`process`](Self::process) needs, sorted. The stores need theirs besides
    /// ([`Stores::event_types`]).
    #[must_use]
    pub fn subscribed_events(&self) -> Vec<&str> {
        let inputs = self.slots.iter().flat_map(|slot| &slot.inputs);
        let recorded = inputs.filter(|input| input.source == Source::Recorded);
        let names: BTreeSet<_> = recorded.map(|input| input.event.as_str()).collect();
        names.into_iter().collect()
    }

    /// What detectors wait for in vain in a recording that has only the event types `recorded`.
    #[must_use]
    pub fn unmet(&self, recorded: &[&str]) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for slot in &self.slots {
            for input in &slot.inputs {
                if input.source == Source::Recorded && !recorded.contains(&input.event.as_str()) {
                    warnings.push(Problem {
                        detector: slot.definition.id.clone(),
                        field: format!("event {}", input.event),
                        reason: Reason::NotRecorded {
                            event: input.event.clone(),
                        },
                        hint: None,
                    });
                }
            }
        }
        warnings
    }

    /// Runs all detectors over a window of events: all events of the subscribed types in a range of sequence numbers, in
    /// batches cut anyhow. Windows must come in increasing order, and `stores` must have been told about the events of
    /// this window (and may know more). Uses the current rayon pool.
    ///
    /// Detections come sorted; see [`Detection::order`].
    pub fn process(&mut self, batches: &[EventBatch], stores: &Stores) -> Vec<Detection> {
        dispatch::process(&mut self.slots, batches, stores)
    }

    /// Ends all detectors, and says which of them failed to.
    #[must_use]
    pub fn close(&mut self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for slot in &mut self.slots {
            let message = match catch_unwind(AssertUnwindSafe(|| slot.detector.close())) {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(payload) => format!("it panicked: {}", panic_text(payload.as_ref())),
            };
            warnings.push(Problem {
                detector: slot.definition.id.clone(),
                field: "close".to_owned(),
                reason: Reason::Close { message },
                hint: None,
            });
        }
        warnings
    }

    /// What each detector did so far, by id.
    pub fn stats(&self) -> impl ExactSizeIterator<Item = &DetectorStats> {
        self.slots.iter().map(|slot| &slot.stats)
    }
}

/// The text of a panic.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without text".to_owned())
}

//! The engine and its detectors.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use detectors_api::definition::DetectorDefinition;
use detectors_api::detector::{Kind, Reach};
use detectors_api::event::EventBatch;
use detectors_api::proto;
use detectors_stores::StoreSource;
use rayon::prelude::*;

use crate::dispatch::{self, States, Window};
use crate::problem::{Problem, Reason, Refusal, Warning};
use crate::restriction::Restriction;
use crate::selection::{Purpose, Selector, Survivors};
use crate::slot::{Slot, Source};
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
    /// The detection proper. It is large: by itself, detections would be dear to sort and to hand on.
    pub event: Box<proto::Event>,
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
    slots: Vec<Slot>,
    /// What the detector of each slot remembers; nothing, if it is stateless.
    states: Vec<States>,
    restriction: Option<Arc<dyn Restriction>>,
    /// Made when first asked for.
    selectors: Selectors,
    refusals: Vec<Refusal>,
    warnings: Vec<Warning>,
}

/// What finds the events that the detectors that run want.
#[derive(Debug, Default)]
struct Selectors {
    detect: OnceLock<Selector>,
    warm_up: OnceLock<Selector>,
}

/// A detector could not be started or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifecycleError {
    /// There is none.
    #[error("there is no detector {id} that could run")]
    Unknown {
        /// The id asked for.
        id: String,
    },
    /// It failed to start, and does not run.
    #[error("detector {id} failed to start: {message}")]
    Start {
        /// Its id.
        id: String,
        /// In its own words.
        message: String,
    },
    /// It failed to end, and goes on.
    #[error("detector {id} failed to end: {message}")]
    End {
        /// Its id.
        id: String,
        /// In its own words.
        message: String,
    },
}

impl Engine {
    pub(crate) fn new(slots: Vec<Slot>, refusals: Vec<Refusal>, warnings: Vec<Warning>) -> Self {
        Self {
            states: slots.iter().map(|_| States::default()).collect(),
            slots,
            restriction: None,
            selectors: Selectors::default(),
            refusals,
            warnings,
        }
    }

    /// Why detectors do not run; by detector, in the order of registration.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// What the detectors that run have to do without, and what else went wrong with them so far.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The definitions of the detectors that run, by id.
    pub fn definitions(&self) -> impl ExactSizeIterator<Item = &DetectorDefinition> {
        self.slots.iter().map(|slot| &slot.definition)
    }

    /// The detectors that run, in the order in which they do: each with the number of detectors in the longest chain that ends
    /// there, and with the reach of what it remembers, if it remembers something.
    pub fn levels(&self) -> impl Iterator<Item = (&DetectorDefinition, usize, Option<Reach>)> {
        let mut slots: Vec<_> = self.slots.iter().filter(|slot| slot.enabled).collect();
        slots.sort_by_key(|slot| slot.rank);
        slots.into_iter().map(|slot| {
            let reach = match slot.detector.kind() {
                Kind::Stateless(_) => None,
                Kind::Stateful(session) => Some(session.reach()),
            };
            (&slot.definition, slot.rank, reach)
        })
    }

    /// The types of recorded events that [`process`](Self::process) needs, sorted. The stores need theirs besides
    /// ([`Stores::event_types`](detectors_stores::Stores::event_types)).
    #[must_use]
    pub fn subscribed_events(&self) -> Vec<&str> {
        self.recorded_inputs(&vec![true; self.slots.len()])
    }

    /// What finds the events that the detectors that run want, for this purpose: it can work ahead of them, on other threads.
    /// It is good until a detector is enabled or disabled.
    #[must_use]
    pub fn selector(&self, purpose: Purpose) -> Selector {
        let selector = match purpose {
            Purpose::Detect => &self.selectors.detect,
            Purpose::WarmUp => &self.selectors.warm_up,
        };
        selector
            .get_or_init(|| Selector::new(&self.slots, &self.active(purpose)))
            .clone()
    }

    /// From now on keeps recorded events from all detectors, unless `restriction` holds of them. They count as seen.
    pub fn restrict(&mut self, restriction: Arc<dyn Restriction>) {
        self.restriction = Some(restriction);
    }

    /// What detectors wait for in vain in a recording that has only the event types `recorded`. It is added to the
    /// [`warnings`](Self::warnings).
    pub fn unmet(&mut self, recorded: &[&str]) -> Vec<Warning> {
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
        self.warnings.extend_from_slice(&warnings);
        warnings
    }

    /// Runs all detectors over a window of events: all events of the subscribed types in a range of sequence numbers, in
    /// batches cut anyhow. Windows must come in increasing order, and `stores` must have been told about the events of
    /// this window (and may know more). Uses the current rayon pool.
    ///
    /// Detections come sorted; see [`Detection::order`].
    pub fn process(&mut self, batches: &[EventBatch], stores: &dyn StoreSource) -> Vec<Detection> {
        let survivors = self.select(batches, Purpose::Detect);
        self.run(survivors, stores, Purpose::Detect)
    }

    /// Runs detectors over the events of a window that its [`selector`](Self::selector) for the same purpose has found. This is
    /// what [`process`](Self::process) and [`warm_up`](Self::warm_up) do after selecting, and has the same rules.
    ///
    /// `stores` is asked only if a detector asks, or has something detected.
    pub fn run(
        &mut self,
        survivors: Vec<Survivors>,
        stores: &dyn StoreSource,
        purpose: Purpose,
    ) -> Vec<Detection> {
        let active = self.active(purpose);
        let window = Window {
            survivors: &survivors,
            stores,
            restriction: self.restriction.as_deref(),
            purpose,
        };
        dispatch::run(&mut self.slots, &mut self.states, &active, window)
    }

    fn select(&self, batches: &[EventBatch], purpose: Purpose) -> Vec<Survivors> {
        let selector = self.selector(purpose);
        let wanted = batches
            .par_iter()
            .filter(|batch| selector.wants(batch.event_type()));
        wanted.map(|batch| selector.select(batch)).collect()
    }

    /// Which detectors run.
    fn active(&self, purpose: Purpose) -> Vec<bool> {
        match purpose {
            Purpose::Detect => self.slots.iter().map(|slot| slot.enabled).collect(),
            Purpose::WarmUp => self.remembering(),
        }
    }

    /// Whether a detector remembers something from one event to the next. Then what is found in an event depends on all events
    /// before it, and they must be shown to the engine: to [`process`](Self::process), or to [`warm_up`](Self::warm_up).
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        self.slots.iter().any(|slot| slot.enabled && slot.is_stateful())
    }

    /// The types of recorded events that [`warm_up`](Self::warm_up) needs, sorted: what stateful detectors consume, directly
    /// or through others.
    #[must_use]
    pub fn warm_up_events(&self) -> Vec<&str> {
        self.recorded_inputs(&self.remembering())
    }

    /// Shows a window of events to stateful detectors, as [`process`](Self::process) does, for what they remember of it. No
    /// detections come out, and nothing but the number of calls is counted. Stateless detectors run only where stateful ones
    /// consume their detections.
    pub fn warm_up(&mut self, batches: &[EventBatch], stores: &dyn StoreSource) {
        let survivors = self.select(batches, Purpose::WarmUp);
        self.run(survivors, stores, Purpose::WarmUp);
    }

    /// Which detectors shape a state: the stateful ones, and those whose detections they consume, directly or through others.
    fn remembering(&self) -> Vec<bool> {
        let mut active = vec![false; self.slots.len()];
        let enabled = self.slots.iter().enumerate().filter(|(_, slot)| slot.enabled);
        let mut next: Vec<_> = enabled
            .filter(|(_, slot)| slot.is_stateful())
            .map(|(index, _)| index)
            .collect();
        while let Some(index) = next.pop() {
            if std::mem::replace(&mut active[index], true) {
                continue;
            }
            next.extend(
                self.slots[index]
                    .inputs
                    .iter()
                    .filter_map(|input| match input.source {
                        Source::Detector(producer) => self.slots[producer].enabled.then_some(producer),
                        Source::Recorded => None,
                    }),
            );
        }
        active
    }

    fn recorded_inputs(&self, of: &[bool]) -> Vec<&str> {
        let slots = self.slots.iter().zip(of).filter(|(_, wanted)| **wanted);
        let inputs = slots.flat_map(|(slot, _)| &slot.inputs);
        let recorded = inputs.filter(|input| input.source == Source::Recorded);
        let names: BTreeSet<_> = recorded.map(|input| input.event.as_str()).collect();
        names.into_iter().collect()
    }

    /// Starts a detector that was ended. Its state starts anew. Nothing happens if it runs.
    ///
    /// # Errors
    /// If there is no such detector, or it fails to start; then it does not run.
    pub fn enable(&mut self, id: &str) -> Result<(), LifecycleError> {
        let slot = self.position(id)?;
        self.selectors = Selectors::default();
        self.slots[slot]
            .enable()
            .map_err(|message| LifecycleError::Start {
                id: id.to_owned(),
                message,
            })
    }

    /// Ends a detector: it is closed, forgets its state, and is given no more events. Nothing happens if it has ended.
    ///
    /// # Errors
    /// If there is no such detector, or it fails to end; then it goes on.
    pub fn disable(&mut self, id: &str) -> Result<(), LifecycleError> {
        let slot = self.position(id)?;
        self.selectors = Selectors::default();
        self.slots[slot]
            .disable()
            .map_err(|message| LifecycleError::End {
                id: id.to_owned(),
                message,
            })?;
        self.states[slot] = States::default();
        Ok(())
    }

    fn position(&self, id: &str) -> Result<usize, LifecycleError> {
        let slot = self.slots.iter().position(|slot| slot.definition.id == id);
        slot.ok_or_else(|| LifecycleError::Unknown { id: id.to_owned() })
    }

    /// Ends all detectors that run, and says which of them failed to. That is added to the [`warnings`](Self::warnings).
    pub fn close(&mut self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        self.selectors = Selectors::default();
        for slot in &mut self.slots {
            if let Err(message) = slot.disable() {
                warnings.push(Problem {
                    detector: slot.definition.id.clone(),
                    field: "close".to_owned(),
                    reason: Reason::Close { message },
                    hint: None,
                });
            }
        }
        self.warnings.extend_from_slice(&warnings);
        warnings
    }

    /// What each detector did so far, by id.
    pub fn stats(&self) -> impl ExactSizeIterator<Item = &DetectorStats> {
        self.slots.iter().map(|slot| &slot.stats)
    }
}

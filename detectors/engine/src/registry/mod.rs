//! Registration: everything that detectors ask for is checked, and everything that is wrong is said.

mod builder;
mod candidate;
mod input;
mod offer;
mod product;

use std::collections::{BTreeMap, HashMap};

use detectors_api::definition::DetectorDefinition;
use detectors_api::detector::{Detector, DetectorParams, Logger};

use crate::MAX_LEVELS;
use crate::engine::Engine;
use crate::graph::Graph;
use crate::problem::{Reason, Refusal};
use crate::slot::{Input, Slot, Source, start};
pub use builder::{EngineBuilder, Registered};
use candidate::{Candidate, Subscription};
use offer::{check_architecture, check_enrichment, check_store, check_tracee_version};

/// All detectors that want to run.
struct Registry<'a> {
    offer: &'a EngineBuilder,
    candidates: Vec<Candidate>,
    /// Event name → the detector that produces it.
    producers: HashMap<String, usize>,
}

impl<'a> Registry<'a> {
    pub(super) fn new(offer: &'a EngineBuilder, definitions: Vec<DetectorDefinition>) -> Self {
        let candidates: Vec<_> = definitions
            .into_iter()
            .map(|definition| Candidate {
                definition,
                inputs: Vec::new(),
                refusals: Vec::new(),
                warnings: Vec::new(),
            })
            .collect();
        let mut producers = HashMap::new();
        for (index, candidate) in candidates.iter().enumerate() {
            producers
                .entry(candidate.definition.event.name.clone())
                .or_insert(index);
        }
        Self {
            offer,
            candidates,
            producers,
        }
    }

    fn check_requirements(&mut self) {
        let offer = self.offer;
        let stores = offer.available_stores();
        for candidate in &mut self.candidates {
            for requirement in candidate.definition.stores.clone() {
                check_store(&stores, candidate, requirement);
            }
            for requirement in candidate.definition.enrichments.clone() {
                check_enrichment(offer, candidate, &requirement);
            }
            check_architecture(offer, candidate);
            check_tracee_version(offer, candidate);
        }
    }

    fn check_chains(&mut self) {
        let graph = self.graph();
        for index in 0..self.candidates.len() {
            if let Some(path) = graph.cycle(index) {
                let path = self.ids(path);
                self.candidates[index].refuse(
                    "events",
                    Reason::Cycle { path },
                    Some("let one of them consume something else".to_owned()),
                );
            }
        }
        self.refuse_consumers();
        let graph = self.graph();
        for (index, levels) in graph.ranks().into_iter().enumerate() {
            if levels > MAX_LEVELS && !self.candidates[index].refused() {
                let path = self.ids(graph.longest(index));
                self.candidates[index].refuse("events", Reason::TooDeep { path }, None);
            }
        }
        self.refuse_consumers();
    }

    fn ids(&self, members: Vec<usize>) -> Vec<String> {
        let id = |member: usize| self.candidates[member].definition.id.clone();
        members.into_iter().map(id).collect()
    }

    /// The graph of what is left.
    fn graph(&self) -> Graph {
        let producers = self
            .candidates
            .iter()
            .map(|candidate| {
                let producers = candidate.inputs.iter().filter_map(|input| input.producer);
                producers
                    .filter(|producer| !candidate.refused() && !self.candidates[*producer].refused())
                    .collect()
            })
            .collect();
        Graph { producers }
    }

    /// Whoever needs the events of a refused detector is refused too, and so on.
    fn refuse_consumers(&mut self) {
        loop {
            let refused: Vec<_> = self.candidates.iter().map(Candidate::refused).collect();
            let ids: Vec<_> = self
                .candidates
                .iter()
                .map(|candidate| candidate.definition.id.clone())
                .collect();
            let mut changed = false;
            for candidate in self
                .candidates
                .iter_mut()
                .filter(|candidate| !candidate.refused())
            {
                let lost =
                    |input: &mut Subscription| input.producer.is_some_and(|producer| refused[producer]);
                for input in candidate.inputs.extract_if(.., lost).collect::<Vec<_>>() {
                    let producer = input.producer.map(|producer| ids[producer].clone());
                    let reason = Reason::Producer {
                        event: input.event.clone(),
                        producer: producer.unwrap_or_default(),
                    };
                    candidate.lack(input.dependency, format!("event {}", input.event), reason, None);
                    changed = true;
                }
                if candidate.inputs.is_empty() && !candidate.refused() {
                    candidate.refuse("events", Reason::NoEvents, None);
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// Starts the detectors, which are those of the candidates. `refusals` are those of others.
    fn into_registered(
        mut self,
        mut detectors: Vec<Box<dyn Detector>>,
        mut refusals: Vec<Refusal>,
    ) -> Registered {
        let stores = self.offer.available_stores();
        let mut params = Vec::new();
        for (candidate, detector) in self.candidates.iter_mut().zip(&mut detectors) {
            let id = &candidate.definition.id;
            let own = DetectorParams {
                config: self.offer.configs.get(id).cloned().unwrap_or_default(),
                stores: stores.clone(),
                logger: Logger::new(id),
            };
            if !candidate.refused()
                && let Err(message) = start(detector.as_mut(), &own)
            {
                candidate.refuse("init", Reason::Init { message }, None);
            }
            params.push(own);
        }
        self.refuse_consumers();

        let ranks = self.graph().ranks();
        // Slots lie in the order of ids: that is the order of results.
        let mut running: Vec<_> = (0..self.candidates.len())
            .filter(|index| !self.candidates[*index].refused())
            .collect();
        running.sort_by(|a, b| {
            self.candidates[*a]
                .definition
                .id
                .cmp(&self.candidates[*b].definition.id)
        });
        let slot_of: HashMap<usize, usize> = running
            .iter()
            .enumerate()
            .map(|(slot, index)| (*index, slot))
            .collect();
        let (mut warnings, mut slots) = (Vec::new(), BTreeMap::new());
        let candidates = self.candidates.into_iter().zip(detectors).zip(params);
        for (index, ((candidate, detector), params)) in candidates.enumerate() {
            let Some(slot) = slot_of.get(&index) else {
                refusals.extend(candidate.refusals);
                continue;
            };
            warnings.extend(candidate.warnings);
            let inputs = inputs(candidate.inputs, &slot_of);
            slots.insert(
                *slot,
                Slot::new(candidate.definition, detector, params, inputs, ranks[index]),
            );
        }
        Registered {
            engine: Engine::new(slots.into_values().collect(), refusals.clone(), warnings.clone()),
            refusals,
            warnings,
        }
    }
}

/// Joins requirements on the same event, so that it is delivered once.
fn inputs(subscriptions: Vec<Subscription>, slot_of: &HashMap<usize, usize>) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for subscription in subscriptions {
        let source = match subscription.producer.and_then(|producer| slot_of.get(&producer)) {
            Some(slot) => Source::Detector(*slot),
            None => Source::Recorded,
        };
        match inputs.iter_mut().find(|input| input.event == subscription.event) {
            Some(input) => input.filters.push(subscription.filter),
            None => inputs.push(Input {
                event: subscription.event,
                source,
                filters: vec![subscription.filter],
            }),
        }
    }
    inputs
}

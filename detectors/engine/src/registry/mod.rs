//! Registration: everything that detectors ask for is checked, and everything that is wrong is said.

mod offer;

use std::collections::{BTreeMap, HashMap};

use detectors_api::catalogue::{Version, catalogue};
use detectors_api::definition::{Dependency, DetectorDefinition, EventRequirement};
use detectors_api::detector::{AvailableStores, Detector, DetectorConfig, DetectorParams, Logger};
use detectors_api::spelling::similar;
use detectors_api::stores::Store;

use crate::MAX_LEVELS;
use crate::engine::Engine;
use crate::filter::{FieldInfo, Filter};
use crate::graph::Graph;
use crate::problem::{Problem, Reason, Refusal, Warning};
use crate::slot::{Input, Slot, Source, start};
use offer::{check_architecture, check_enrichment, check_store, enrichment};

/// Collects detectors and what the recording offers, and makes an [`Engine`].
///
/// Without further word the recording has the process store, no enrichments, and an unknown architecture that suits every
/// detector.
#[derive(Default)]
pub struct EngineBuilder {
    detectors: Vec<Box<dyn Detector>>,
    enrichments: BTreeMap<&'static str, Option<String>>,
    stores: Option<AvailableStores>,
    architecture: Option<String>,
    configs: BTreeMap<String, DetectorConfig>,
}

impl std::fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("detectors", &self.detectors.len())
            .field("enrichments", &self.enrichments)
            .field("stores", &self.stores)
            .field("architecture", &self.architecture)
            .finish_non_exhaustive()
    }
}

/// The outcome of registration.
#[derive(Debug)]
pub struct Registered {
    /// Runs the detectors that are in order.
    pub engine: Engine,
    /// Why the others do not run; by detector, in the order of registration.
    pub refusals: Vec<Refusal>,
    /// What detectors that run have to do without.
    pub warnings: Vec<Warning>,
}

impl EngineBuilder {
    /// No detectors yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a detector.
    #[must_use]
    pub fn detector(mut self, detector: impl Detector + 'static) -> Self {
        self.detectors.push(Box::new(detector));
        self
    }

    /// Adds detectors. Where two claim the same id or event name, the one added first keeps it.
    #[must_use]
    pub fn detectors(mut self, detectors: impl IntoIterator<Item = Box<dyn Detector>>) -> Self {
        self.detectors.extend(detectors);
        self
    }

    /// Says what was added to the events while they were recorded: `environment`, `executable-hash=MODE`, `container`.
    /// Names that no detector can ask for have no effect.
    #[must_use]
    pub fn enrichments<I: IntoIterator<Item = impl AsRef<str>>>(mut self, names: I) -> Self {
        for name in names {
            let (name, mode) = match name.as_ref().split_once('=') {
                Some((name, mode)) => (name, Some(mode.to_owned())),
                None => (name.as_ref(), None),
            };
            if let Some(name) = enrichment(name) {
                self.enrichments.insert(name, mode);
            }
        }
        self
    }

    /// Says which stores the recording has: [`Store`]s, or any by name.
    #[must_use]
    pub fn stores(mut self, stores: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.stores = Some(stores.into_iter().collect());
        self
    }

    /// Says where the events were recorded: `x86_64` or `amd64`, `aarch64` or `arm64`.
    #[must_use]
    pub fn architecture(mut self, name: impl Into<String>) -> Self {
        self.architecture = Some(name.into());
        self
    }

    /// Sets the user's settings for the detector with this id.
    #[must_use]
    pub fn config(mut self, detector: impl Into<String>, config: DetectorConfig) -> Self {
        self.configs.insert(detector.into(), config);
        self
    }

    /// Checks all detectors and starts those that are in order.
    #[must_use]
    pub fn build(mut self) -> Registered {
        let detectors = std::mem::take(&mut self.detectors);
        let mut registry = Registry::new(&self, detectors.iter().map(|detector| detector.definition()));
        registry.check_identities();
        registry.check_requirements();
        registry.check_inputs();
        registry.check_chains();
        registry.into_registered(detectors)
    }

    fn available_stores(&self) -> AvailableStores {
        let known = || [Store::Process].into_iter().collect();
        self.stores.clone().unwrap_or_else(known)
    }
}

struct Registry<'a> {
    offer: &'a EngineBuilder,
    candidates: Vec<Candidate>,
    /// Event name → the detector that produces it.
    producers: HashMap<String, usize>,
}

struct Candidate {
    definition: DetectorDefinition,
    inputs: Vec<Subscription>,
    refusals: Vec<Refusal>,
    warnings: Vec<Warning>,
}

/// An input that could be served.
struct Subscription {
    event: String,
    producer: Option<usize>,
    dependency: Dependency,
    filter: Filter,
}

impl Candidate {
    fn problem(&self, field: impl Into<String>, reason: Reason, hint: Option<String>) -> Problem {
        Problem {
            detector: self.definition.id.clone(),
            field: field.into(),
            reason,
            hint,
        }
    }

    fn refuse(&mut self, field: impl Into<String>, reason: Reason, hint: Option<String>) {
        let problem = self.problem(field, reason, hint);
        self.refusals.push(problem);
    }

    /// A refusal or a warning, depending on whether the detector can do without.
    fn lack(
        &mut self,
        dependency: Dependency,
        field: impl Into<String>,
        reason: Reason,
        hint: Option<String>,
    ) {
        let problem = self.problem(field, reason, hint);
        match dependency {
            Dependency::Required => self.refusals.push(problem),
            Dependency::Optional => self.warnings.push(problem),
        }
    }

    fn refused(&self) -> bool {
        !self.refusals.is_empty()
    }
}

impl<'a> Registry<'a> {
    fn new(offer: &'a EngineBuilder, definitions: impl Iterator<Item = DetectorDefinition>) -> Self {
        let candidates: Vec<_> = definitions
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

    fn check_identities(&mut self) {
        let mut ids: HashMap<String, usize> = HashMap::new();
        for index in 0..self.candidates.len() {
            let definition = &self.candidates[index].definition;
            let (id, event) = (definition.id.clone(), definition.event.name.clone());
            let first = *ids.entry(id.clone()).or_insert(index);
            let producer = self.producers.get(&event).copied().unwrap_or(index);
            let other = self.candidates[producer].definition.id.clone();
            let candidate = &mut self.candidates[index];
            if id.is_empty() {
                candidate.refuse("id", Reason::Empty, None);
            } else if first != index {
                candidate.refuse("id", Reason::DuplicateId { id }, None);
            }
            if event.is_empty() {
                candidate.refuse("produced event", Reason::Empty, None);
            } else if catalogue().get(&event).is_some() {
                candidate.refuse(
                    "produced event",
                    Reason::CoreEvent { event },
                    Some("choose another name".to_owned()),
                );
            } else if producer != index {
                candidate.refuse("produced event", Reason::DuplicateEvent { event, other }, None);
            }
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
        }
    }

    fn check_inputs(&mut self) {
        for index in 0..self.candidates.len() {
            let requirements = self.candidates[index].definition.events.clone();
            for requirement in &requirements {
                self.check_input(index, requirement);
            }
            let candidate = &mut self.candidates[index];
            if candidate.inputs.is_empty() && !candidate.refused() {
                candidate.refuse("events", Reason::NoEvents, None);
            }
        }
    }

    fn check_input(&mut self, index: usize, requirement: &EventRequirement) {
        let event = requirement.name.clone();
        let field = format!("event {event}");
        if let (Some(min), Some(max)) = (requirement.min_version, requirement.max_version)
            && min >= max
        {
            self.candidates[index].refuse(&field, Reason::EmptyVersions { min, max }, None);
            return;
        }
        let core = catalogue().get(&event);
        let producer = self.producers.get(&event).copied().filter(|_| core.is_none());
        let (version, fields) = match (core, producer) {
            (Some(definition), _) => (
                definition.version,
                FieldInfo::of_event(definition, self.offer.architecture.as_deref()),
            ),
            (None, Some(producer)) => {
                let produced = &self.candidates[producer].definition.event;
                (produced.version, FieldInfo::of_produced(produced))
            }
            (None, None) => {
                let hint = if event.is_empty() {
                    None
                } else {
                    self.similar_event(&event)
                };
                let candidate = &mut self.candidates[index];
                candidate.lack(
                    requirement.dependency,
                    &field,
                    Reason::UnknownEvent { event },
                    hint,
                );
                return;
            }
        };
        let filter = Filter::new(&fields, &requirement.data, &requirement.scope);
        let candidate = &mut self.candidates[index];
        if !in_range(version, requirement.min_version, requirement.max_version) {
            candidate.lack(
                requirement.dependency,
                &field,
                Reason::EventVersion { version },
                None,
            );
            return;
        }
        match filter {
            Ok(filter) => candidate.inputs.push(Subscription {
                event,
                producer,
                dependency: requirement.dependency,
                filter,
            }),
            Err(errors) => {
                for error in errors {
                    candidate.refuse(&field, Reason::Filter(error), None);
                }
            }
        }
    }

    fn similar_event(&self, event: &str) -> Option<String> {
        let core = catalogue().iter().map(|definition| definition.name);
        let produced = self
            .candidates
            .iter()
            .map(|candidate| candidate.definition.event.name.as_str());
        similar(event, core.chain(produced)).map(|name| format!("did you mean {name}?"))
    }

    fn check_chains(&mut self) {
        let graph = self.graph();
        for index in 0..self.candidates.len() {
            if let Some(path) = graph.cycle(index) {
                let ids = path
                    .into_iter()
                    .map(|member| self.candidates[member].definition.id.clone())
                    .collect();
                self.candidates[index].refuse(
                    "events",
                    Reason::Cycle { path: ids },
                    Some("let one of them consume something else".to_owned()),
                );
            }
        }
        self.refuse_consumers();
        for (index, levels) in self.graph().ranks().into_iter().enumerate() {
            if levels > MAX_LEVELS && !self.candidates[index].refused() {
                self.candidates[index].refuse("events", Reason::TooDeep { levels }, None);
            }
        }
        self.refuse_consumers();
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

    fn into_registered(mut self, mut detectors: Vec<Box<dyn Detector>>) -> Registered {
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
        let (mut refusals, mut warnings, mut slots) = (Vec::new(), Vec::new(), BTreeMap::new());
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

fn in_range(version: Version, min: Option<Version>, max: Option<Version>) -> bool {
    min.is_none_or(|min| min <= version) && max.is_none_or(|max| version < max)
}

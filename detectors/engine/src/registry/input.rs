//! The events that detectors consume.

use detectors_api::catalogue::{Version, catalogue};
use detectors_api::definition::EventRequirement;
use detectors_api::spelling::similar;

use super::Registry;
use super::candidate::Subscription;
use crate::filter::{FieldInfo, Filter};
use crate::problem::Reason;

impl Registry<'_> {
    pub(super) fn check_inputs(&mut self) {
        for index in 0..self.candidates.len() {
            let requirements = self.candidates[index].definition.events.clone();
            for (number, requirement) in (1..).zip(&requirements) {
                if requirement.name.is_empty() {
                    self.candidates[index].refuse(format!("event {number}"), Reason::Empty, None);
                } else {
                    self.check_input(index, requirement);
                }
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
        let empty = match (requirement.min_version, requirement.max_version) {
            (Some(min), Some(max)) if min >= max => Some(Reason::EmptyVersions { min, max }),
            _ => None,
        };
        let satisfiable = empty.is_none();
        if let Some(reason) = empty {
            self.candidates[index].refuse(&field, reason, None);
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
                let hint = match self.offer.disabled.get(&event) {
                    Some(producer) => Some(format!("{producer}, which produces it, is disabled")),
                    None => self.similar_event(&event),
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
        let in_range = in_range(version, requirement.min_version, requirement.max_version);
        if !in_range && satisfiable {
            candidate.lack(
                requirement.dependency,
                &field,
                Reason::EventVersion { version },
                None,
            );
        }
        match filter {
            Ok(filter) if in_range => candidate.inputs.push(Subscription {
                event,
                producer,
                dependency: requirement.dependency,
                filter,
            }),
            Ok(_) => {}
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
}

pub(super) fn in_range(version: Version, min: Option<Version>, max: Option<Version>) -> bool {
    min.is_none_or(|min| min <= version) && max.is_none_or(|max| version < max)
}

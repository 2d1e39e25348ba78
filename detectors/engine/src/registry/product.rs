//! Who a detector says it is, and the event that it produces.

use std::collections::{HashMap, HashSet};

use detectors_api::catalogue::catalogue;
use detectors_api::definition::ProducedEvent;

use super::Registry;
use super::candidate::Candidate;
use crate::problem::Reason;

impl Registry<'_> {
    pub(super) fn check_identities(&mut self) {
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
            let produced = candidate.definition.event.clone();
            check_fields(candidate, &produced);
            check_tags(candidate, &produced);
        }
    }
}

fn check_fields(candidate: &mut Candidate, produced: &ProducedEvent) {
    let mut names = HashSet::new();
    for (number, field) in (1..).zip(&produced.fields) {
        if field.name.is_empty() {
            candidate.refuse(format!("field {number}"), Reason::Empty, None);
        } else if !names.insert(&field.name) {
            candidate.refuse(format!("field {}", field.name), Reason::Repeated, None);
        }
    }
}

fn check_tags(candidate: &mut Candidate, produced: &ProducedEvent) {
    let mut tags = HashSet::new();
    for (number, tag) in (1..).zip(&produced.tags) {
        let field = format!("tag {tag}");
        if tag.is_empty() {
            candidate.refuse(format!("tag {number}"), Reason::Empty, None);
        } else if !tags.insert(tag) {
            candidate.refuse(field, Reason::Repeated, None);
        } else if catalogue().get(tag).is_some() {
            let warning = candidate.problem(field, Reason::TagIsEvent, None);
            candidate.warnings.push(warning);
        }
    }
}

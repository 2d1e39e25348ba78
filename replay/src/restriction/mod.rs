//! What the user looks for: which recorded events detectors are given.
//!
//! A restriction never touches the stores, which know everything that happened. It holds for the events before a range too, so
//! that a run over a part of a capture finds what a run over all of it finds there. Invariants:
//!
//! * Whether an event is given depends on the event, and on the stores as of it, alone.
//! * Restrictions of different kinds must all hold; of several containers, or processes, one must.
//! * A condition that has no value for an event does not hold, and that is counted.

mod actors;
mod condition;
mod container;
mod failures;
mod field;
mod tree;

use std::collections::BTreeSet;

use detectors_api::detector::Context;
use detectors_api::event::Event;
use detectors_engine::Restriction;
use serde::Serialize;

pub use condition::{Condition, ConditionError};
pub use container::{Container, ContainerError};
pub use tree::{Bearer, ProcessTree, Root, RootError};

/// All restrictions of a run over one capture. By default there are none: detectors are given every event that they want.
#[derive(Debug, Default)]
pub struct Restrictions {
    events: Option<BTreeSet<&'static str>>,
    containers: Vec<Container>,
    trees: Vec<ProcessTree>,
    conditions: Vec<Condition>,
}

impl Restrictions {
    /// Only events with these names.
    #[must_use]
    pub fn events(mut self, names: BTreeSet<&'static str>) -> Self {
        self.events = Some(names);
        self
    }

    /// Only events from one of these containers, if there are any.
    #[must_use]
    pub fn containers(mut self, containers: Vec<Container>) -> Self {
        self.containers = containers;
        self
    }

    /// Only events of one of these processes or their descendants, if there are any.
    #[must_use]
    pub fn process_trees(mut self, trees: Vec<ProcessTree>) -> Self {
        self.trees = trees;
        self
    }

    /// Only events for which all of these hold.
    #[must_use]
    pub fn conditions(mut self, conditions: Vec<Condition>) -> Self {
        // Filters are cheap, and need no stores.
        self.conditions = conditions;
        self.conditions.sort_by_key(|condition| !condition.is_filter());
        self
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_none()
            && self.containers.is_empty()
            && self.trees.is_empty()
            && self.conditions.is_empty()
    }

    /// The names of the events that are wanted; all, if `None`. Others need not be read for detectors.
    #[must_use]
    pub fn wanted_events(&self) -> Option<&BTreeSet<&'static str>> {
        self.events.as_ref()
    }

    /// The conditions that had no value for some events, in the order in which they are asked.
    pub fn failures(&self) -> impl Iterator<Item = ConditionFailures> {
        self.conditions.iter().filter_map(Condition::failures)
    }

    /// What is restricted, for the record of the run.
    #[must_use]
    pub fn record(&self) -> RestrictionRecord {
        let names = self.events.iter().flatten();
        let mut conditions: Vec<_> = self.conditions.iter().map(|one| one.to_string()).collect();
        conditions.sort_unstable();
        RestrictionRecord {
            events: self
                .events
                .is_some()
                .then(|| names.map(|name| (*name).to_owned()).collect()),
            containers: self.containers.iter().map(ToString::to_string).collect(),
            process_trees: self.trees.iter().map(ToString::to_string).collect(),
            conditions,
            failed: self.failures().collect(),
        }
    }
}

impl Restriction for Restrictions {
    fn holds(&self, event: &Event<'_>, cx: &Context<'_>) -> bool {
        let (filters, programs) = self
            .conditions
            .split_at(self.conditions.partition_point(Condition::is_filter));
        // What is cheap comes first: the stores are asked only about events that pass all else.
        self.events
            .as_ref()
            .is_none_or(|events| events.contains(event.name()))
            && one_of(&self.containers, |container| container.holds(event))
            && filters.iter().all(|filter| filter.holds(event, cx))
            && one_of(&self.trees, |tree| tree.holds(event, cx))
            && programs.iter().all(|program| program.holds(event, cx))
    }
}

/// Whether one of them holds, or there is none.
fn one_of<T>(all: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    all.is_empty() || all.iter().any(holds)
}

/// What a run was restricted to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestrictionRecord {
    /// Names of the events; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Containers, as asked for; one had to match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
    /// Roots of process trees, as asked for; one had to match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub process_trees: Vec<String>,
    /// Conditions, each with what it was understood as; all had to hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// Conditions that had no value for some events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<ConditionFailures>,
}

/// How often a condition had no value for an event, so that the event was not given to detectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConditionFailures {
    /// The condition.
    pub condition: String,
    /// Number of events, those before the range included.
    pub events: u64,
    /// Sequence number of the first of them.
    pub seq: u64,
    /// Name of that event.
    pub event: String,
    /// What was wrong.
    pub reason: String,
}

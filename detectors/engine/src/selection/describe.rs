//! Telling people what is tested, and how.

use std::fmt;
use std::sync::Arc;

use super::Selector;
use super::column::Matcher;
use super::group::Group;
use crate::filter::Reads;

/// What is tested of one field or scope, for all detectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The field or the scope.
    pub tested: String,
    /// The filters on it, as written, each once; by detector.
    pub filters: Vec<String>,
    /// Ids of the detectors that have them.
    pub detectors: Vec<Arc<str>>,
    /// How often it is tested.
    pub evaluation: Evaluation,
}

/// How often something is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// Once for each distinct text of a row group, all detectors together.
    DistinctText,
    /// Once for each number, all detectors together.
    Number,
    /// Once for each process context, among the rows that the tests before left.
    ProcessContext,
    /// For each event that the tests before left, one test after the other.
    Event,
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DistinctText => "once per distinct text",
            Self::Number => "number by number",
            Self::ProcessContext => "once per process context",
            Self::Event => "event by event",
        })
    }
}

impl Selector {
    /// What is tested of events of this type, in the order of the tests.
    #[must_use]
    pub fn describe(&self, event_type: &str) -> Vec<Described> {
        let mut described = Vec::new();
        for group in self.groups(event_type) {
            for tests in group.tests() {
                let evaluation = match tests.matcher() {
                    Matcher::Texts(_) => Evaluation::DistinctText,
                    Matcher::Steps(_) => Evaluation::Number,
                    Matcher::EachTest => Evaluation::Event,
                };
                if tests.is_field() {
                    self.add_field(&mut described, group, tests.name(), evaluation);
                } else {
                    self.add_scopes(
                        &mut described,
                        group,
                        evaluation,
                        |reads| matches!(reads, Reads::Column(name, _) if name == tests.name()),
                    );
                }
            }
            self.add_scopes(&mut described, group, Evaluation::ProcessContext, |reads| {
                matches!(reads, Reads::Context)
            });
        }
        described
    }

    /// Ids of the detectors that want every event of this type.
    #[must_use]
    pub fn unfiltered(&self, event_type: &str) -> Vec<Arc<str>> {
        let requirements = self.groups(event_type).iter().flat_map(Group::requirements);
        let without = requirements.filter(|requirement| {
            requirement.filter.fields().is_empty() && requirement.filter.scopes().is_empty()
        });
        let mut slots: Vec<_> = without.map(|requirement| requirement.slot).collect();
        slots.dedup();
        slots
            .into_iter()
            .map(|slot| Arc::clone(&self.detectors[slot]))
            .collect()
    }

    fn add_field(&self, to: &mut Vec<Described>, group: &Group, name: &str, evaluation: Evaluation) {
        for requirement in group.requirements() {
            let fields = requirement.filter.fields().iter();
            for field in fields.filter(|field| field.name == name) {
                self.add(to, name, &field.filters, requirement.slot, evaluation);
            }
        }
    }

    fn add_scopes(
        &self,
        to: &mut Vec<Described>,
        group: &Group,
        evaluation: Evaluation,
        wanted: impl Fn(Reads<'_>) -> bool,
    ) {
        for requirement in group.requirements() {
            let scopes = requirement.filter.scopes().iter();
            for scope in scopes.filter(|scope| wanted(scope.what.reads())) {
                self.add(to, scope.name, &scope.filters, requirement.slot, evaluation);
            }
        }
    }

    fn add(
        &self,
        to: &mut Vec<Described>,
        tested: &str,
        filters: &[String],
        slot: usize,
        evaluation: Evaluation,
    ) {
        let same = |known: &Described| known.tested == tested && known.evaluation == evaluation;
        let place = to.iter().position(same).unwrap_or_else(|| {
            to.push(Described {
                tested: tested.to_owned(),
                filters: Vec::new(),
                detectors: Vec::new(),
                evaluation,
            });
            to.len() - 1
        });
        let described = &mut to[place];
        for filter in filters {
            if !described.filters.contains(filter) {
                described.filters.push(filter.clone());
            }
        }
        let detector = &self.detectors[slot];
        if !described.detectors.contains(detector) {
            described.detectors.push(Arc::clone(detector));
        }
    }
}

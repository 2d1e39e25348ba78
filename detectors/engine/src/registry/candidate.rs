//! A detector that wants to run, and what is wrong with it.

use detectors_api::definition::{Dependency, DetectorDefinition};

use crate::filter::Filter;
use crate::problem::{Problem, Reason, Refusal, Warning};

/// A detector that wants to run.
pub(super) struct Candidate {
    pub(super) definition: DetectorDefinition,
    pub(super) inputs: Vec<Subscription>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) warnings: Vec<Warning>,
}

/// An input that could be served.
pub(super) struct Subscription {
    pub(super) event: String,
    pub(super) producer: Option<usize>,
    pub(super) dependency: Dependency,
    pub(super) filter: Filter,
}

impl Candidate {
    pub(super) fn problem(&self, field: impl Into<String>, reason: Reason, hint: Option<String>) -> Problem {
        Problem {
            detector: self.definition.id.clone(),
            field: field.into(),
            reason,
            hint,
        }
    }

    pub(super) fn refuse(&mut self, field: impl Into<String>, reason: Reason, hint: Option<String>) {
        let problem = self.problem(field, reason, hint);
        self.refusals.push(problem);
    }

    /// A refusal or a warning, depending on whether the detector can do without.
    pub(super) fn lack(
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

    pub(super) fn refused(&self) -> bool {
        !self.refusals.is_empty()
    }
}

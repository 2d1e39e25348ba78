//! What comes of a question.

use detectors_stores::container::{ContainerFacts, ContainerInput};

use crate::Error;

/// What a runtime said about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Id of the container that was asked about.
    pub container_id: String,
    /// When the answer came: ns since the Unix epoch.
    pub arrived_ns: u64,
    /// The facts, or why there are none.
    pub outcome: Result<ContainerFacts, Error>,
}

impl Answer {
    /// The answer as a row of the container store's input table.
    #[must_use]
    pub fn to_input(&self) -> ContainerInput {
        match &self.outcome {
            Ok(facts) => ContainerInput::enriched(self.arrived_ns, &self.container_id, facts),
            Err(error) => {
                ContainerInput::enrichment_failed(self.arrived_ns, &self.container_id, error.to_string())
            }
        }
    }
}

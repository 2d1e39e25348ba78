//! What container runtimes say about containers: asked while recording, by somebody else.

use detectors_api::stores::Runtime;
use detectors_stores::container::ContainerFacts;

/// Asks container runtimes. Neither call may wait for them: meanwhile the ring buffer fills.
pub trait Enricher {
    /// Asks about the container with this id. `runtime` is what runs it, as far as its cgroup tells. Every question gets one
    /// answer, however long it takes.
    fn ask(&mut self, container: &str, runtime: Runtime);

    /// The answers that have come since the last call.
    fn answers(&mut self) -> Vec<EnrichmentAnswer>;
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrichmentAnswer {
    /// Id of the container that was asked about.
    pub container: String,
    /// What its runtime says, or why it says nothing.
    pub facts: Result<ContainerFacts, String>,
}

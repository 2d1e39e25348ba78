//! Keeping events from all detectors.

use std::fmt::Debug;

use detectors_api::detector::Context;
use detectors_api::event::Event;

/// Which recorded events detectors may see at all, such as those of one process and its descendants.
///
/// It is asked about the events that some detector wants, each once, from many threads. Its answer must depend on the event and
/// the stores as of it alone.
pub trait Restriction: Send + Sync + Debug {
    /// Whether detectors may see this event.
    fn holds(&self, event: &Event<'_>, cx: &Context<'_>) -> bool;
}

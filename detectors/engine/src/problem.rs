//! What can be wrong with a detector.

use std::fmt;

use detectors_api::catalogue::Version;

use crate::MAX_LEVELS;
use crate::filter::FilterError;

/// Something that a detector asks for and does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Id of the detector.
    pub detector: String,
    /// The part of its definition.
    pub field: String,
    /// What is wrong.
    pub reason: Reason,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Why a detector does not run.
pub type Refusal = Problem;

/// What a detector that runs has to do without.
pub type Warning = Problem;

/// What is wrong with a part of a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It could not say who it is. Its id being unknown, it goes by its place among all detectors.
    #[error("it is not told: {message}")]
    Definition {
        /// What went wrong.
        message: String,
    },
    /// An id or a name is empty.
    #[error("it is empty")]
    Empty,
    /// A name stands twice where it may stand once.
    #[error("it is declared twice")]
    Repeated,
    /// A tag would select an event, too.
    #[error("it is the name of an event, too; a choice by this word finds both")]
    TagIsEvent,
    /// It consumes nothing.
    #[error("there is no event to run on")]
    NoEvents,
    /// Another detector has this id.
    #[error("another detector has the id {id} too")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// Another detector produces this event.
    #[error("detector {other} produces {event} too")]
    DuplicateEvent {
        /// Name of the event.
        event: String,
        /// The other detector.
        other: String,
    },
    /// It would produce an event of the catalogue.
    #[error("{event} is the name of a recorded event")]
    CoreEvent {
        /// Name of the event.
        event: String,
    },
    /// Nobody knows the event.
    #[error("there is no event {event}")]
    UnknownEvent {
        /// Name of the event.
        event: String,
    },
    /// The event's detector is refused.
    #[error("{event} is produced by detector {producer}, which is refused")]
    Producer {
        /// Name of the event.
        event: String,
        /// The detector that produces it.
        producer: String,
    },
    /// No version is in the range.
    #[error("no version is from {min} up to but not including {max}")]
    EmptyVersions {
        /// Lowest version, inclusive.
        min: Version,
        /// Highest version, exclusive.
        max: Version,
    },
    /// The event's version is outside the range.
    #[error("the event has version {version}, outside the range asked for")]
    EventVersion {
        /// The event's version.
        version: Version,
    },
    /// It was made for other versions of Tracee.
    #[error("detectors are run as Tracee {version} does, outside the range asked for")]
    TraceeVersion {
        /// The version.
        version: Version,
    },
    /// A filter cannot be used.
    #[error("a filter is wrong:\n{}", indent(.0))]
    Filter(FilterError),
    /// A store is not there.
    #[error("the recording has no {store} store")]
    Store {
        /// Name of the store.
        store: String,
    },
    /// Nobody knows the enrichment.
    #[error("there is no enrichment {name}")]
    UnknownEnrichment {
        /// Its name.
        name: String,
    },
    /// Nobody knows the mode.
    #[error("enrichment {name} has no mode {mode}")]
    UnknownMode {
        /// Name of the enrichment.
        name: String,
        /// The mode.
        mode: String,
    },
    /// The events were recorded without the enrichment.
    #[error("the events were recorded without enrichment {name}")]
    Enrichment {
        /// Its name.
        name: String,
    },
    /// The events were recorded with the enrichment in another mode.
    #[error("the events were recorded with enrichment {name} in mode {recorded}, not {wanted}")]
    EnrichmentMode {
        /// Name of the enrichment.
        name: String,
        /// The recording's mode.
        recorded: String,
        /// The mode asked for.
        wanted: String,
    },
    /// Nobody knows the architecture.
    #[error("there is no architecture {name}")]
    UnknownArchitecture {
        /// Its name.
        name: String,
    },
    /// The events come from another architecture.
    #[error("the events were recorded on {recorded}")]
    Architecture {
        /// The recording's architecture.
        recorded: String,
    },
    /// It consumes, through others, its own event.
    #[error("detectors run in a circle: {}", .path.join(" → "))]
    Cycle {
        /// Ids of the detectors, in the order of the events' flow; the first is also the last.
        path: Vec<String>,
    },
    /// The chain of detectors is too long.
    #[error(
        "its events are {} detectors away from a recorded event ({}); {MAX_LEVELS} are allowed",
        .path.len(),
        .path.join(" → ")
    )]
    TooDeep {
        /// Ids of the detectors in the longest chain, in the order of the events' flow; the last is this one.
        path: Vec<String>,
    },
    /// It could not start.
    #[error("it failed to start: {message}")]
    Init {
        /// In its own words.
        message: String,
    },
    /// It could not end.
    #[error("it failed to end: {message}")]
    Close {
        /// In its own words.
        message: String,
    },
    /// The recording has no events of this type.
    #[error("events {event} were not recorded")]
    NotRecorded {
        /// Name of the event.
        event: String,
    },
}

fn indent(error: &FilterError) -> String {
    let lines: Vec<_> = error
        .to_string()
        .lines()
        .map(|line| format!("    {line}"))
        .collect();
    lines.join("\n")
}

impl fmt::Display for Problem {
    /// The hint of a filter is part of its reason; other hints follow on the same line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "detector {}: {}: {}", self.detector, self.field, self.reason)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

//! What a detector is, and how it makes itself known.
//!
//! There are two kinds. A *stateless* detector ([`EventDetector`]) looks at one event at a time; a *stateful* one
//! ([`StatefulDetector`]) keeps something from one event to the next, and declares how far that reaches. The engine keeps
//! either as a [`Detector`].
//!
//! ```standalone_crate
//! use detectors_api::prelude::*;
//!
//! /// Someone opened a file that decides who may become root.
//! struct SensitiveFileAccess;
//!
//! impl EventDetector for SensitiveFileAccess {
//!     fn definition(&self) -> DetectorDefinition {
//!         DetectorDefinition::new("ACME-001", "sensitive_file_access")
//!             .describe("A file that decides who may become root was opened")
//!             .field("file", FieldType::String)
//!             .on(EventRequirement::new("security_file_open")
//!                 .data("pathname=/etc/shadow")
//!                 .data("pathname=/etc/sudoers")
//!                 .scope("container=started"))
//!             .store(StoreRequirement::optional(Store::Container))
//!             .threat(Threat::medium("Sensitive file access").technique("T1003", "OS Credential Dumping"))
//!             .auto_populate(AutoPopulate::ALL)
//!     }
//!
//!     fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
//!         Ok(event.get::<&str>("pathname").map(|path| Output::new().with("file", path)).into())
//!     }
//! }
//!
//! register!(SensitiveFileAccess);
//!
//! let ids: Vec<_> = registered().iter().map(|detector| detector.definition().id).collect();
//! assert_eq!(ids, ["ACME-001"]);
//! ```

mod config;
mod context;
mod params;
mod register;
mod stateful;

pub use config::DetectorConfig;
pub use context::{Context, Notes};
pub use params::{AvailableStores, DetectorParams, Logger};
pub use register::{Registration, registered};
pub use stateful::{Reach, Session, State, Stateful, StatefulDetector};

use crate::definition::DetectorDefinition;
use crate::event::Event;
use crate::output::Outputs;
use crate::stores::StoreError;

/// A detector without memory: turns events into detections, one at a time.
///
/// `on_event` sees nothing but the event and the stores as of that event, and cannot change the detector: the engine calls
/// it for many events at once, from many threads. What is to be remembered from one event to the next needs a
/// [`StatefulDetector`].
pub trait EventDetector: Send + Sync {
    /// Who it is and what it needs. Pure; may be called several times.
    fn definition(&self) -> DetectorDefinition;

    /// Called once, before the first event.
    ///
    /// # Errors
    /// The detector is refused, with the error as the reason.
    fn init(&mut self, _params: &DetectorParams) -> Result<()> {
        Ok(())
    }

    /// Called for every event that passes the filters of a requirement.
    ///
    /// # Errors
    /// Counted and reported with the event; other detectors and other events go on.
    fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs>;

    /// Called once, after the last event.
    ///
    /// # Errors
    /// Reported.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A detector of either kind, as the engine keeps it: every [`EventDetector`] is one, and every [`StatefulDetector`]
/// wrapped in [`Stateful`].
pub trait Detector: Send + Sync {
    /// Who it is and what it needs. Pure; may be called several times.
    fn definition(&self) -> DetectorDefinition;

    /// Called once, before the first event.
    ///
    /// # Errors
    /// The detector is refused, with the error as the reason.
    fn init(&mut self, params: &DetectorParams) -> Result<()>;

    /// How it is to be given events.
    fn kind(&self) -> Kind<'_>;

    /// Called once, after the last event.
    ///
    /// # Errors
    /// Reported.
    fn close(&mut self) -> Result<()>;
}

/// How a detector is to be given events.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    /// In any order, several at once.
    Stateless(&'a dyn EventDetector),
    /// In order, with the state that belongs to the event.
    Stateful(&'a dyn Session),
}

impl std::fmt::Debug for Kind<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stateless(_) => f.write_str("Stateless"),
            Self::Stateful(session) => f.debug_tuple("Stateful").field(&session.reach()).finish(),
        }
    }
}

impl<D: EventDetector> Detector for D {
    fn definition(&self) -> DetectorDefinition {
        EventDetector::definition(self)
    }

    fn init(&mut self, params: &DetectorParams) -> Result<()> {
        EventDetector::init(self, params)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Stateless(self)
    }

    fn close(&mut self) -> Result<()> {
        EventDetector::close(self)
    }
}

/// What detectors return.
pub type Result<T, E = DetectorError> = std::result::Result<T, E>;

/// Why a detector failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DetectorError {
    /// In its own words.
    #[error("{0}")]
    Failed(String),
    /// A store had no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<&str> for DetectorError {
    fn from(text: &str) -> Self {
        Self::Failed(text.to_owned())
    }
}

impl From<String> for DetectorError {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

//! A detector that was read from a file.

use std::path::Path;
use std::sync::Arc;

use detectors_api::definition::DetectorDefinition;
use detectors_api::detector::{Context, EventDetector, Result};
use detectors_api::event::Event;
use detectors_api::output::Outputs;

use crate::error::{Fault, FileError, Reason};
use crate::schema::Places;
use crate::source::{Position, Source};

/// A detector that was read from a file.
#[derive(Clone, Debug)]
pub struct YamlDetector {
    pub(crate) definition: DetectorDefinition,
    pub(crate) origin: Origin,
}

impl YamlDetector {
    /// The file that it was read from, and where in it its parts stand.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl EventDetector for YamlDetector {
    fn definition(&self) -> DetectorDefinition {
        self.definition.clone()
    }

    fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Err("expressions cannot be evaluated yet".into())
    }
}

/// Where a detector was read: what turns a refusal at registration into a place in its file.
#[derive(Clone, Debug)]
pub struct Origin {
    pub(crate) source: Arc<Source>,
    pub(crate) places: Arc<Places>,
}

impl Origin {
    /// The file, as it was given or found.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// Where the part of the definition stands that registration calls `part`, such as `id` or `event NAME`; the start of
    /// the document if the file does not have it.
    #[must_use]
    pub fn position(&self, part: &str) -> Position {
        self.source.position(self.places.part(part).offset)
    }

    /// What is wrong with `part`, in its place.
    #[must_use]
    pub fn refusal(&self, part: &str, message: impl Into<String>, hint: Option<String>) -> FileError {
        let place = self.places.part(part);
        self.error(place.offset, place.path, message.into(), hint)
    }

    /// What is wrong at byte `offset` of the filter `filter` of `part` (`event NAME`), in its place.
    #[must_use]
    pub fn filter_refusal(
        &self,
        part: &str,
        (filter, offset): (&str, usize),
        message: impl Into<String>,
        hint: Option<String>,
    ) -> FileError {
        let place = self
            .places
            .filter(part, filter, offset, self.source.text())
            .unwrap_or_else(|| self.places.part(part));
        self.error(place.offset, place.path, message.into(), hint)
    }

    fn error(&self, offset: usize, field: String, message: String, hint: Option<String>) -> FileError {
        let fault = Fault {
            offset,
            field,
            reason: Reason::Refused { message },
            hint,
            harmless: false,
        };
        fault.within(&self.source)
    }
}

//! A detector that was read from a file.

use std::path::Path;
use std::sync::Arc;

use detectors_api::catalogue::FieldType;
use detectors_api::definition::DetectorDefinition;
use detectors_api::detector::{Context, EventDetector, Result};
use detectors_api::event::Event;
use detectors_api::output::{Output, Outputs};

use crate::cel::{self, Program};
use crate::error::{Fault, FileError, Reason};
use crate::schema::Places;
use crate::source::{Position, Source};

/// A detector that was read from a file.
///
/// An event becomes at most one detection. All conditions must hold; one that cannot be evaluated counts as false, with a
/// warning. An output field that has no value, or one that cannot be carried, costs the detection, with a warning; if it is
/// optional, it is left out.
#[derive(Clone, Debug)]
pub struct YamlDetector {
    pub(crate) definition: DetectorDefinition,
    pub(crate) conditions: Arc<[Condition]>,
    pub(crate) outputs: Arc<[OutputField]>,
    pub(crate) origin: Origin,
}

/// A condition and its path in the file.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) path: String,
    pub(crate) program: Program,
}

/// A field of the output.
#[derive(Debug)]
pub(crate) struct OutputField {
    pub(crate) name: String,
    /// Path of its expression in the file.
    pub(crate) path: String,
    pub(crate) program: Program,
    pub(crate) optional: bool,
    /// The declared type, if it is declared.
    pub(crate) field_type: Option<FieldType>,
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

    fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        for Condition { path, program } in &*self.conditions {
            match program.holds(event, cx) {
                Ok(true) => {}
                Ok(false) => return Ok(Outputs::none()),
                Err(error) => {
                    cx.warn(format_args!("{path}: {error}"));
                    return Ok(Outputs::none());
                }
            }
        }
        let mut output = Output::new();
        for field in &*self.outputs {
            let value = match field.program.value(event, cx) {
                Ok(value) => cel::to_output(&value, field.field_type),
                // There is no value to begin with, which is what optional fields are for.
                Err(_) if field.optional => continue,
                Err(error) => Err(error),
            };
            match value {
                Ok(value) => output = output.with(field.name.as_str(), value),
                Err(error) => {
                    cx.warn(format_args!("{}: {error}", field.path));
                    if !field.optional {
                        return Ok(Outputs::none());
                    }
                }
            }
        }
        Ok(output.into())
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

    /// The text of the file, as it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text()
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

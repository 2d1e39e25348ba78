//! Forms of the output.

use detectors_engine::Engine;
use replay::{Format, Signatures};

use crate::detectors::Form;
use crate::output::{Destination, terminal_width};

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum OutputForm {
    /// For people
    Table,
    /// One detection a line
    Ndjson,
    /// One array
    Json,
    /// One finding a line, as Tracee's signatures had them: Data, Context and SigMetadata
    Findings,
}

impl OutputForm {
    /// The form of a list of anything but detections.
    pub(super) fn list(self) -> Form {
        match self {
            Self::Table => Form::Table,
            Self::Ndjson | Self::Findings => Form::Ndjson,
            Self::Json => Form::Json,
        }
    }

    /// What `told` says, or else what suits the destination.
    pub(super) fn choose(told: Option<Self>, destination: &Destination) -> Self {
        told.unwrap_or(if destination.is_terminal() {
            Self::Table
        } else {
            Self::Ndjson
        })
    }

    /// The form of the detections of `engine`.
    pub(super) fn format(self, engine: &Engine) -> Format {
        match self {
            Self::Ndjson => Format::Ndjson,
            Self::Json => Format::Json,
            Self::Findings => Format::Findings(Signatures::new(engine.definitions())),
            Self::Table => Format::Table {
                width: terminal_width(),
            },
        }
    }
}

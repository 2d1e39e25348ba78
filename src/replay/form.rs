//! Forms of the output.

use clap::ValueEnum;
use detectors_engine::Engine;
use replay::{Format, Signatures};

use crate::detectors::Form;
use crate::output::{Destination, terminal_width};

#[derive(Clone, Copy, Debug, ValueEnum)]
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

    /// Its name, as `-o` has it.
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// The form of the detections of `engines`.
    pub(super) fn format<'a>(self, engines: impl Iterator<Item = &'a Engine>) -> Format {
        match self {
            Self::Ndjson => Format::Ndjson,
            Self::Json => Format::Json,
            Self::Findings => Format::Findings(Signatures::new(engines.flat_map(Engine::definitions))),
            Self::Table => Format::Table {
                width: terminal_width(),
            },
        }
    }
}

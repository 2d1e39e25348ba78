//! Forms of the output.

use clap::ValueEnum;
use replay::{Format, Roster, Signatures};

use crate::detectors::{Chosen, Form};
use crate::exit::Failure;
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
    /// One row a detection, with the columns that captures keep: for sql, `DuckDB` and data frames
    Parquet,
    /// One line a detection, for spreadsheets
    Csv,
    /// One document for code-scanning services and editors (SARIF 2.1.0)
    Sarif,
    /// One document for continuous integration, with a test case for each detector
    Junit,
    /// One finding a line, for security lakes (Detection Finding of OCSF 1.5.0)
    Ocsf,
}

impl OutputForm {
    /// The form of a list of anything but detections.
    pub(super) fn list(self) -> Form {
        match self {
            Self::Table => Form::Table,
            Self::Json => Form::Json,
            _ => Form::Ndjson,
        }
    }

    /// What `told` says, or else what suits the destination.
    ///
    /// # Errors
    /// If the destination is a terminal and the form is not for people.
    pub(super) fn choose(told: Option<Self>, destination: &Destination) -> Result<Self, Failure> {
        match told {
            Some(Self::Parquet) if destination.is_terminal() => Err(Failure::usage(
                "a Parquet file is nothing to look at: -w FILE writes it to a file",
            )),
            Some(form) => Ok(form),
            None if destination.is_terminal() => Ok(Self::Table),
            None => Ok(Self::Ndjson),
        }
    }

    /// Its name, as `-o` has it.
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// The form of the detections of `detectors`.
    pub(super) fn format<'a>(self, detectors: impl Iterator<Item = &'a Chosen>) -> Format {
        match self {
            Self::Ndjson => Format::Ndjson,
            Self::Json => Format::Json,
            Self::Findings => {
                let definitions = detectors.flat_map(|chosen| chosen.engine.definitions());
                Format::Findings(Signatures::new(definitions))
            }
            Self::Parquet => Format::Parquet,
            Self::Csv => Format::Csv,
            Self::Sarif => Format::Sarif(roster(detectors)),
            Self::Junit => Format::Junit(roster(detectors)),
            Self::Ocsf => Format::Ocsf(roster(detectors)),
            Self::Table => Format::Table {
                width: terminal_width(),
            },
        }
    }
}

/// The detectors of all captures, without those whose detections are not shown.
fn roster<'a>(detectors: impl Iterator<Item = &'a Chosen>) -> Roster {
    let mut roster = Roster::default();
    for chosen in detectors {
        roster.add(&chosen.engine, &chosen.helpers);
    }
    roster
}

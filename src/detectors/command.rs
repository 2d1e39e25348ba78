//! `tracee-cap detectors`: the detectors, as people and programs want to see them.

use std::io::{self, Write};

use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use super::{list, new, show, validate};
use crate::exit::{Exit, Failure};
use crate::output::Destination;

/// Browse, check and write detectors: what replay and record find things with
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap detectors list
  tracee-cap detectors list 'severity>=high' 'technique=T1055'
  tracee-cap detectors show ld_preload
  tracee-cap detectors new yaml shell_from_web_server -w rules/shell_from_web_server.yaml
  tracee-cap detectors validate rules/
  tracee-cap replay incident.tcap --detectors builtin,rules/";

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Validate(validate::Args),
    New(new::Args),
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Ndjson,
}

impl Form {
    /// The form that was asked for, or else the one that suits whoever reads.
    pub(super) fn or_default(form: Option<Self>, destination: &Destination) -> Self {
        form.unwrap_or(if destination.is_terminal() {
            Self::Table
        } else {
            Self::Ndjson
        })
    }
}

/// Writes `values` in `form`, or `table` if that is it.
pub(super) fn write<W: Write>(
    form: Form,
    mut out: W,
    values: impl Iterator<Item = Value>,
    table: impl FnOnce(&mut W) -> io::Result<()>,
) -> io::Result<()> {
    match form {
        Form::Table => table(&mut out)?,
        Form::Json => {
            serde_json::to_writer_pretty(&mut out, &values.collect::<Vec<_>>())?;
            writeln!(out)?;
        }
        Form::Ndjson => {
            for value in values {
                writeln!(out, "{value}")?;
            }
        }
    }
    out.flush()
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args),
        Command::Validate(args) => validate::run(args),
        Command::New(args) => new::run(args),
    }
}

//! `tracee-cap detectors new`.

use std::io::Write;

use clap::ValueEnum;
use detectors_api::catalogue::catalogue;

use crate::exit::{Exit, Failure};
use crate::output::Destination;

/// Write the beginning of a detector, which works as it stands and says what to change
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  tracee-cap detectors new yaml shell_from_web_server -w rules/shell_from_web_server.yaml
  tracee-cap detectors new rust shell_from_web_server --id ACME-007 -w detectors/builtin/src/shell_from_web_server.rs")]
pub(crate) struct Args {
    /// What to write it in
    language: Language,
    /// Name of the event that it produces: small letters, digits and underscores
    #[arg(value_parser = event_name)]
    name: String,
    /// Id of the detector; follows from the name if not given
    #[arg(long, value_parser = id)]
    id: Option<String>,
    #[command(flatten)]
    destination: Destination,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Language {
    /// A file that --detectors reads: filters and CEL expressions, no state
    Yaml,
    /// A source file: everything that the detector API can do
    Rust,
}

/// The detector that the templates hold. They are detectors proper, and tested as such.
const TEMPLATE_ID: &str = "ACME-001";
const TEMPLATE_EVENT: &str = "password_hashes_read";
const TEMPLATE_TYPE: &str = "PasswordHashesRead";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let template = match args.language {
        Language::Yaml => include_str!("templates/detector.yaml"),
        Language::Rust => include_str!("templates/detector.rs"),
    };
    let default_id = || args.name.to_ascii_uppercase().replace('_', "-");
    let text = template
        .replace(TEMPLATE_ID, &args.id.clone().unwrap_or_else(default_id))
        .replace(TEMPLATE_EVENT, &args.name)
        .replace(TEMPLATE_TYPE, &type_name(&args.name));
    let mut out = args.destination.open()?;
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Exit::Ok)
}

/// Names of events become names of tables, files, types and modules.
fn event_name(text: &str) -> Result<String, String> {
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
    let goes_on = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
    if !begins || !text.chars().all(goes_on) {
        return Err("it takes small letters, digits and underscores, and a letter to begin with".to_owned());
    }
    if catalogue().get(text).is_some() {
        return Err("a recorded event has this name: choose another one".to_owned());
    }
    Ok(text.to_owned())
}

/// Ids are written into source texts.
fn id(text: &str) -> Result<String, String> {
    let allowed = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    if text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("it takes letters, digits and - _ . and a letter to begin with, as in ACME-001".to_owned())
    }
}

/// `shell_run` as `ShellRun`.
fn type_name(event: &str) -> String {
    event
        .split('_')
        .flat_map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            [first.to_ascii_uppercase(), rest.to_owned()]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_what_they_become() {
        assert_eq!(type_name("shell_from_web_server2"), "ShellFromWebServer2");
        assert_eq!(type_name("a__b_"), "AB");
        assert!(event_name("shell_run").is_ok());
        for name in ["", "Shell", "9lives", "a-b", "sched_process_exec", "täter"] {
            assert!(event_name(name).is_err(), "{name}");
        }
        assert!(id("ACME-1.x").is_ok() && id("1\"").is_err() && id("").is_err());
    }
}

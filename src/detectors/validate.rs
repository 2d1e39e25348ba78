//! `tracee-cap detectors validate`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use detectors_api::detector::EventDetector;
use detectors_api::stores::Store;
use detectors_engine::{EngineBuilder, Problem, Reason, Registered};
use detectors_yaml::error::FileError;
use detectors_yaml::load::load;
use detectors_yaml::{Origin, YamlDetector};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::output::Destination;

/// Check files of detectors and lists, and say everything that is wrong with them
///
/// Files are read, and their detectors are registered together with those of this program, as for a recording that has all
/// stores and enrichments. What is wrong is told with its file, line and column. The exit code is 3 if anything is.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  tracee-cap detectors validate rules/
  tracee-cap detectors validate rules/shell.yaml rules/lists.yaml
  tracee-cap detectors validate rules/ -o ndjson | jq -r '\"\\(.file):\\(.line): \\(.message)\"'")]
pub(crate) struct Args {
    /// Files, and directories of files
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    output: Form,
    #[command(flatten)]
    destination: Destination,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// For people: each problem with its line of the file
    Text,
    /// One JSON object: counts, errors and warnings
    Json,
    /// One JSON object a line for each problem
    Ndjson,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let report = Report::of(&args.paths);
    if report.files.is_empty() {
        return Err(Failure::bad_input(anyhow::Error::msg(
            "there is no file of detectors or lists: their names end in .yaml or .yml",
        )));
    }
    let mut out = args.destination.open()?;
    report.write(args.output, &mut out)?;
    out.flush()?;
    crate::opened::warn(&report.summary());
    Ok(if report.errors.is_empty() {
        Exit::Ok
    } else {
        Exit::BadInput
    })
}

/// What was checked and what is wrong with it.
struct Report {
    files: BTreeSet<PathBuf>,
    errors: Vec<FileError>,
    warnings: Vec<FileError>,
}

impl Report {
    fn of(paths: &[PathBuf]) -> Self {
        let loaded = load(paths);
        let mut files: BTreeSet<_> = loaded.errors.iter().map(|error| error.file.clone()).collect();
        files.extend(loaded.warnings.iter().map(|warning| warning.file.clone()));
        files.extend(loaded.lists.iter().map(|list| list.file.clone()));
        files.extend(loaded.detectors.iter().map(|detector| path(detector).to_owned()));
        let (mut errors, mut warnings) = (loaded.errors, loaded.warnings);
        register(&loaded.detectors, &mut errors, &mut warnings);
        errors.sort_by(in_order);
        warnings.sort_by(in_order);
        Self {
            files,
            errors,
            warnings,
        }
    }

    fn summary(&self) -> String {
        let broken: BTreeSet<_> = self.errors.iter().map(|error| &error.file).collect();
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        format!(
            "{}, {} broken, {}, {}",
            count(self.files.len(), "file"),
            broken.len(),
            count(self.errors.len(), "error"),
            count(self.warnings.len(), "warning"),
        )
    }

    fn write(&self, form: Form, out: &mut impl Write) -> io::Result<()> {
        match form {
            Form::Text => {
                for error in &self.errors {
                    writeln!(out, "error: {error}\n")?;
                }
                for warning in &self.warnings {
                    writeln!(out, "warning: {warning}\n")?;
                }
            }
            Form::Json => {
                let all =
                    |problems: &[FileError]| problems.iter().map(FileError::to_json).collect::<Vec<_>>();
                let broken: BTreeSet<_> = self.errors.iter().map(|error| &error.file).collect();
                let report = json!({
                    "files": self.files.len(),
                    "broken": broken.len(),
                    "errors": all(&self.errors),
                    "warnings": all(&self.warnings),
                });
                serde_json::to_writer_pretty(&mut *out, &report)?;
                writeln!(out)?;
            }
            Form::Ndjson => {
                let levels = [("error", &self.errors), ("warning", &self.warnings)];
                for (level, problems) in levels {
                    for problem in problems {
                        writeln!(out, "{}", with_level(level, problem))?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn with_level(level: &str, problem: &FileError) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("level".to_owned(), level.into());
    if let Value::Object(members) = problem.to_json() {
        object.extend(members);
    }
    object.into()
}

fn path(detector: &YamlDetector) -> &Path {
    detector.origin().path()
}

fn in_order(a: &FileError, b: &FileError) -> std::cmp::Ordering {
    (&a.file, a.position).cmp(&(&b.file, b.position))
}

/// Registers `detectors` with those of this program, for a recording that has everything, and adds what is wrong.
///
/// What is wrong on every architecture is wrong: a filter may name a system call that only one of them has, and a detector may
/// be for one of them alone.
fn register(detectors: &[YamlDetector], errors: &mut Vec<FileError>, warnings: &mut Vec<FileError>) {
    let origins: BTreeMap<_, _> = detectors
        .iter()
        .map(|detector| (detector.definition().id, detector.origin()))
        .collect();
    let (on_x86, on_arm) = (registered(detectors, "x86_64"), registered(detectors, "aarch64"));
    for (problems, others, places) in [
        (on_x86.refusals, on_arm.refusals, errors),
        (on_x86.warnings, on_arm.warnings, warnings),
    ] {
        let everywhere = problems.iter().filter(|problem| others.contains(problem));
        places.extend(everywhere.filter_map(|problem| Some(place(problem, origins.get(&problem.detector)?))));
    }
}

/// `detectors` and those of this program, for a recording of `architecture` with every enrichment and store, those included
/// that users bring along.
fn registered(detectors: &[YamlDetector], architecture: &str) -> Registered {
    let definitions = detectors.iter().map(EventDetector::definition);
    let wanted = definitions.flat_map(|definition| definition.stores.into_iter().map(|wanted| wanted.name));
    let stores: BTreeSet<String> = Store::ALL.into_iter().map(String::from).chain(wanted).collect();
    let builder = EngineBuilder::new()
        .detectors(detectors_builtin::detectors())
        .enrichments(["environment", "executable-hash", "container"])
        .stores(stores)
        .architecture(architecture);
    detectors
        .iter()
        .cloned()
        .fold(builder, EngineBuilder::detector)
        .build()
}

/// The problem in its place.
fn place(problem: &Problem, origin: &Origin) -> FileError {
    match &problem.reason {
        Reason::Filter(error) => origin.filter_refusal(
            &problem.field,
            (&error.filter, error.offset),
            &error.message,
            error.hint.clone(),
        ),
        reason => origin.refusal(&problem.field, reason.to_string(), problem.hint.clone()),
    }
}

//! Choosing detectors on the command line, and the `detectors` subcommand.

mod choice;
mod command;
mod describe;
mod known;
mod list;
mod new;
mod selection;
mod show;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use capture::CaptureReader;
use detectors_engine::{Engine, EngineBuilder, Reason, Refusal, Warning};
use detectors_stores::Input;
use detectors_yaml::error::FileError;
use detectors_yaml::settings::Settings;
use replay::provenance::{DetectorInputs, FileDigest};
use serde_json::json;

use choice::Choice;
pub(crate) use command::{Args, Form, run};
use known::Known;
pub(crate) use selection::{WORDS, path_word, rebased, with_path};

use crate::exit::{Exit, Failure};
use crate::output::{Destination, write_table};
use crate::stores;

/// What a choice of detectors can be adjusted with, besides `--detectors`.
#[derive(Debug, Default, PartialEq, clap::Args)]
pub(crate) struct Adjustments {
    /// Detectors that do not run: words as for --detectors; may be repeated
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    disable: Vec<String>,
    /// Files and directories of detectors to choose from besides those of this program; may be repeated
    #[arg(long = "in", value_name = "PATH", value_delimiter = ',')]
    paths: Vec<PathBuf>,
    /// Settings of detectors: which ones do not run, what they are told, and where more of them are
    #[arg(
        long,
        value_name = "FILE",
        long_help = "Settings of detectors, a YAML file:\n\
                     paths: [rules/]          files and directories of detectors, relative to this file; part of `all`\n\
                     detectors:\n  \
                       TRC-105:\n    \
                         enabled: false       does not run\n  \
                       ACME-001:\n    \
                         config: {limit: 5}   what the detector is told"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Go on without files of detectors that cannot be used
    #[arg(long)]
    skip_broken: bool,
    /// Say which of the detectors cannot run over this recording and why, and stop
    #[arg(long)]
    pub(crate) list_refused: bool,
}

impl Adjustments {
    /// Files and directories to choose from, and settings.
    pub(crate) fn new(paths: Vec<PathBuf>, config: Option<PathBuf>) -> Self {
        Self {
            paths,
            config,
            ..Self::default()
        }
    }

    /// The file of settings.
    pub(crate) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Whether nothing is to be adjusted.
    pub(crate) fn are_none(&self) -> bool {
        *self == Self::default()
    }

    fn settings(&self) -> Result<Option<Settings>, Failure> {
        let read = |path: &PathBuf| Settings::read(path).map_err(|errors| unusable(&lines(&errors)));
        self.config.as_ref().map(read).transpose()
    }
}

/// What a recording has to offer to detectors.
#[derive(Debug)]
pub(crate) struct Offer<'a> {
    /// What was added to the events while they were recorded.
    pub(crate) enrichments: &'a [String],
    /// The names of the stores.
    pub(crate) stores: Vec<String>,
    /// What recorded them, by name and version; empty if unknown.
    pub(crate) recorder: String,
    /// Where the events were recorded, as `uname -m`; empty if unknown.
    pub(crate) architecture: &'a str,
}

impl<'a> Offer<'a> {
    /// What `reader`'s capture has to offer from event `seq` on, with what is brought along for stores.
    pub(crate) fn of(reader: &'a CaptureReader, seq: u64, brought: &[Input]) -> Result<Self, Failure> {
        let known = reader
            .stores_with(seq, brought.to_vec())
            .map_err(crate::opened::failure)?;
        let header = &reader.manifest().header;
        Ok(Self {
            enrichments: &header.enrichments,
            stores: stores::names(&known),
            recorder: match stores::recorder(&known) {
                unknown if unknown.is_empty() => reader.manifest().producer().to_owned(),
                recorder => recorder,
            },
            architecture: &header.host.architecture,
        })
    }
}

/// The detectors that were chosen.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// Runs those that are in order.
    pub(crate) engine: Engine,
    /// Why the others do not run.
    pub(crate) refusals: Vec<Refusal>,
    /// Ids of those that run because others need their events: what they find is not shown.
    pub(crate) helpers: BTreeSet<String>,
    /// What each of those that run is made of besides this program, by id.
    pub(crate) inputs: BTreeMap<String, DetectorInputs>,
    /// The word that chooses each of those that run, with the same settings and nothing to choose from besides; by id.
    pub(crate) words: BTreeMap<String, String>,
    /// The files that were read for them.
    pub(crate) files: Vec<FileDigest>,
}

/// Something that is worth knowing about a choice of detectors.
#[derive(Debug)]
pub(crate) enum Note {
    /// A file of detectors is odd, or cannot be used.
    File(FileError),
    /// Detectors run though nobody chose them: a line.
    Helpers(String),
    /// A detector cannot run.
    Refused(Refusal),
    /// A detector that runs has to do without something.
    Warning(Warning),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(problem) => problem.fmt(f),
            Self::Helpers(line) => f.write_str(line),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::Warning(warning) => warning.fmt(f),
        }
    }
}

impl Note {
    /// Tells people on stderr.
    fn tell(&self) {
        match self {
            Self::File(_) | Self::Helpers(_) => crate::opened::warn(&self.to_string()),
            Self::Refused(_) | Self::Warning(_) => tracing::warn!("{self}"),
        }
    }
}

/// The engine with the detectors that `words` choose, for a recording that has `offer`. Detectors that run though nobody
/// chose them, detectors that cannot run, and what those that run have to do without are reported on stderr.
///
/// # Errors
/// If words or files are wrong, or no detector at all can run.
pub(crate) fn engine(
    words: &[String],
    adjustments: &Adjustments,
    offer: Offer<'_>,
) -> Result<Chosen, Failure> {
    let chosen = assemble(words, adjustments, offer, &mut |note| {
        let refusal = matches!(note, Note::Refused(_) | Note::Warning(_));
        // Refusals that are listed are not told besides.
        if !(refusal && adjustments.list_refused) {
            note.tell();
        }
    })?;
    if !adjustments.list_refused && chosen.engine.definitions().len() == 0 {
        return Err(unusable(
            "no detector can run over this recording: all were refused",
        ));
    }
    Ok(chosen)
}

/// As [`engine`], but what is worth knowing goes to `tell`, and it is no error that no detector at all can run.
///
/// # Errors
/// If words or files are wrong.
pub(crate) fn assemble(
    words: &[String],
    adjustments: &Adjustments,
    offer: Offer<'_>,
    tell: &mut dyn FnMut(Note),
) -> Result<Chosen, Failure> {
    let settings = adjustments.settings()?;
    let paths = settings.iter().flat_map(|settings| &settings.paths);
    let paths = adjustments.paths.iter().chain(paths);
    let loaded = known::load(words.iter().chain(&adjustments.disable), paths)?;
    loaded.problems().cloned().map(Note::File).for_each(&mut *tell);
    if let Some(broken) = loaded.broken().filter(|_| !adjustments.skip_broken) {
        return Err(unusable(&format!(
            "{broken}: nothing was run; --skip-broken goes on without them"
        )));
    }
    let of_detectors = settings.as_ref().map_or(&[][..], |settings| &settings.detectors);
    if let Some(settings) = &settings {
        check_ids(settings, &loaded.known)?;
    }
    let switched_off = of_detectors
        .iter()
        .filter(|settings| !settings.enabled)
        .map(|settings| settings.id.as_str())
        .collect();
    let choice = Choice::new(loaded.known, words, &adjustments.disable, &switched_off)?;
    if let Some(line) = choice.about_helpers() {
        tell(Note::Helpers(line));
    }
    let inputs = choice
        .detectors
        .iter()
        .map(|known| {
            let id = &known.definition.id;
            let own = of_detectors.iter().find(|settings| settings.id == *id);
            let inputs = DetectorInputs {
                config: own.map(|settings| settings.config.clone()),
                files: loaded.files.texts(&known.origin),
            };
            (id.clone(), inputs)
        })
        .collect();
    let configured = settings.as_ref().map_or(&[][..], |settings| &settings.paths);
    let words = choice.detectors.iter().map(|known| {
        let id = known.definition.id.clone();
        (id, known.word(configured))
    });
    let words = words.collect();
    let mut builder = EngineBuilder::new()
        .detectors(choice.detectors.into_iter().map(|known| known.detector))
        .enrichments(offer.enrichments)
        .stores(offer.stores)
        .recorder(offer.recorder);
    for settings in of_detectors {
        builder = builder.config(&settings.id, settings.config.clone());
    }
    if !offer.architecture.is_empty() {
        builder = builder.architecture(offer.architecture);
    }
    for (event, detector) in choice.disabled {
        builder = builder.disabled(event, detector);
    }
    let registered = builder.build();
    let refusals = registered.refusals.iter().cloned();
    refusals.map(Note::Refused).for_each(&mut *tell);
    registered.warnings.into_iter().map(Note::Warning).for_each(tell);
    Ok(Chosen {
        engine: registered.engine,
        refusals: registered.refusals,
        helpers: choice.helpers,
        inputs,
        words,
        files: loaded.files.digests(),
    })
}

/// The ids of the detectors that `words` choose among those of this program and of the files at `paths`.
///
/// # Errors
/// If words or files are wrong.
pub(crate) fn ids(words: &[String], paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let loaded = known::load(words, paths)?;
    loaded.report();
    if let Some(broken) = loaded.broken() {
        return Err(unusable(&broken));
    }
    let named = choice::named(&loaded.known, words, "--detectors")?;
    let chosen = loaded.known.into_iter().zip(named);
    Ok(chosen
        .filter_map(|(known, named)| named.then_some(known.definition.id))
        .collect())
}

/// One line about the events that detectors wait for in vain, if there are any: many may wait for the same.
pub(crate) fn about_unmet(warnings: &[Warning]) -> Option<String> {
    let mut waiting: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for warning in warnings {
        if let Reason::NotRecorded { event } = &warning.reason {
            waiting.entry(event).or_default().push(&warning.detector);
        }
    }
    let events = waiting.iter();
    let events: Vec<_> = events
        .map(|(event, detectors)| format!("{event} ({})", detectors.join(", ")))
        .collect();
    (!events.is_empty()).then(|| format!("not recorded, though detectors consume it: {}", events.join("; ")))
}

/// Settings of detectors that nobody knows are a mistake.
fn check_ids(settings: &Settings, known: &[Known]) -> Result<(), Failure> {
    let ids: Vec<_> = known.iter().map(|known| known.definition.id.as_str()).collect();
    let unknown = settings.unknown(&ids);
    if unknown.is_empty() {
        return Ok(());
    }
    Err(unusable(&lines(&unknown)))
}

fn lines(errors: &[FileError]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn unusable(message: &str) -> Failure {
    Failure::bad_input(anyhow::Error::msg(message.to_owned()))
}

/// Writes which detectors do not run and why.
pub(crate) fn list_refused(
    refusals: &[Refusal],
    form: Form,
    destination: &Destination,
) -> Result<Exit, Failure> {
    let values = refusals.iter().map(|refusal| {
        json!({
            "detector": refusal.detector,
            "field": refusal.field,
            "reason": refusal.reason.to_string(),
            "hint": refusal.hint,
        })
    });
    command::write(form, destination.open()?, values, |out| {
        let rows = refusals.iter().map(|refusal| {
            // A filter that is wrong is shown in several lines; a table has one for it.
            let reason = refusal.reason.to_string();
            let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            let hint = refusal.hint.as_ref().map(|hint| format!("; {hint}"));
            [
                refusal.detector.clone(),
                refusal.field.clone(),
                reason + &hint.unwrap_or_default(),
            ]
        });
        write_table(out, "", ["DETECTOR", "PART", "REASON"], rows)
    })?;
    Ok(Exit::Ok)
}

/// The event types that a capture has or, had they happened, would have: those that its sensor watched.
pub(crate) fn recorded_events(reader: &CaptureReader) -> Vec<&str> {
    let plan = reader
        .manifest()
        .header
        .sensor_plan
        .as_ref()
        .and_then(|plan| plan.as_array());
    let watched = plan
        .into_iter()
        .flatten()
        .filter(|report| report["status"] == "hooked");
    let mut events = reader.event_types();
    events.extend(watched.filter_map(|report| report["event"].as_str()));
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_several_wait_for_is_named_once() {
        let waits = |detector: &str, event: &str| Warning {
            detector: detector.to_owned(),
            field: format!("event {event}"),
            reason: Reason::NotRecorded {
                event: event.to_owned(),
            },
            hint: None,
        };
        let warnings = [waits("A", "ptrace"), waits("A", "execve"), waits("B", "ptrace")];
        assert_eq!(
            about_unmet(&warnings).as_deref(),
            Some("not recorded, though detectors consume it: execve (A); ptrace (A, B)")
        );
        assert_eq!(about_unmet(&[]), None);
    }
}

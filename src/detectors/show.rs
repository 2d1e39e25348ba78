//! `tracee-cap detectors show`.

use std::io::Write;
use std::path::PathBuf;

use detectors_api::definition::{Dependency, EventRequirement, Threat};
use detectors_engine::MAX_LEVELS;

use super::command::{self, Form};
use super::describe::{auto_populate, consumers, describe, severity};
use super::known::{self, Known};
use crate::exit::{Exit, Failure};
use crate::output::{Destination, printable};

/// Show everything about detectors: what they find, what they need, what they are connected with
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  tracee-cap detectors show TRC-107
  tracee-cap detectors show rules/shell_from_web_server.yaml
  tracee-cap detectors show shell_run --in rules/")]
pub(crate) struct Args {
    /// Ids of detectors, names of the events they produce, or files of detectors
    #[arg(value_name = "WORD", required = true)]
    words: Vec<String>,
    /// Files and directories of detectors to know besides those of this program; may be repeated
    #[arg(long = "in", value_name = "PATH", value_delimiter = ',')]
    paths: Vec<PathBuf>,
    /// Form of the output; text on a terminal and NDJSON otherwise, unless told
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
    #[command(flatten)]
    destination: Destination,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let loaded = known::load(&args.words, &args.paths)?;
    loaded.report();
    let known = &loaded.known;
    let shown: Vec<_> = known
        .iter()
        .zip(super::choice::named(known, &args.words, "detectors show")?)
        .filter_map(|(known, shown)| shown.then_some(known))
        .collect();
    let form = Form::or_default(args.output, &args.destination);
    let values = shown.iter().map(|shown| describe(shown, known));
    command::write(form, args.destination.open()?, values, |out| {
        for (index, shown) in shown.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            out.write_all(text(shown, known).as_bytes())?;
        }
        Ok(())
    })?;
    Ok(loaded.exit())
}

/// Everything about a detector, for people.
fn text(known: &Known, all: &[Known]) -> String {
    let definition = &known.definition;
    let event = &definition.event;
    let title = format!("{} {} {}", definition.id, event.name, event.version);
    let mut sheet = Sheet(printable(&title) + "\n");
    sheet.prose("", &event.description);
    sheet.gap();
    sheet.entry("source", &known.origin.to_string());
    sheet.entry("reach", remembers(known.reach()));
    sheet.entry("event id", &event.number().to_string());
    sheet.entry("tags", &event.tags.join(", "));
    sheet.entry("adds", &auto_populate(definition.auto_populate).join(", "));
    for (index, field) in event.fields.iter().enumerate() {
        let label = if index == 0 { "fields" } else { "" };
        sheet.entry(label, &format!("{} ({})", field.name, field.field_type));
    }
    if let Some(threat) = &definition.threat {
        sheet.gap();
        sheet.threat(threat);
    }
    sheet.gap();
    for (index, input) in definition.events.iter().enumerate() {
        let label = if index == 0 { "consumes" } else { "" };
        sheet.entry(label, &consumed(input));
    }
    for (index, need) in needs(known).iter().enumerate() {
        let label = if index == 0 { "needs" } else { "" };
        sheet.entry(label, need);
    }
    let mut chain = Vec::new();
    upwards(known, all, 0, &mut chain);
    let own = chain.len();
    downwards(known, all, 0, &mut chain);
    if own > 0 || chain.len() > own {
        sheet.gap();
        for (index, line) in chain.iter().enumerate() {
            let label = match index {
                0 if own > 0 => "built on",
                _ if index == own => "feeds",
                _ => "",
            };
            sheet.entry(label, line);
        }
    }
    sheet.0
}

/// A reach in words.
fn remembers(reach: &str) -> &str {
    match reach {
        "event" => "event: remembers nothing",
        "process" => "process: remembers within a process",
        "container" => "container: remembers within a container",
        _ => "global: remembers across all events",
    }
}

/// An input: its event, whether it may be missing, versions and filters.
fn consumed(input: &EventRequirement) -> String {
    let mut text = input.name.clone();
    text.push_str(optional(input.dependency));
    if let Some(min) = input.min_version {
        text.push_str(&format!(", from version {min}"));
    }
    if let Some(max) = input.max_version {
        text.push_str(&format!(", before version {max}"));
    }
    let filters: Vec<_> = input
        .data
        .iter()
        .chain(&input.scope)
        .map(String::as_str)
        .collect();
    if !filters.is_empty() {
        text.push_str(&format!(", where {}", filters.join("  ")));
    }
    text
}

/// What a detector needs besides events.
fn needs(known: &Known) -> Vec<String> {
    let definition = &known.definition;
    let stores = definition
        .stores
        .iter()
        .map(|store| format!("store {}{}", store.name, optional(store.dependency)));
    let enrichments = definition.enrichments.iter().map(|enrichment| {
        let config = enrichment.config.iter().map(|config| format!("={config}"));
        format!(
            "enrichment {}{}{}",
            enrichment.name,
            config.collect::<String>(),
            optional(enrichment.dependency)
        )
    });
    let tracee = [
        ("from", definition.min_tracee_version),
        ("before", definition.max_tracee_version),
    ]
    .into_iter()
    .filter_map(|(word, version)| Some(format!("Tracee {word} {}", version?)));
    let architectures = &definition.architectures;
    let architecture =
        (!architectures.is_empty()).then(|| format!("architecture {}", architectures.join(" or ")));
    stores
        .chain(enrichments)
        .chain(architecture)
        .chain(tracee)
        .collect()
}

fn optional(dependency: Dependency) -> &'static str {
    match dependency {
        Dependency::Required => "",
        Dependency::Optional => " (optional)",
    }
}

/// The detectors that `known` is built on. Chains may be wrong, and go in circles: they are followed as far as one is allowed.
fn upwards(known: &Known, all: &[Known], level: usize, lines: &mut Vec<String>) {
    if level < MAX_LEVELS {
        for producer in super::describe::producers(&known.definition, all) {
            lines.push(branch(level, producer));
            upwards(producer, all, level + 1, lines);
        }
    }
}

/// The detectors that `known` feeds, likewise.
fn downwards(known: &Known, all: &[Known], level: usize, lines: &mut Vec<String>) {
    if level < MAX_LEVELS {
        for consumer in consumers(&known.definition, all) {
            lines.push(branch(level, consumer));
            downwards(consumer, all, level + 1, lines);
        }
    }
}

fn branch(level: usize, known: &Known) -> String {
    let indent = "   ".repeat(level.saturating_sub(1));
    let mark = if level == 0 { "" } else { "└─ " };
    let definition = &known.definition;
    format!("{indent}{mark}{} ({})", definition.id, definition.event.name)
}

/// Labels and texts in two columns.
struct Sheet(String);

impl Sheet {
    /// Columns before the texts.
    const MARGIN: usize = 13;
    /// Columns of a text.
    const WIDTH: usize = 97;

    fn gap(&mut self) {
        self.0.push('\n');
    }

    /// One line; nothing to say is said with a dash.
    fn entry(&mut self, label: &str, text: &str) {
        let text = if text.is_empty() { "-" } else { &printable(text) };
        let width = Self::MARGIN - 2;
        self.0.push_str(&format!("  {label:<width$}{text}\n"));
    }

    /// As many lines as it takes; none for nothing.
    fn prose(&mut self, label: &str, text: &str) {
        let (mut label, mut line) = (label, String::new());
        for word in text.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > Self::WIDTH {
                self.entry(label, &std::mem::take(&mut line));
                label = "";
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.entry(label, &line);
        }
    }

    fn threat(&mut self, threat: &Threat) {
        self.entry("threat", &threat.name);
        self.prose("", &threat.description);
        self.entry("severity", &severity(threat));
        if !threat.tactics.is_empty() {
            self.entry("tactic", &threat.tactics.join(", "));
        }
        for (id, name) in &threat.techniques {
            self.entry("technique", &format!("{id} {name}"));
        }
        for id in &threat.sub_techniques {
            self.entry("technique", id);
        }
        if let Some((id, name)) = &threat.signature {
            self.entry("signature", &format!("{id} {name}"));
        }
        for (key, value) in &threat.properties {
            self.entry("property", &format!("{key}: {value}"));
        }
    }
}

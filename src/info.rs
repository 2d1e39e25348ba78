//! `tracee-cap info`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use capture::{CaptureReader, Form, Manifest, MergedPart, Source, State, Table, TimeRange, format_time};
use detectors_stores::Stores;
use indicatif::{HumanBytes, HumanCount};
use jiff::SignedDuration;

use crate::exit::{Exit, Failure};
use crate::opened::{self, failure};

/// Show what a capture holds: state, time, host, events by type, losses, files.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The capture.
    capture: PathBuf,

    /// Form of the output; a table on a terminal, JSON in a pipe.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap info incident.tcap
  tracee-cap info incident.tcap -o json | jq .events";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// The manifest with what the journal holds counted in, the digest and the losses.
    Json,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let reader = opened::open(&args.capture)?;
    let output = args.output.unwrap_or(if io::stdout().is_terminal() {
        Output::Table
    } else {
        Output::Json
    });
    let text = match output {
        Output::Table => table(&reader, &losses(&reader)?),
        Output::Json => json(&reader, &losses(&reader)?)?,
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(opened::end(&reader))
}

/// Lost events by cause.
fn losses(reader: &CaptureReader) -> Result<BTreeMap<String, u64>, Failure> {
    let mut causes: BTreeMap<String, u64> = BTreeMap::new();
    for loss in reader.losses().map_err(failure)? {
        let count = causes.entry(loss.cause).or_default();
        *count = count.saturating_add(loss.count);
    }
    Ok(causes)
}

fn json(reader: &CaptureReader, losses: &BTreeMap<String, u64>) -> Result<String, Failure> {
    let value = serde_json::to_value(reader.manifest()).map_err(Failure::bad_input)?;
    let mut info = serde_json::json!({
        "capture": reader.path().display().to_string(),
        "digest": reader.manifest().digest(),
        "bytes": reader.manifest().bytes(),
        "form": form(reader).0,
        "losses": losses,
    });
    if let (Some(info), serde_json::Value::Object(manifest)) = (info.as_object_mut(), value) {
        info.extend(manifest);
    }
    Ok(format!("{info}\n"))
}

fn table(reader: &CaptureReader, losses: &BTreeMap<String, u64>) -> String {
    let manifest = reader.manifest();
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<10} {value}");
        }
    };
    line("capture", reader.path().display().to_string());
    line("form", form(reader).1.to_owned());
    line("state", state(reader));
    line("id", manifest.header.capture_id.clone());
    line("host", host(manifest));
    line("time", manifest.time.map(time).unwrap_or_default());
    line("source", source(manifest));
    line("cut from", cut(manifest));
    for part in &manifest.header.merged {
        line("merged", merged(part));
    }
    line("tool", format!("{}, format {}", manifest.tool, manifest.format));
    line("command", manifest.header.argv.join(" "));
    line("filters", manifest.header.filters.join(", "));
    let totals = manifest.totals;
    line(
        "events",
        format!(
            "{} received = {} written + {} lost",
            HumanCount(totals.received),
            HumanCount(totals.written),
            HumanCount(totals.lost)
        ),
    );
    line(
        "files",
        format!(
            "{} in {} segments, {}",
            manifest.parts.len(),
            reader.segments().len(),
            HumanBytes(manifest.bytes())
        ),
    );
    let stores = reader.input_stores().join(", ");
    let is_keyframe = |table: &Table| matches!(table, Table::Keyframe(name) if name == Stores::KEYFRAME);
    let keyframes = manifest
        .parts
        .iter()
        .filter(|part| is_keyframe(&part.table))
        .count();
    line(
        "stores",
        match (stores.as_str(), keyframes) {
            (_, 0) => stores,
            ("", _) => format!("{keyframes} keyframes"),
            _ => format!("{stores}; {keyframes} keyframes"),
        },
    );
    line("digest", manifest.digest());
    for (title, counts) in [("event", &manifest.events), ("lost to", losses)] {
        if counts.is_empty() {
            continue;
        }
        let width = counts
            .keys()
            .map(String::len)
            .max()
            .unwrap_or_default()
            .max(title.len());
        let _ = writeln!(text, "\n{title:<width$} {:>12}", "count");
        let mut counts: Vec<_> = counts.iter().collect();
        counts.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (name, count) in counts {
            let _ = writeln!(text, "{name:<width$} {:>12}", HumanCount(*count).to_string());
        }
    }
    text
}

/// The form of the capture, in a word and for people.
fn form(reader: &CaptureReader) -> (&'static str, &'static str) {
    match reader.form() {
        Form::Directory => ("directory", "a directory"),
        Form::Pack => ("pack", "a pack: all files in one"),
        Form::Text => ("text", "a text: one file to read and compare"),
        Form::Temporary => ("events", "a file of events, imported for this run"),
    }
}

fn state(reader: &CaptureReader) -> String {
    match reader.state() {
        State::Closed => "closed: complete".to_owned(),
        State::Open => "open: still being recorded".to_owned(),
        State::Truncated => "truncated: its recorder died".to_owned(),
    }
}

fn host(manifest: &Manifest) -> String {
    let host = &manifest.header.host;
    [&host.name, &host.os, &host.kernel, &host.architecture]
        .into_iter()
        .filter(|fact| !fact.is_empty())
        .cloned()
        .collect::<Vec<_>>()
        .join(", ")
}

fn time(range: TimeRange) -> String {
    let seconds = (range.last.abs_diff(range.first)) as f64 / 1e9;
    format!(
        "{} to {} ({seconds:.3} s)",
        format_time(range.first),
        format_time(range.last)
    )
}

/// What the capture was cut out of.
fn cut(manifest: &Manifest) -> String {
    let Some(cut) = &manifest.header.cut else {
        return String::new();
    };
    let mut text = format!(
        "{}, events {} to {}",
        cut.of.capture_id, cut.seq.first, cut.seq.last
    );
    for restriction in &cut.restrictions {
        // Writing to a string cannot fail.
        let _ = write!(text, ", {restriction}");
    }
    match (cut.restrictions.as_slice(), cut.only) {
        ([], _) => {}
        (_, true) => text.push_str("; nothing else"),
        (_, false) => text.push_str("; and what stores need"),
    }
    text
}

/// A capture that this one was merged from.
fn merged(part: &MergedPart) -> String {
    let mut text = format!("{} (", part.of.capture_id);
    if !part.host.name.is_empty() {
        text += &format!("{}, ", part.host.name);
    }
    text += &format!("{} events", HumanCount(part.events));
    if part.offset_ns != 0 {
        text += &format!(", corrected by {:#}", SignedDuration::from_nanos(part.offset_ns));
    }
    text + ")"
}

fn source(manifest: &Manifest) -> String {
    match &manifest.header.source {
        Source::Live => "live".to_owned(),
        Source::Import { inputs } => {
            let inputs: Vec<_> = inputs
                .iter()
                .map(|input| {
                    let mut text = format!(
                        "{} ({}, {} events",
                        input.name,
                        input.format,
                        HumanCount(input.events)
                    );
                    for (count, what) in [
                        (input.log_lines, "logger lines"),
                        (input.unreadable, "unreadable records"),
                        (input.left_out, "events left out"),
                    ] {
                        if count > 0 {
                            // Writing to a string cannot fail.
                            let _ = write!(text, ", {count} {what}");
                        }
                    }
                    if !input.producer.is_empty() {
                        let _ = write!(text, ", made by {}", input.producer);
                    }
                    text + ")"
                })
                .collect();
            format!("import of {}", inputs.join(", "))
        }
    }
}

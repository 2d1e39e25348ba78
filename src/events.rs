//! `tracee-cap events`: the catalogue, as people and programs want to see it.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};

use clap::{Subcommand, ValueEnum};
use detectors_api::catalogue::{EventDefinition, FieldDefinition, catalogue};
use detectors_api::columns::{Layout, layout};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::output::write_table;
use crate::spelling;

/// Browse the event catalogue: what can be recorded, filtered and queried.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tracee-cap events list --set default
  tracee-cap events list 'security_*' --class common
  tracee-cap events show security_file_open
  tracee-cap events list -o ndjson | jq -r 'select(.fields[].name == \"pathname\") | .name'";

#[derive(Debug, Subcommand)]
enum Command {
    /// List event types, one per line.
    List(ListArgs),
    /// Show everything about event types: ids, sets, fields and the columns that hold them.
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Names to list; `*` and `?` match any text and any character. All events if none is given.
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Only events of this set, such as `default` or `fs`; of all of them if given more than once.
    #[arg(long = "set", value_name = "SET")]
    sets: Vec<String>,
    /// Only events of this class: syscall, common, userspace, capture, signal or test.
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// Form of the output: a table on a terminal, otherwise NDJSON.
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Event names.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Form of the output: text on a terminal, otherwise NDJSON.
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One JSON array.
    Json,
    /// One JSON object per line.
    Ndjson,
}

impl Format {
    fn or_default(format: Option<Self>) -> Self {
        format.unwrap_or(if io::stdout().is_terminal() {
            Self::Table
        } else {
            Self::Ndjson
        })
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Show(args) => show(args),
    }
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let selected = select(args)?;
    let mut out = io::stdout().lock();
    match Format::or_default(args.output) {
        Format::Table => {
            let rows = selected.iter().map(|event| {
                [
                    event.id.to_string(),
                    event.name.to_owned(),
                    event.version.to_string(),
                    event.class.name().to_owned(),
                    or_dash(event.sets.join(",")),
                    or_dash(join(event.fields.iter().map(|field| field.name), " ")),
                ]
            });
            write_table(
                &mut out,
                "",
                ["ID", "NAME", "VERSION", "CLASS", "SETS", "FIELDS"],
                rows,
            )?;
        }
        format => write_json(&mut out, format, &selected)?,
    }
    Ok(Exit::Ok)
}

fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    let events = args
        .names
        .iter()
        .map(|name| find(name))
        .collect::<Result<Vec<_>, _>>()?;
    let mut out = io::stdout().lock();
    match Format::or_default(args.output) {
        Format::Table => {
            for (index, event) in events.iter().enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                write_event(&mut out, event)?;
            }
        }
        format => write_json(&mut out, format, &events)?,
    }
    Ok(Exit::Ok)
}

/// The events that all options ask for. A name, set or class that does not exist is an error, not an empty list.
fn select(args: &ListArgs) -> Result<Vec<&'static EventDefinition>, Failure> {
    let sets: BTreeSet<_> = catalogue()
        .iter()
        .flat_map(|event| event.sets.iter().copied())
        .collect();
    if let Some(unknown) = args.sets.iter().find(|set| !sets.contains(set.as_str())) {
        return Err(Failure::usage(format!(
            "there is no set `{unknown}`; sets are: {}",
            join(sets, ", ")
        )));
    }
    let classes: BTreeSet<_> = catalogue().iter().map(|event| event.class.name()).collect();
    if let Some(unknown) = args.class.as_deref().filter(|class| !classes.contains(class)) {
        return Err(Failure::usage(format!(
            "there is no class `{unknown}`; classes are: {}",
            join(classes, ", ")
        )));
    }
    for pattern in &args.patterns {
        if !catalogue()
            .iter()
            .any(|event| analyze::glob_matches(pattern, event.name))
        {
            return Err(unknown_event(pattern));
        }
    }
    Ok(catalogue()
        .iter()
        .filter(|event| {
            args.patterns.is_empty()
                || args
                    .patterns
                    .iter()
                    .any(|pattern| analyze::glob_matches(pattern, event.name))
        })
        .filter(|event| args.sets.iter().all(|set| event.sets.contains(&set.as_str())))
        .filter(|event| {
            args.class
                .as_deref()
                .is_none_or(|class| event.class.name() == class)
        })
        .collect())
}

fn find(name: &str) -> Result<&'static EventDefinition, Failure> {
    catalogue().get(name).ok_or_else(|| unknown_event(name))
}

fn unknown_event(name: &str) -> Failure {
    let near = spelling::nearest(name, catalogue().iter().map(|event| event.name));
    let hint = if near.is_empty() {
        "`tracee-cap events list` shows all".to_owned()
    } else {
        format!("did you mean {}?", join(near, ", "))
    };
    Failure::usage(format!("the catalogue has no event `{name}`; {hint}"))
}

/// An event for people.
fn write_event(out: &mut impl Write, event: &'static EventDefinition) -> io::Result<()> {
    writeln!(out, "{} {}", event.name, event.version)?;
    writeln!(
        out,
        "  id      {} (inside Tracee: {} on amd64, {} on arm64)",
        event.id, event.internal_id_amd64, event.internal_id_arm64
    )?;
    let internal = if event.internal { ", internal" } else { "" };
    writeln!(out, "  class   {}{internal}", event.class.name())?;
    writeln!(out, "  sets    {}", or_dash(event.sets.join(", ")))?;
    if event.fields.is_empty() {
        return writeln!(out, "  fields  none");
    }
    writeln!(out)?;
    let layout = layout(event.name);
    let rows = event.fields.iter().map(|field| {
        [
            field.name.to_owned(),
            field
                .field_type
                .map_or("(not carried)".to_owned(), |field_type| field_type.to_string()),
            field.declared_type.to_owned(),
            or_dash(join(
                analyze::sql_columns(layout, field.name)
                    .iter()
                    .map(String::as_str),
                " ",
            )),
            or_dash(join(
                stored_columns(layout, field)
                    .iter()
                    .map(|(name, _)| name.as_str()),
                " ",
            )),
        ]
    });
    write_table(
        out,
        "  ",
        ["FIELD", "TYPE", "DECLARED", "SQL COLUMNS", "PARQUET COLUMNS"],
        rows,
    )
}

/// The columns of the Parquet files that hold `field`, with their Arrow types.
fn stored_columns(layout: &Layout, field: &FieldDefinition) -> Vec<(String, String)> {
    let Some(columns) = layout.field(field.name) else {
        return Vec::new();
    };
    [
        columns.column.clone(),
        columns.family_column(),
        columns.port_column(),
    ]
    .into_iter()
    .take(
        if columns.physical == detectors_api::columns::Physical::SockAddr {
            3
        } else {
            1
        },
    )
    .filter_map(|name| {
        let data_type = layout
            .schema()
            .field_with_name(&name)
            .ok()?
            .data_type()
            .to_string();
        Some((name, data_type))
    })
    .collect()
}

fn to_json(event: &'static EventDefinition) -> Value {
    let layout = layout(event.name);
    let fields: Vec<_> = event
        .fields
        .iter()
        .map(|field| {
            let stored: Vec<_> = stored_columns(layout, field)
                .into_iter()
                .map(|(name, data_type)| json!({"name": name, "type": data_type}))
                .collect();
            json!({
                "name": field.name,
                "type": field.field_type.map(|field_type| field_type.arm()),
                "declared_type": field.declared_type,
                "sql_columns": analyze::sql_columns(layout, field.name),
                "columns": stored,
            })
        })
        .collect();
    json!({
        "id": event.id,
        "name": event.name,
        "version": event.version.to_string(),
        "class": event.class.name(),
        "syscall": event.syscall,
        "internal": event.internal,
        "sets": event.sets,
        "internal_id": {"amd64": event.internal_id_amd64, "arm64": event.internal_id_arm64},
        "fields": fields,
    })
}

fn write_json(out: &mut impl Write, format: Format, events: &[&'static EventDefinition]) -> io::Result<()> {
    if format == Format::Json {
        let all: Vec<_> = events.iter().map(|event| to_json(event)).collect();
        serde_json::to_writer_pretty(&mut *out, &all)?;
        return writeln!(out);
    }
    for event in events {
        serde_json::to_writer(&mut *out, &to_json(event))?;
        writeln!(out)?;
    }
    Ok(())
}

fn join<'a>(items: impl IntoIterator<Item = &'a str>, separator: &str) -> String {
    items.into_iter().collect::<Vec<_>>().join(separator)
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

//! `tracee-cap doctor`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use ebpf::kernel::{Facts, facts};
use ebpf::{EventReport, Status};
use serde_json::json;

use crate::exit::{Exit, Failure};

/// Show what this kernel and these privileges let the recorder see.
///
/// Tries every hook of every event on the running kernel, and says which one is used, what it does not show, and why
/// better ones are refused. Ends with exit code 4 if nothing can be recorded.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  tracee-cap doctor
  tracee-cap doctor -o json | jq '.events[] | select(.status == \"unavailable\")'")]
pub(crate) struct Args {
    /// Form of the answer; a table on a terminal, JSON in a pipe.
    #[arg(short, long, value_enum)]
    output: Option<Form>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// One JSON object.
    Json,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let facts = facts();
    let events = ebpf::probe();
    let default = if io::stdout().is_terminal() {
        Form::Table
    } else {
        Form::Json
    };
    let text = match args.output.unwrap_or(default) {
        Form::Table => table(&facts, events.as_deref()),
        Form::Json => {
            let (events, problem) = match &events {
                Ok(events) => (Some(events), None),
                Err(error) => (None, Some(error.to_string())),
            };
            format!(
                "{}\n",
                json!({"kernel": facts, "events": events, "problem": problem})
            )
        }
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(match events {
        Ok(events) if events.iter().any(|event| event.status != Status::Unavailable) => Exit::Ok,
        _ => Exit::Environment,
    })
}

fn table(facts: &Facts, events: Result<&[EventReport], &ebpf::Error>) -> String {
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    let missing: Vec<_> = facts
        .missing_capabilities
        .iter()
        .map(|capability| capability.name())
        .collect();
    let capabilities = if missing.is_empty() {
        "all that are needed".to_owned()
    } else {
        format!("missing {}", missing.join(", "))
    };
    let cgroups = if facts.cgroup_v2 { "v2" } else { "v1" };
    let mut lines = vec![
        format!("kernel        {} {}", facts.release, facts.machine),
        format!("types (BTF)   {}", yes(facts.btf)),
        format!("lockdown      {}", facts.lockdown),
        format!("capabilities  {capabilities}"),
        format!("cgroups       {cgroups}"),
        format!("CPUs          {}", facts.cpus),
        String::new(),
    ];
    match events {
        Err(error) => lines.push(format!("Nothing can be recorded: {error}")),
        Ok(events) => {
            let width = events
                .iter()
                .map(|event| event.event.len())
                .max()
                .unwrap_or_default();
            for event in events {
                let (hook, remarks) = match &event.status {
                    Status::Hooked { hook, loses } => (hook.as_str(), loses),
                    Status::Unavailable => ("unavailable", &event.refused),
                };
                lines.push(format!("{:width$}  {hook}", event.event));
                if !remarks.is_empty() {
                    let title = match &event.status {
                        Status::Hooked { .. } => "loses",
                        Status::Unavailable => "refused",
                    };
                    lines.push(format!("{:width$}    {title}: {}", "", remarks.join("; ")));
                }
            }
            lines.push(String::new());
            lines.push("Every system call is an event, too.".to_owned());
            lines.extend(better(events));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What would show more of the events that this kernel shows a part of, or nothing.
fn better(events: &[EventReport]) -> Vec<String> {
    // By kind of hook and what the kernel says of it.
    let mut refused: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let wanting = events.iter().filter(|event| match &event.status {
        Status::Hooked { loses, .. } => !loses.is_empty(),
        Status::Unavailable => true,
    });
    for event in wanting {
        for refusal in &event.refused {
            let (hook, reason) = refusal.split_once(": ").unwrap_or((refusal, ""));
            let kind = hook.split(' ').next().unwrap_or_default();
            refused.entry((kind, reason)).or_default().insert(event.event);
        }
    }
    if refused.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![
        String::new(),
        "These hooks would show more, and the kernel refuses them:".to_owned(),
    ];
    lines.extend(refused.iter().map(|((kind, reason), events)| {
        let count = match events.len() {
            1 => "1 event".to_owned(),
            count => format!("{count} events"),
        };
        format!("  {kind} of {count}: {reason}")
    }));
    lines
}

#[cfg(test)]
mod tests {
    use ebpf::kernel::Capability;

    use super::*;

    #[test]
    fn tables() {
        let facts = Facts {
            release: "6.1.0".to_owned(),
            machine: "x86_64".to_owned(),
            node: "host".to_owned(),
            btf: true,
            lockdown: "none".to_owned(),
            missing_capabilities: vec![Capability::CapBpf],
            cgroup_v2: true,
            cpus: 2,
        };
        let events = [
            EventReport {
                event: "security_file_open",
                status: Status::Hooked {
                    hook: "kprobe security_file_open".to_owned(),
                    loses: Vec::new(),
                },
                refused: vec!["fentry security_file_open: Operation not permitted".to_owned()],
            },
            EventReport {
                event: "security_inode_unlink",
                status: Status::Hooked {
                    hook: "tracepoint sys_exit".to_owned(),
                    loses: vec!["what fails is not told".to_owned(), "the time".to_owned()],
                },
                refused: vec![
                    "fentry security_inode_unlink: Operation not permitted".to_owned(),
                    "kprobe security_inode_unlink: No such file or directory".to_owned(),
                ],
            },
            EventReport {
                event: "ptrace",
                status: Status::Unavailable,
                refused: vec!["tracepoint sys_exit: Invalid argument".to_owned()],
            },
        ];
        insta::assert_snapshot!(table(&facts, Ok(&events)));
    }
}

//! `--event`, `--container`, `--process-tree` and `--where`: which events detectors are given.

use std::collections::BTreeSet;

use capture::{CaptureReader, format_time};
use replay::Restrictions;
use replay::restriction::{Condition, Container, ContainerError, ProcessTree, Root};

use crate::exit::Failure;
use crate::{event_words, opened};

/// Which events detectors are given.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Wanted {
    /// Only events with these names; others are not even read for detectors
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        long_help = "Only events with these names, separated by commas; may be repeated. `*` and `?` stand for any text and any \
                     character, `@fs` for the events of the set `fs` (`tracee-cap events list` shows both). Others are not even \
                     read for detectors; stores still know them"
    )]
    event: Vec<String>,
    /// Only events from this container; may be repeated
    #[arg(
        long,
        value_name = "ID|NAME",
        long_help = "Only events from this container: an id, or the first 12 or more digits of one; or an exact name. May be repeated: \
                     then events from all of these"
    )]
    container: Vec<String>,
    /// Only events of this process and its descendants; may be repeated
    #[arg(
        long,
        value_name = "PID|entity:ID",
        long_help = "Only events of this process and its descendants, as the process store knows them when the event happens: an id in \
                     the root pid namespace, or an entity id. Processes that had the id one after the other are all meant, and \
                     named on stderr. May be repeated: then events of all of these trees"
    )]
    process_tree: Vec<Root>,
    /// Only events for which this filter or CEL expression holds; may be repeated
    #[arg(
        long = "where",
        value_name = "CONDITION",
        long_help = "Only events for which this holds; may be repeated: then all must hold. Either a filter, as detectors have them, \
                     on a field of any event or on a scope (`pathname=/etc/*`, `uid=0`, `container=started`), or CEL, as \
                     in YAML detectors (`workload.process.host_pid > 1000`). What is a filter on a field or scope that exists is taken for \
                     one, anything else for CEL; `filter:` or `cel:` in front decides. Where a scope and a field have the same name, \
                     `data.NAME` is the field. Events without the field do not match, nor do those for which CEL has no value: \
                     these are counted"
    )]
    conditions: Vec<String>,
}

impl Wanted {
    /// Events with these names, from these containers, of these process trees, for which these conditions hold.
    pub(crate) fn new(
        event: Vec<String>,
        container: Vec<String>,
        process_tree: Vec<Root>,
        conditions: Vec<String>,
    ) -> Self {
        Self {
            event,
            container,
            process_tree,
            conditions,
        }
    }

    /// The names of the events that are wanted; all, if `None`.
    pub(crate) fn events(&self) -> Result<Option<BTreeSet<&'static str>>, Failure> {
        if self.event.is_empty() {
            return Ok(None);
        }
        let mut names = BTreeSet::new();
        for word in self.event.iter().map(|word| word.trim()) {
            names.extend(
                event_words::named("--event", word)?
                    .iter()
                    .map(|event| event.name),
            );
        }
        Ok(Some(names))
    }

    /// What this means for some captures, a part for each.
    pub(crate) fn of(&self, readers: &[CaptureReader]) -> Result<Vec<Restrictions>, Failure> {
        let events = self.events()?;
        let conditions = readers
            .iter()
            .map(|reader| self.conditions(reader))
            .collect::<Result<Vec<_>, _>>()?;
        let containers = readers
            .iter()
            .map(|reader| self.containers(reader))
            .collect::<Result<Vec<_>, _>>()?;
        let trees = self.trees(readers)?;
        let parts = conditions.into_iter().zip(containers).zip(trees);
        Ok(parts
            .map(|((conditions, containers), trees)| {
                let restrictions = Restrictions::default()
                    .containers(containers)
                    .process_trees(trees)
                    .conditions(conditions);
                match &events {
                    Some(events) => restrictions.events(events.clone()),
                    None => restrictions,
                }
            })
            .collect())
    }

    fn conditions(&self, reader: &CaptureReader) -> Result<Vec<Condition>, Failure> {
        let architecture = &reader.manifest().header.host.architecture;
        let architecture = (!architecture.is_empty()).then_some(architecture.as_str());
        self.conditions
            .iter()
            .map(|text| Condition::parse(text, architecture))
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::usage(format!("--where {error}")))
    }

    fn containers(&self, reader: &CaptureReader) -> Result<Vec<Container>, Failure> {
        let containers = Container::find(reader, &self.container).map_err(|error| match error {
            ContainerError::Empty => Failure::usage(format!("--container: {error}")),
            ContainerError::Capture(error) => super::failure(error),
        })?;
        for container in containers.iter().filter(|container| !container.is_found()) {
            let hint = if container.is_short_id() {
                "; ids need 12 digits or more"
            } else {
                ""
            };
            opened::warn(&format!(
                "{} has no container `{container}`: no event comes from it{hint}",
                reader.path().display()
            ));
        }
        Ok(containers)
    }

    /// The process trees in each capture. A process that none of them knows is a mistake.
    fn trees(&self, readers: &[CaptureReader]) -> Result<Vec<Vec<ProcessTree>>, Failure> {
        let trees = readers
            .iter()
            .map(|reader| ProcessTree::find(reader, &self.process_tree))
            .collect::<Result<Vec<_>, _>>()
            .map_err(super::failure)?;
        for (position, root) in self.process_tree.iter().enumerate() {
            let mut own = trees.iter().map(|trees| &trees[position]);
            if own.clone().all(|tree| tree.bearers().is_empty()) {
                let hint = own
                    .find_map(ProcessTree::inside)
                    .map(|host_pid| {
                        format!("; {root} in its own pid namespace is {host_pid} in the root pid namespace")
                    })
                    .unwrap_or_default();
                return Err(Failure::usage(format!(
                    "--process-tree: no event is of process {root} or a descendant{hint}"
                )));
            }
        }
        for (reader, trees) in readers.iter().zip(&trees) {
            for tree in trees {
                say_who(reader, tree);
            }
        }
        Ok(trees)
    }
}

/// Says who is meant, unless it is clear.
fn say_who(reader: &CaptureReader, tree: &ProcessTree) {
    let capture = reader.path().display();
    match tree.bearers() {
        [] => opened::warn(&format!("{capture} has no process {tree}")),
        [_] => {}
        several => {
            let several: Vec<_> = several
                .iter()
                .map(|process| {
                    let since = process.start_ns.map_or("some time".to_owned(), format_time);
                    let entity = process
                        .entity_id
                        .map_or("without entity id".to_owned(), |id| format!("entity:{id}"));
                    let comm = crate::output::printable(&process.comm);
                    format!("{comm} ({entity}) since {since}")
                })
                .collect();
            opened::warn(&format!(
                "{capture}: {} processes were {tree}, and all are meant: {}",
                several.len(),
                several.join(", ")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(words: &[&str]) -> Result<Option<BTreeSet<&'static str>>, Failure> {
        let event = words.iter().map(|&word| word.to_owned()).collect();
        Wanted {
            event,
            ..Wanted::default()
        }
        .events()
    }

    #[test]
    fn events_have_names_wildcards_and_sets() {
        let found = events(&["execve", "security_file_*"])
            .expect("they exist")
            .expect("some");
        assert!(found.contains("execve") && found.contains("security_file_open"));
        assert!(!found.contains("openat"));
        let found = events(&["@fs"]).expect("a set").expect("some");
        assert!(found.contains("openat"), "{found:?}");
        assert_eq!(events(&[]).expect("nothing is asked for"), None);
        for wrong in ["execv_", "@nothing", "", "no_*_such"] {
            assert!(events(&[wrong]).is_err(), "{wrong}");
        }
    }
}

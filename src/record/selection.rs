//! `--events`: which events are recorded.

use std::collections::BTreeSet;

use detectors_engine::Engine;
use ebpf::plan::{self, Chosen};

use crate::exit::Failure;
use crate::{detectors, event_words, opened};

/// Name of the set of events that are recorded when nothing is asked for.
const DEFAULT: &str = "@default";
/// The event that the store of DNS answers is made of, and the name of that store.
const DNS: (&str, &str) = ("dns", "net_packet_dns");

/// Which events are recorded.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Selection {
    /// Events to record, besides those of processes and control groups
    #[arg(
        long = "events",
        value_name = "WORDS",
        value_delimiter = ',',
        allow_hyphen_values = true,
        long_help = "Events to record, besides those of processes and control groups: names, with `*` and `?` for any text and any \
                     character, and sets (`@net`; `tracee-cap events list` shows both), separated by commas; may be repeated. `-NAME` and \
                     `-@SET` leave out what came before. `@default` is what is recorded if nothing is said: what detectors and stores \
                     are made for, without the events that come in great numbers. With --detectors alone it is what these detectors \
                     consume. An event that is named and cannot be had on this kernel is a mistake; one that came with a set or a \
                     detector is told and left out. Of what another program sends, everything is recorded if nothing is said, and a \
                     name may be one that only that program knows"
    )]
    events: Vec<String>,
}

/// Events that are to be recorded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selected {
    /// Names of all of them.
    pub(super) events: Vec<String>,
    /// Those that somebody named.
    pub(super) required: Vec<String>,
}

impl Selection {
    /// The words, as given.
    pub(super) fn words(&self) -> &[String] {
        &self.events
    }

    /// What is recorded of this machine, with these detectors.
    ///
    /// # Errors
    /// If a word names nothing, or an event that the sensor does not have.
    pub(super) fn resolve(&self, engine: Option<&mut Engine>) -> Result<Selected, Failure> {
        let mut selected: BTreeSet<&str> = BTreeSet::new();
        let mut required: BTreeSet<&str> = BTreeSet::new();
        let begins_with_all = self
            .events
            .first()
            .map_or(engine.is_none(), |word| word.starts_with('-'));
        if begins_with_all {
            selected.extend(by_default());
        }
        for word in self.events.iter().map(|word| word.trim()) {
            if let Some(word) = word.strip_prefix('-') {
                for event in meant(word)? {
                    selected.remove(event);
                    required.remove(event);
                }
                continue;
            }
            let events = meant(word)?;
            if event_words::is_name(word) {
                if let Some(unknown) = events.iter().find(|event| plan::find(event).is_none()) {
                    return Err(Failure::usage(format!(
                        "--events: the sensor has no event `{unknown}`; `tracee-cap doctor` shows those that it has"
                    )));
                }
                required.extend(&events);
            }
            selected.extend(events);
        }
        if let Some(engine) = engine {
            selected.extend(consumed(engine));
            let known: Vec<_> = plan::all().map(|plan| plan.event).collect();
            if let Some(line) = detectors::about_unmet(&engine.unmet(&known)) {
                opened::warn(&line);
            }
        }
        selected.retain(|event| plan::find(event).is_some());
        let owned = |events: BTreeSet<&str>| events.into_iter().map(str::to_owned).collect();
        Ok(Selected {
            events: owned(selected),
            required: owned(required),
        })
    }

    /// What is kept of what another program sends.
    ///
    /// # Errors
    /// If there is no such set.
    pub(super) fn kept(&self) -> Result<Kept, Failure> {
        let rule = |word: &String| {
            let word = word.trim();
            let (keeps, word) = match word.strip_prefix('-') {
                Some(word) => (false, word),
                None => (true, word),
            };
            let events = if word.starts_with('@') {
                Named::Set(meant(word)?)
            } else {
                Named::Glob(word.to_owned())
            };
            Ok(Rule { keeps, events })
        };
        let rules = self.events.iter().map(rule).collect::<Result<_, Failure>>()?;
        Ok(Kept { rules })
    }
}

/// Which of the events that another program sends are kept.
#[derive(Debug)]
pub(super) struct Kept {
    /// The last one that is about an event decides.
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    keeps: bool,
    events: Named,
}

#[derive(Debug)]
enum Named {
    /// A name, or one with `*` and `?`.
    Glob(String),
    /// What is in a set.
    Set(Vec<&'static str>),
}

impl Kept {
    /// Whether an event is kept.
    pub(super) fn keeps(&self, event: &str) -> bool {
        let about = |rule: &&Rule| match &rule.events {
            Named::Glob(glob) => analyze::glob_matches(glob, event),
            Named::Set(names) => names.contains(&event),
        };
        let begins_with_all = self.rules.first().is_none_or(|rule| !rule.keeps);
        self.rules
            .iter()
            .rev()
            .find(about)
            .map_or(begins_with_all, |rule| rule.keeps)
    }

    /// The events that are to be kept by name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(|rule| match &rule.events {
            Named::Glob(name) if rule.keeps && event_words::is_name(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// What is recorded if nothing is asked for.
fn by_default() -> impl Iterator<Item = &'static str> {
    plan::all()
        .filter(|plan| plan.chosen == Chosen::ByDefault)
        .map(|plan| plan.event)
}

/// The events that a word means.
fn meant(word: &str) -> Result<Vec<&'static str>, Failure> {
    if word == DEFAULT {
        return Ok(by_default().collect());
    }
    let events = event_words::named("--events", word)?;
    Ok(events.into_iter().map(|event| event.name).collect())
}

/// The events that detectors consume, and those that the stores are made of that they ask.
fn consumed(engine: &Engine) -> BTreeSet<&'static str> {
    let (store, event) = DNS;
    let asks_dns = engine
        .definitions()
        .any(|detector| detector.stores.iter().any(|required| required.name == store));
    let subscribed = engine.subscribed_events();
    plan::all()
        .map(|plan| plan.event)
        .filter(|known| subscribed.contains(known) || (asks_dns && *known == event))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(words: &[&str]) -> Result<Selected, Failure> {
        Selection {
            events: words.iter().map(|&word| word.to_owned()).collect(),
        }
        .resolve(None)
    }

    #[test]
    fn nothing_said_is_the_default() {
        let all = events(&[]).expect("the default");
        assert!(all.events.iter().any(|event| event == "security_file_open"));
        assert!(!all.events.iter().any(|event| event == "openat"), "{all:?}");
        assert!(all.required.is_empty());
        assert_eq!(events(&["@default"]).expect("a set"), all);
    }

    #[test]
    fn words_add_and_leave_out() {
        let some = events(&[
            "security_file_open",
            "open*",
            "@proc_life",
            "-openat2",
            "-@fs_dir_ops",
        ])
        .expect("words");
        assert_eq!(some.required, ["security_file_open"]);
        for (event, there) in [
            ("openat", true),
            ("openat2", false),
            ("exit_group", true),
            ("connect", false),
        ] {
            assert_eq!(some.events.iter().any(|name| name == event), there, "{event}");
        }
        // What is left out first is left out of the default.
        let rest = events(&["-security_file_open"]).expect("words");
        assert_eq!(
            rest.events.len() + 1,
            events(&[]).expect("the default").events.len()
        );
    }

    fn kept(words: &[&str]) -> Result<Kept, Failure> {
        let events = words.iter().map(|&word| word.to_owned()).collect();
        Selection { events }.kept()
    }

    #[test]
    fn of_what_others_send_the_last_word_counts() {
        let words = |words: &[&str], event: &str| kept(words).expect("words").keeps(event);
        assert!(words(&[], "theirs"));
        assert!(words(&["-openat"], "theirs") && !words(&["-openat"], "openat"));
        assert!(words(&["theirs"], "theirs") && !words(&["theirs"], "openat"));
        let some = &["open*", "@proc_life", "-openat2", "-exit*", "exit_group"];
        for (event, there) in [
            ("openat", true),
            ("openat2", false),
            ("exit", false),
            ("exit_group", true),
            ("connect", false),
        ] {
            assert_eq!(words(some, event), there, "{event}");
        }
        assert!(kept(&["@no_such_set"]).is_err());
        assert_eq!(
            kept(some).expect("words").names().collect::<Vec<_>>(),
            ["exit_group"]
        );
    }

    #[test]
    fn what_does_not_exist_is_a_mistake() {
        for wrong in ["no_such_event", "@no_such_set", "-no_such_event", "ftrace_hook"] {
            assert!(events(&[wrong]).is_err(), "{wrong}");
        }
    }
}

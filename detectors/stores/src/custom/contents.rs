//! What one custom store holds, with its history.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};

use detectors_api::stores::{IP_REPUTATION, Reputation};
use foldhash::HashMap;
use serde::Deserialize as _;
use serde_json::Value;

use super::name::StoreName;
use super::reputation::{Opinion, Resolution, canonical};
use crate::versions::Versions;

/// What the keys of a store are, and what it keeps under them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Texts, and JSON.
    Plain,
    /// Addresses, and what sources think of them.
    Reputations,
}

impl Kind {
    pub(super) fn of(store: &StoreName) -> Self {
        match store.as_str() {
            IP_REPUTATION => Self::Reputations,
            _ => Self::Plain,
        }
    }

    /// The key that stands for `key`.
    pub(super) fn key(self, key: &str) -> Option<Arc<str>> {
        match self {
            Self::Plain => Some(key.into()),
            Self::Reputations => canonical(key).map(Arc::from),
        }
    }
}

/// What a source says about a key.
#[derive(Debug)]
pub(super) struct Entry {
    key: Arc<str>,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Json(Value),
    Reputation(Box<TypedData>),
}

/// What a source thinks of an address. Feeds are large and ask for the JSON rarely: it is text until then.
#[derive(Debug)]
struct TypedData {
    reputation: Reputation,
    text: Box<str>,
    json: OnceLock<Box<Value>>,
}

/// What is wrong with an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadEntry {
    Key(&'static str),
    Data(String),
}

impl Entry {
    /// An entry of a store of a kind, if it can keep it.
    pub(super) fn read(kind: Kind, source: &str, key: &str, data: Value) -> Result<Self, BadEntry> {
        let data = match kind {
            Kind::Plain => Data::Json(data),
            Kind::Reputations => {
                // A list of the members would be taken, too.
                if !data.is_object() {
                    return Err(BadEntry::Data("a JSON object is expected here".to_owned()));
                }
                let opinion =
                    Opinion::deserialize(&data).map_err(|error| BadEntry::Data(error.to_string()))?;
                Data::Reputation(Box::new(TypedData {
                    reputation: opinion.about(source, key),
                    text: data.to_string().into(),
                    json: OnceLock::new(),
                }))
            }
        };
        Ok(Self {
            key: kind.key(key).ok_or(BadEntry::Key("it is no IP address"))?,
            data,
        })
    }

    fn json(&self) -> &Value {
        match &self.data {
            Data::Json(json) => json,
            Data::Reputation(data) => data.json.get_or_init(|| {
                Box::new(serde_json::from_str(&data.text).expect("the text was written from JSON"))
            }),
        }
    }

    fn reputation(&self) -> Option<&Reputation> {
        match &self.data {
            Data::Json(_) => None,
            Data::Reputation(data) => Some(&data.reputation),
        }
    }
}

/// What one store holds.
#[derive(Debug)]
pub(super) struct Contents {
    kind: Kind,
    /// The event since which it exists.
    since: u64,
    resolution: Versions<Resolution>,
    sources: BTreeMap<Arc<str>, Source>,
    /// What has been replaced, and by which event: source and key.
    replaced: VecDeque<(u64, Arc<str>, Arc<str>)>,
}

/// What one source says.
#[derive(Debug, Default)]
struct Source {
    entries: HashMap<Arc<str>, Versions<Option<Entry>>>,
    /// The keys of what it says now.
    live: BTreeSet<Arc<str>>,
    /// Number of things that it says.
    count: Versions<usize>,
}

impl Contents {
    pub(super) fn new(kind: Kind, since: u64) -> Self {
        Self {
            kind,
            since,
            resolution: Versions::default(),
            sources: BTreeMap::new(),
            replaced: VecDeque::new(),
        }
    }

    /// Whether the store exists as of event `seq`.
    pub(super) fn exists_at(&self, seq: u64) -> bool {
        self.since <= seq
    }

    pub(super) fn resolve_by(&mut self, seq: u64, resolution: Resolution) {
        self.resolution.set(seq, resolution);
    }

    pub(super) fn write(&mut self, seq: u64, source: &str, entry: Entry) {
        let key = Arc::clone(&entry.key);
        self.set(seq, source, &key, Some(entry));
    }

    pub(super) fn delete(&mut self, seq: u64, source: &str, key: &str) {
        if let Some(key) = self.kind.key(key) {
            self.set(seq, source, &key, None);
        }
    }

    pub(super) fn clear(&mut self, seq: u64, source: &str) {
        let live = self.sources.get(source).map(|source| source.live.clone());
        for key in live.into_iter().flatten() {
            self.set(seq, source, &key, None);
        }
    }

    fn set(&mut self, seq: u64, source: &str, key: &Arc<str>, entry: Option<Entry>) {
        let name = match self.sources.get_key_value(source) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(source),
        };
        let source = self.sources.entry(Arc::clone(&name)).or_default();
        match entry {
            Some(_) => _ = source.live.insert(Arc::clone(key)),
            None if source.live.remove(key) => {}
            // There is nothing to remove.
            None => return,
        }
        source.count.set(seq, source.live.len());
        let versions = source.entries.entry(Arc::clone(key)).or_default();
        if !versions.is_empty() {
            self.replaced.push_back((seq, name, Arc::clone(key)));
        }
        versions.set(seq, entry);
    }

    /// Drops what was replaced up to event `seq`.
    pub(super) fn compact(&mut self, seq: u64) {
        self.resolution.compact(seq);
        while let Some((_, name, key)) = self.replaced.pop_front_if(|(at, ..)| *at <= seq) {
            let Some(source) = self.sources.get_mut(&name) else {
                continue;
            };
            source.count.compact(seq);
            let Some(versions) = source.entries.get_mut(&key) else {
                continue;
            };
            versions.compact(seq);
            if versions
                .latest()
                .is_some_and(|(since, entry)| entry.is_none() && since <= seq)
            {
                source.entries.remove(&key);
            }
            if source.entries.is_empty() {
                self.sources.remove(&name);
            }
        }
    }

    /// What `source` says about `key` as of event `seq`.
    pub(super) fn data(&self, seq: u64, source: &str, key: &str) -> Option<&Value> {
        let key = self.kind.key(key)?;
        self.sources.get(source)?.at(seq, &key).map(Entry::json)
    }

    /// What each source says about `key` as of event `seq`, by source.
    pub(super) fn all_data(&self, seq: u64, key: &str) -> BTreeMap<&str, &Value> {
        self.all(seq, key)
            .map(|(source, entry)| (source, entry.json()))
            .collect()
    }

    /// What is thought of an address as of event `seq`.
    pub(super) fn reputation(&self, seq: u64, ip: &str) -> Option<&Reputation> {
        let opinions = self.all(seq, ip).filter_map(|(_, entry)| entry.reputation());
        match self.resolution.at(seq) {
            Some(resolution) => resolution.settle(opinions),
            None => Resolution::default().settle(opinions),
        }
    }

    /// The sources that say something as of event `seq`, and how much, by name.
    pub(super) fn sources(&self, seq: u64) -> impl Iterator<Item = (&str, usize)> {
        self.sources.iter().filter_map(move |(name, source)| {
            let count = source.count.at(seq).copied().filter(|count| *count > 0)?;
            Some((&**name, count))
        })
    }

    /// The keys about which `source` says something as of event `seq`.
    pub(super) fn keys(&self, seq: u64, source: &str) -> BTreeSet<Arc<str>> {
        let entries = self.sources.get(source).map(|source| &source.entries);
        entries
            .into_iter()
            .flatten()
            .filter(|(_, versions)| versions.at(seq).is_some_and(Option::is_some))
            .map(|(key, _)| Arc::clone(key))
            .collect()
    }

    /// Number of keys and values in memory, of all times.
    #[cfg(test)]
    pub(super) fn weight(&self) -> usize {
        let sources = self.sources.values();
        sources
            .flat_map(|source| source.entries.values())
            .map(Versions::len)
            .sum()
    }

    fn all(&self, seq: u64, key: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let key = self.kind.key(key);
        self.sources
            .iter()
            .filter_map(move |(name, source)| Some((&**name, source.at(seq, key.as_deref()?)?)))
    }
}

impl Source {
    fn at(&self, seq: u64, key: &str) -> Option<&Entry> {
        self.entries.get(key)?.at(seq)?.as_ref()
    }
}

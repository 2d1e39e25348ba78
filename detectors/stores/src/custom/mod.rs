//! Stores that users bring along: entries by source and key.
//!
//! They are loaded from files ([`load`]) or written to ([`CustomWriter`]); either way they become [`Change`]s, which are recorded
//! and take effect before the event with their sequence number. A store is there as of the event at which it was first mentioned.
//!
//! The store called `ip_reputation` is a custom store whose keys are addresses and whose entries say what a source thinks of
//! one ([`Reputation`]). It has a view of its own, which settles what sources disagree about
//! ([`Resolution`]). Rules:
//!
//! * What a source says replaces what it said before, whatever the time that it gives; times, severities and priorities decide
//!   between sources alone, and the name of the source decides between equals.
//! * Addresses are compared and not their spelling: `::1` is `0:0:0:0:0:0:0:1`, and `::ffff:10.0.0.1` is `10.0.0.1`. What is no
//!   address cannot be a key.
//! * Deleting or clearing what is not there is no error. Nothing expires.

mod change;
mod contents;
mod file;
mod name;
mod reputation;
mod writer;

pub use change::{Change, CustomRow};
pub use file::{FileError, StoreFile, load, parse};
pub use name::{StoreName, StoreNameError};
pub use reputation::{Policy, Resolution};
pub use writer::CustomWriter;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use detectors_api::stores::{
    self, Cause, DataStore, Entity, Health, IP_REPUTATION, Metrics, Reputation, StoreError,
};
use serde_json::Value;

use crate::fold::Fold;
use crate::rows::{Row as _, RowsError};
use change::refused;
use contents::{BadEntry, Contents, Entry, Kind};

/// The name under which inputs for all custom stores go.
pub const CUSTOM: &str = "custom";

/// All custom stores of a recording, by name, with their history.
#[derive(Debug, Default)]
pub struct CustomStores {
    stores: BTreeMap<StoreName, Contents>,
}

impl CustomStores {
    /// The stores as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> CustomStoresAt<'_> {
        CustomStoresAt {
            stores: self,
            seq,
            time_ns,
        }
    }

    fn apply(&mut self, seq: u64, row: usize, name: StoreName, change: Change) -> Result<(), RowsError> {
        let kind = Kind::of(&name);
        let store = self
            .stores
            .entry(name)
            .or_insert_with(|| Contents::new(kind, seq));
        match change {
            Change::Declare { resolution } => store.resolve_by(seq, resolution.unwrap_or_default()),
            Change::Write { source, key, data } => {
                let entry = Entry::read(kind, &source, &key, data).map_err(|error| match error {
                    BadEntry::Key(reason) => refused("key", row, &key)(reason),
                    BadEntry::Data(reason) => refused("data", row, &format!("the entry `{key}`"))(reason),
                })?;
                store.write(seq, &source, entry);
            }
            Change::Delete { source, key } => store.delete(seq, &source, &key),
            Change::Clear { source } => store.clear(seq, &source),
        }
        Ok(())
    }
}

impl Fold for CustomStores {
    fn input(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        for (number, row) in CustomRow::from_batch(rows)?.into_iter().enumerate() {
            let (name, change) = row.read(number)?;
            self.apply(seq, number, name, change)?;
        }
        Ok(())
    }

    fn compact(&mut self, seq: u64) {
        for store in self.stores.values_mut() {
            store.compact(seq);
        }
    }
}

/// All custom stores as of one event. It is the store of IP reputations, too.
#[derive(Clone, Copy, Debug)]
pub struct CustomStoresAt<'a> {
    stores: &'a CustomStores,
    seq: u64,
    time_ns: i64,
}

impl<'a> CustomStoresAt<'a> {
    /// The names of the stores, sorted.
    pub fn names(self) -> impl Iterator<Item = &'a str> {
        let stores = self.stores.stores.iter();
        stores.filter_map(move |(name, contents)| contents.exists_at(self.seq).then_some(name.as_str()))
    }

    /// The store called `name`, if there is one.
    #[must_use]
    pub fn get(self, name: &str) -> Option<CustomAt<'a>> {
        let (name, contents) = self.stores.stores.get_key_value(name)?;
        contents.exists_at(self.seq).then_some(CustomAt {
            name,
            contents,
            seq: self.seq,
            time_ns: self.time_ns,
        })
    }

    fn contents(self, name: &str) -> Option<&'a Contents> {
        self.get(name).map(|store| store.contents)
    }
}

/// One custom store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct CustomAt<'a> {
    name: &'a StoreName,
    contents: &'a Contents,
    seq: u64,
    time_ns: i64,
}

impl<'a> CustomAt<'a> {
    /// Every entry, by source and key: the source, the key and what the source says about it.
    pub fn entries(self) -> impl Iterator<Item = (&'a str, Arc<str>, &'a Value)> {
        let sources = self.contents.sources(self.seq);
        sources.flat_map(move |(source, _)| {
            let keys = self.contents.keys(self.seq, source);
            keys.into_iter().filter_map(move |key| {
                let data = self.contents.data(self.seq, source, &key)?;
                Some((source, key, data))
            })
        })
    }
}

impl DataStore for CustomAt<'_> {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn health(&self) -> Health {
        Health::healthy(self.time_ns)
    }

    fn metrics(&self) -> Metrics {
        let entries = self.contents.sources(self.seq).map(|(_, count)| count as u64);
        Metrics {
            item_count: entries.sum(),
        }
    }
}

impl stores::CustomStore for CustomAt<'_> {
    fn get(&self, source: &str, key: &str) -> Result<&Value, StoreError> {
        self.contents
            .data(self.seq, source, key)
            .ok_or_else(|| StoreError {
                store: self.name.to_string().into(),
                operation: "get",
                cause: Cause::NotFound(Entity::Key(key.into())),
            })
    }

    fn get_all(&self, key: &str) -> BTreeMap<&str, &Value> {
        self.contents.all_data(self.seq, key)
    }

    fn list_sources(&self) -> Vec<&str> {
        self.contents.sources(self.seq).map(|(name, _)| name).collect()
    }
}

impl DataStore for CustomStoresAt<'_> {
    fn name(&self) -> &str {
        IP_REPUTATION
    }

    fn health(&self) -> Health {
        match self.get(IP_REPUTATION) {
            Some(store) => store.health(),
            None => Health::unhealthy(self.time_ns, "the recording has no reputations as of this event"),
        }
    }

    fn metrics(&self) -> Metrics {
        self.get(IP_REPUTATION)
            .map_or_else(Metrics::default, |store| store.metrics())
    }
}

impl stores::IpReputationStore for CustomStoresAt<'_> {
    fn get_reputation(&self, ip: &str) -> Result<&Reputation, StoreError> {
        let found = self
            .contents(IP_REPUTATION)
            .and_then(|contents| contents.reputation(self.seq, ip));
        found.ok_or_else(|| StoreError {
            store: IP_REPUTATION.into(),
            operation: "get_reputation",
            cause: Cause::NotFound(Entity::Key(ip.into())),
        })
    }
}

#[cfg(test)]
mod tests;

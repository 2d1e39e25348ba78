//! Writing to custom stores.

use std::collections::BTreeSet;

use detectors_api::stores::{Cause, StoreError, WritableStore};
use serde_json::Value;

use super::change::Change;
use super::contents::{BadEntry, Contents, Entry, Kind};
use super::name::StoreName;
use super::{CUSTOM, CustomStoresAt};
use crate::Input;

/// Collects what is written to a custom store as of one event. It takes effect for later events, as an [`Input`].
#[derive(Debug)]
pub struct CustomWriter<'a> {
    name: StoreName,
    before: CustomStoresAt<'a>,
    changes: Vec<Change>,
}

impl<'a> CustomWriter<'a> {
    /// Writes to the store called `name`, which holds what it does in `before`; it need not exist yet.
    #[must_use]
    pub fn new(before: CustomStoresAt<'a>, name: StoreName) -> Self {
        Self {
            name,
            before,
            changes: Vec::new(),
        }
    }

    /// What was written, to take effect before event `seq`; `None` if that is nothing.
    #[must_use]
    pub fn into_input(self, seq: u64) -> Option<Input> {
        (!self.changes.is_empty()).then(|| Input {
            store: CUSTOM.to_owned(),
            seq,
            rows: Change::to_batch(&self.name, &self.changes),
        })
    }

    fn check(
        &self,
        operation: &'static str,
        source: &str,
        key: &str,
        data: &Value,
        prefix: &str,
    ) -> Result<(), StoreError> {
        let reason = match Entry::read(Kind::of(&self.name), source, key, data.clone()) {
            Ok(_) => return Ok(()),
            Err(BadEntry::Key(reason)) => format!("{prefix}key `{key}`: {reason}"),
            Err(BadEntry::Data(reason)) => format!("{prefix}data: {reason}"),
        };
        Err(StoreError {
            store: self.name.to_string().into(),
            operation,
            cause: Cause::InvalidArgument(reason.into()),
        })
    }

    /// Number of entries of a source, after what was written.
    fn count(&self, source: &str) -> usize {
        let kind = Kind::of(&self.name);
        let mut keys: BTreeSet<_> = self
            .before
            .contents(self.name.as_str())
            .map(|contents: &Contents| contents.keys(self.before.seq, source))
            .unwrap_or_default();
        for change in &self.changes {
            match change {
                Change::Write { source: of, key, .. } if of == source => keys.extend(kind.key(key)),
                Change::Delete { source: of, key } if of == source => {
                    if let Some(key) = kind.key(key) {
                        keys.remove(&key);
                    }
                }
                Change::Clear { source: of } if of == source => keys.clear(),
                _ => {}
            }
        }
        keys.len()
    }
}

impl WritableStore for CustomWriter<'_> {
    fn write(&mut self, source: &str, key: &str, data: Value) -> Result<(), StoreError> {
        self.check("write", source, key, &data, "")?;
        self.changes.push(Change::Write {
            source: source.to_owned(),
            key: key.to_owned(),
            data,
        });
        Ok(())
    }

    fn write_batch(&mut self, source: &str, entries: Vec<(String, Value)>) -> Result<usize, StoreError> {
        for (number, (key, data)) in entries.iter().enumerate() {
            self.check("write_batch", source, key, data, &format!("entry {number}: "))?;
        }
        let count = entries.len();
        self.changes
            .extend(entries.into_iter().map(|(key, data)| Change::Write {
                source: source.to_owned(),
                key,
                data,
            }));
        Ok(count)
    }

    fn delete(&mut self, source: &str, key: &str) -> Result<(), StoreError> {
        self.changes.push(Change::Delete {
            source: source.to_owned(),
            key: key.to_owned(),
        });
        Ok(())
    }

    fn clear(&mut self, source: &str) -> Result<usize, StoreError> {
        let count = self.count(source);
        self.changes.push(Change::Clear {
            source: source.to_owned(),
        });
        Ok(count)
    }
}

//! Stores that users bring along.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use detectors_api::event::Event;
use detectors_api::stores::{
    self, Cause, DataStore, Entity, Health, IP_REPUTATION, Metrics, Reputation, StoreError,
};
use serde_json::Value;

use crate::fold::Fold;
use crate::rows::RowsError;

/// All custom stores of a recording, by name, with their history.
#[derive(Debug, Default)]
pub struct CustomStores {}

impl CustomStores {
    /// The names of the stores.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// The stores as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> CustomStoresAt<'_> {
        CustomStoresAt {
            stores: self,
            seq,
            time_ns,
        }
    }
}

impl Fold for CustomStores {
    fn event_types(&self) -> &'static [&'static str] {
        &[]
    }

    fn input(&mut self, _seq: u64, _rows: &RecordBatch) -> Result<(), RowsError> {
        Ok(())
    }

    fn event(&mut self, _event: &Event<'_>) {}

    fn keyframe(&self) -> Option<RecordBatch> {
        None
    }

    fn restore(&mut self, _seq: u64, _rows: &RecordBatch) -> Result<(), RowsError> {
        Ok(())
    }

    fn weight(&self) -> u64 {
        0
    }

    fn compact(&mut self, _seq: u64) {}

    fn forget(&mut self, _seq: u64, _horizon_ns: u64) {}
}

/// All custom stores as of one event. It is the store of IP reputations, too.
#[derive(Clone, Copy, Debug)]
pub struct CustomStoresAt<'a> {
    stores: &'a CustomStores,
    seq: u64,
    time_ns: i64,
}

impl<'a> CustomStoresAt<'a> {
    /// The store called `name`, if there is one.
    #[must_use]
    pub fn get(self, _name: &str) -> Option<CustomAt<'a>> {
        None
    }
}

/// One custom store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct CustomAt<'a> {
    stores: &'a CustomStores,
    time_ns: i64,
}

impl DataStore for CustomAt<'_> {
    fn name(&self) -> &str {
        ""
    }

    fn health(&self) -> Health {
        Health::healthy(self.time_ns)
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

impl stores::CustomStore for CustomAt<'_> {
    fn get(&self, _source: &str, key: &str) -> Result<&Value, StoreError> {
        Err(StoreError {
            store: "".into(),
            operation: "get",
            cause: Cause::NotFound(Entity::Key(key.into())),
        })
    }

    fn get_all(&self, _key: &str) -> BTreeMap<&str, &Value> {
        BTreeMap::new()
    }

    fn list_sources(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl DataStore for CustomStoresAt<'_> {
    fn name(&self) -> &str {
        IP_REPUTATION
    }

    fn health(&self) -> Health {
        Health::healthy(self.time_ns)
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

impl stores::IpReputationStore for CustomStoresAt<'_> {
    fn get_reputation(&self, ip: &str) -> Result<&Reputation, StoreError> {
        Err(StoreError {
            store: IP_REPUTATION.into(),
            operation: "get_reputation",
            cause: Cause::NotFound(Entity::Key(ip.into())),
        })
    }
}

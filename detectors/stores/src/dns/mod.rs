//! The DNS store.

use arrow::array::RecordBatch;
use detectors_api::event::Event;
use detectors_api::stores::{self, DataStore, Entity, Health, Metrics, Store, StoreError};

use crate::fold::Fold;
use crate::rows::RowsError;

/// The DNS store of a recording, with its history.
#[derive(Debug, Default)]
pub struct DnsStore {}

impl DnsStore {
    /// The store as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> DnsAt<'_> {
        DnsAt {
            store: self,
            seq,
            time_ns,
        }
    }
}

impl Fold for DnsStore {
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

/// The DNS store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct DnsAt<'a> {
    store: &'a DnsStore,
    seq: u64,
    time_ns: i64,
}

impl DataStore for DnsAt<'_> {
    fn name(&self) -> &str {
        Store::Dns.name()
    }

    fn health(&self) -> Health {
        Health::healthy(self.time_ns)
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

impl stores::DnsStore for DnsAt<'_> {
    fn get_dns_response(&self, query: &str) -> Result<stores::DnsResponse<'_>, StoreError> {
        Err(StoreError::not_found(
            Store::Dns,
            "get_dns_response",
            Entity::Dns(query.into()),
        ))
    }
}

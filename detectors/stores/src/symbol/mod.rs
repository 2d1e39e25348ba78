//! The kernel symbol store.

use arrow::array::RecordBatch;
use detectors_api::event::Event;
use detectors_api::stores::{self, DataStore, Entity, Health, Metrics, Store, StoreError};

use crate::fold::Fold;
use crate::rows::RowsError;

/// The kernel symbol store of a recording, with its history.
#[derive(Debug, Default)]
pub struct SymbolStore {}

impl SymbolStore {
    /// Whether the recording has a symbol table.
    #[must_use]
    pub fn is_known(&self) -> bool {
        false
    }

    /// The store as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> SymbolsAt<'_> {
        SymbolsAt {
            store: self,
            seq,
            time_ns,
        }
    }
}

impl Fold for SymbolStore {
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

/// The kernel symbol store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct SymbolsAt<'a> {
    store: &'a SymbolStore,
    seq: u64,
    time_ns: i64,
}

impl DataStore for SymbolsAt<'_> {
    fn name(&self) -> &str {
        Store::Symbol.name()
    }

    fn health(&self) -> Health {
        Health::healthy(self.time_ns)
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

impl stores::KernelSymbolStore for SymbolsAt<'_> {
    fn resolve_symbol_by_address(&self, address: u64) -> Result<Vec<stores::SymbolInfo<'_>>, StoreError> {
        Err(StoreError::not_found(
            Store::Symbol,
            "resolve_symbol_by_address",
            Entity::Address(address),
        ))
    }

    fn get_symbol_address(&self, name: &str) -> Result<u64, StoreError> {
        Err(StoreError::not_found(
            Store::Symbol,
            "get_symbol_address",
            Entity::Symbol(name.into()),
        ))
    }

    fn containing_symbol(&self, address: u64) -> Result<stores::SymbolInfo<'_>, StoreError> {
        Err(StoreError::not_found(
            Store::Symbol,
            "containing_symbol",
            Entity::Address(address),
        ))
    }

    fn is_kernel_text(&self, _address: u64) -> Result<bool, StoreError> {
        Err(StoreError::not_found(
            Store::Symbol,
            "is_kernel_text",
            Entity::Symbol("_stext".into()),
        ))
    }
}

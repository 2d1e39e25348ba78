//! The system store.

use arrow::array::RecordBatch;
use detectors_api::event::Event;
use detectors_api::stores::{self, DataStore, Health, Metrics, Store};

use crate::fold::Fold;
use crate::rows::RowsError;

/// The system store of a recording.
#[derive(Debug, Default)]
pub struct SystemStore {}

impl SystemStore {
    /// Whether the recording has these facts.
    #[must_use]
    pub fn is_known(&self) -> bool {
        false
    }

    /// The store as of an event whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, time_ns: i64) -> SystemAt<'_> {
        SystemAt { store: self, time_ns }
    }
}

impl Fold for SystemStore {
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

/// The system store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct SystemAt<'a> {
    store: &'a SystemStore,
    time_ns: i64,
}

impl DataStore for SystemAt<'_> {
    fn name(&self) -> &str {
        Store::System.name()
    }

    fn health(&self) -> Health {
        Health::healthy(self.time_ns)
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

impl stores::SystemStore for SystemAt<'_> {
    fn get_system_info(&self) -> &stores::SystemInfo {
        static UNKNOWN: std::sync::LazyLock<stores::SystemInfo> =
            std::sync::LazyLock::new(stores::SystemInfo::default);
        &UNKNOWN
    }
}

//! The container store.

mod inputs;
mod path;

pub use inputs::{ContainerFacts, ContainerInput, Pod};
pub use path::{CgroupContainer, container_of};

use arrow::array::RecordBatch;
use detectors_api::event::Event;
use detectors_api::stores::{self, DataStore, Entity, Health, Metrics, Store, StoreError};

use crate::fold::Fold;
use crate::rows::RowsError;

/// The container store of a recording, with its history.
#[derive(Debug, Default)]
pub struct ContainerStore {}

impl ContainerStore {
    /// The store as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> ContainersAt<'_> {
        ContainersAt {
            store: self,
            seq,
            time_ns,
        }
    }
}

impl Fold for ContainerStore {
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

/// The container store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct ContainersAt<'a> {
    store: &'a ContainerStore,
    seq: u64,
    time_ns: i64,
}

impl DataStore for ContainersAt<'_> {
    fn name(&self) -> &str {
        Store::Container.name()
    }

    fn health(&self) -> Health {
        Health::healthy(self.time_ns)
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

impl stores::ContainerStore for ContainersAt<'_> {
    fn get_container(&self, id: &str) -> Result<stores::ContainerInfo<'_>, StoreError> {
        Err(StoreError::not_found(
            Store::Container,
            "get_container",
            Entity::Container(id.into()),
        ))
    }

    fn get_container_by_name(&self, name: &str) -> Result<stores::ContainerInfo<'_>, StoreError> {
        Err(StoreError::not_found(
            Store::Container,
            "get_container_by_name",
            Entity::ContainerName(name.into()),
        ))
    }

    fn get_container_by_cgroup(&self, cgroup_id: u64) -> Result<stores::ContainerInfo<'_>, StoreError> {
        Err(StoreError::not_found(
            Store::Container,
            "get_container_by_cgroup",
            Entity::Cgroup(cgroup_id),
        ))
    }

    fn list_containers(
        &self,
        _filter: &stores::ContainerFilter<'_>,
    ) -> Result<Vec<stores::ContainerInfo<'_>>, StoreError> {
        Ok(Vec::new())
    }
}

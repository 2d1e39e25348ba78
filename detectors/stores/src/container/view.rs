//! How the container store is asked.

use std::cmp::Reverse;

use detectors_api::stores::{
    self, ContainerFilter, ContainerInfo, DataStore, Entity, Health, Metrics, Store, StoreError,
};

use super::ContainerStore;

/// What was known about a container for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerVersion<'a> {
    /// Sequence number from which on it was known.
    pub from_seq: u64,
    /// Sequence number from which on something else was; `None` if nothing came after it.
    pub until_seq: Option<u64>,
    /// What was known.
    pub container: ContainerInfo<'a>,
    /// Why no runtime told about it, if the last question failed.
    pub error: Option<&'a str>,
}

/// The container store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct ContainersAt<'a> {
    store: &'a ContainerStore,
    seq: u64,
    time_ns: i64,
}

impl<'a> ContainersAt<'a> {
    pub(super) fn new(store: &'a ContainerStore, seq: u64, time_ns: i64) -> Self {
        Self { store, seq, time_ns }
    }

    /// All containers, those that have ended too: by start time and id.
    #[must_use]
    pub fn all(self) -> Vec<ContainerInfo<'a>> {
        let mut all: Vec<_> = self
            .store
            .containers
            .iter()
            .filter_map(|(id, container)| Some(container.facts.at(self.seq)?.info(id)))
            .collect();
        all.sort_by_key(|container| (container.start_ns, container.id));
        all
    }

    fn get(self, id: &str) -> Option<ContainerInfo<'a>> {
        let (id, container) = self.store.containers.get_key_value(id)?;
        Some(container.facts.at(self.seq)?.info(id))
    }

    fn by_name(self, name: &str) -> Option<ContainerInfo<'a>> {
        let ids = self.store.names.get(name)?;
        ids.iter()
            .filter_map(|id| self.get(id))
            .filter(|container| container.name == name)
            .min_by_key(|container| {
                let ended = container.end_ns.is_some();
                (ended, Reverse(container.start_ns), container.id)
            })
    }

    fn by_cgroup(self, cgroup_id: u64) -> Option<ContainerInfo<'a>> {
        let cgroup = self.store.cgroups.get(&super::lives::low_half(cgroup_id))?;
        self.get(cgroup.container.at(self.seq)?)
    }
}

impl DataStore for ContainersAt<'_> {
    fn name(&self) -> &str {
        Store::Container.name()
    }

    fn health(&self) -> Health {
        Health::healthy(self.time_ns)
    }

    fn metrics(&self) -> Metrics {
        Metrics {
            item_count: self.store.known.at(self.seq).copied().unwrap_or_default(),
        }
    }
}

fn not_found(operation: &'static str, entity: Entity) -> StoreError {
    StoreError::not_found(Store::Container, operation, entity)
}

impl stores::ContainerStore for ContainersAt<'_> {
    fn get_container(&self, id: &str) -> Result<ContainerInfo<'_>, StoreError> {
        self.get(id)
            .ok_or_else(|| not_found("get_container", Entity::Container(id.into())))
    }

    fn get_container_by_name(&self, name: &str) -> Result<ContainerInfo<'_>, StoreError> {
        self.by_name(name)
            .ok_or_else(|| not_found("get_container_by_name", Entity::ContainerName(name.into())))
    }

    fn get_container_by_cgroup(&self, cgroup_id: u64) -> Result<ContainerInfo<'_>, StoreError> {
        self.by_cgroup(cgroup_id)
            .ok_or_else(|| not_found("get_container_by_cgroup", Entity::Cgroup(cgroup_id)))
    }

    fn list_containers(&self, filter: &ContainerFilter<'_>) -> Result<Vec<ContainerInfo<'_>>, StoreError> {
        let mut found = self.all();
        found.retain(|container| container.end_ns.is_none() && filter.matches(container));
        Ok(found)
    }
}

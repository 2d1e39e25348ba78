//! How mock stores answer, each by what lies on its shelf.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use serde_json::Value;

use super::shelf::Shelf;
use crate::stores::{
    Cause, ContainerFilter, ContainerInfo, ContainerStore, CustomStore, DataStore, DnsResponse, DnsStore,
    Entity, Health, IpReputationStore, KernelSymbolStore, Metrics, ProcessInfo, ProcessStore, Reputation,
    StoreError, SymbolInfo, SyscallStore, SystemInfo, SystemStore,
};

/// Kernel symbols, and where the kernel's own code lies.
#[derive(Clone, Debug)]
pub(super) struct Symbols {
    pub(super) shelf: Shelf<SymbolInfo<'static>>,
    pub(super) text: Option<Range<u64>>,
}

/// A container and the cgroup that belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Contained {
    pub(super) info: ContainerInfo<'static>,
    pub(super) cgroup_id: Option<u64>,
}

/// What a source says about a key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) source: String,
    pub(super) key: String,
    pub(super) data: Value,
}

impl ProcessStore for Shelf<ProcessInfo<'static>> {
    fn get_process(&self, entity_id: u32) -> Result<ProcessInfo<'_>, StoreError> {
        let entity = || Entity::Process(entity_id);
        self.find("get_process", entity, |process| process.entity_id == entity_id)
            .copied()
    }

    fn get_process_by_host_pid(&self, host_pid: u32) -> Result<ProcessInfo<'_>, StoreError> {
        let entity = || Entity::HostPid(host_pid);
        self.find("get_process_by_host_pid", entity, |process| {
            process.host_pid == host_pid
        })
        .copied()
    }

    fn get_child_processes(&self, entity_id: u32) -> Result<Vec<ProcessInfo<'_>>, StoreError> {
        let all = self.items("get_child_processes")?.iter().copied();
        let mut children: Vec<_> = all
            .filter(|process| process.parent_entity_id == Some(entity_id))
            .collect();
        children.sort_by_key(|child| (child.start_ns, child.host_pid, child.entity_id));
        Ok(children)
    }

    fn get_ancestry(&self, entity_id: u32, max_depth: usize) -> Result<Vec<ProcessInfo<'_>>, StoreError> {
        let all = self.items("get_ancestry")?;
        let mut line: Vec<ProcessInfo<'_>> = Vec::new();
        let mut next = Some(entity_id);
        while let Some(id) = next
            && line.len() < max_depth
            && line.iter().all(|known| known.entity_id != id)
            && let Some(process) = all.iter().rev().find(|process| process.entity_id == id)
        {
            line.push(*process);
            next = process.parent_entity_id;
        }
        Ok(line)
    }
}

impl ContainerStore for Shelf<Contained> {
    fn get_container(&self, id: &str) -> Result<ContainerInfo<'_>, StoreError> {
        let entity = || Entity::Container(id.into());
        let container = self.find("get_container", entity, |container| container.info.id == id)?;
        Ok(container.info)
    }

    fn get_container_by_name(&self, name: &str) -> Result<ContainerInfo<'_>, StoreError> {
        let entity = || Entity::ContainerName(name.into());
        let container = self.find("get_container_by_name", entity, |container| {
            container.info.name == name && !name.is_empty()
        })?;
        Ok(container.info)
    }

    fn get_container_by_cgroup(&self, cgroup_id: u64) -> Result<ContainerInfo<'_>, StoreError> {
        let entity = || Entity::Cgroup(cgroup_id);
        let container = self.find("get_container_by_cgroup", entity, |container| {
            container.cgroup_id == Some(cgroup_id)
        })?;
        Ok(container.info)
    }

    fn list_containers(&self, filter: &ContainerFilter<'_>) -> Result<Vec<ContainerInfo<'_>>, StoreError> {
        let all = self.items("list_containers")?.iter();
        let living = all
            .map(|container| container.info)
            .filter(|info| info.end_ns.is_none());
        let mut wanted: Vec<_> = living.filter(|info| filter.matches(info)).collect();
        wanted.sort_by_key(|info| (info.start_ns, info.id));
        Ok(wanted)
    }
}

impl DnsStore for Shelf<DnsResponse<'static>> {
    fn get_dns_response(&self, query: &str) -> Result<DnsResponse<'_>, StoreError> {
        let entity = || Entity::Dns(query.into());
        self.find("get_dns_response", entity, |response| response.query == query)
            .cloned()
    }
}

impl DataStore for Symbols {
    fn name(&self) -> &str {
        self.shelf.name()
    }

    fn health(&self) -> Health {
        self.shelf.health()
    }

    fn metrics(&self) -> Metrics {
        self.shelf.metrics()
    }
}

impl KernelSymbolStore for Symbols {
    fn resolve_symbol_by_address(&self, address: u64) -> Result<Vec<SymbolInfo<'_>>, StoreError> {
        let operation = "resolve_symbol_by_address";
        let all = self.shelf.items(operation)?.iter().copied();
        let found: Vec<_> = all.filter(|symbol| symbol.address == address).collect();
        if found.is_empty() {
            return Err(self
                .shelf
                .error(operation, Cause::NotFound(Entity::Address(address))));
        }
        Ok(found)
    }

    fn get_symbol_address(&self, name: &str) -> Result<u64, StoreError> {
        let operation = "get_symbol_address";
        let all = self.shelf.items(operation)?.iter();
        let named = all.filter(|symbol| symbol.name == name);
        named.map(|symbol| symbol.address).max().ok_or_else(|| {
            self.shelf
                .error(operation, Cause::NotFound(Entity::Symbol(name.into())))
        })
    }

    fn containing_symbol(&self, address: u64) -> Result<SymbolInfo<'_>, StoreError> {
        /// A symbol that starts further away does not contain the address.
        const REACH: u64 = 1 << 20;
        let operation = "containing_symbol";
        let before = self.shelf.items(operation)?.iter().rev();
        let before = before.filter(|symbol| symbol.address <= address && address - symbol.address <= REACH);
        before
            .copied()
            .max_by_key(|symbol| symbol.address)
            .ok_or_else(|| {
                self.shelf
                    .error(operation, Cause::NotFound(Entity::Address(address)))
            })
    }

    fn is_kernel_text(&self, address: u64) -> Result<bool, StoreError> {
        let operation = "is_kernel_text";
        self.shelf.items(operation)?;
        match &self.text {
            Some(text) => Ok(text.contains(&address)),
            None => Err(self
                .shelf
                .error(operation, Cause::NotFound(Entity::Symbol("_stext".into())))),
        }
    }
}

impl SystemStore for Shelf<SystemInfo> {
    fn get_system_info(&self) -> &SystemInfo {
        static UNKNOWN: LazyLock<SystemInfo> = LazyLock::new(SystemInfo::default);
        self.items.last().unwrap_or(&UNKNOWN)
    }
}

impl SyscallStore for Shelf<(i32, &'static str)> {
    fn get_syscall_name(&self, id: i32) -> Result<&str, StoreError> {
        let entity = || Entity::SyscallId(id);
        let (_, name) = self.find("get_syscall_name", entity, |(number, _)| *number == id)?;
        Ok(name)
    }

    fn get_syscall_id(&self, name: &str) -> Result<i32, StoreError> {
        let entity = || Entity::SyscallName(name.into());
        let (number, _) = self.find("get_syscall_id", entity, |(_, known)| *known == name)?;
        Ok(*number)
    }

    fn get_native_syscall_name(&self, number: i32) -> Result<&str, StoreError> {
        let entity = || Entity::SyscallId(number);
        let (_, name) = self.find("get_native_syscall_name", entity, |(known, _)| *known == number)?;
        Ok(name)
    }
}

impl IpReputationStore for Shelf<Reputation> {
    fn get_reputation(&self, ip: &str) -> Result<&Reputation, StoreError> {
        let entity = || Entity::Key(ip.into());
        self.find("get_reputation", entity, |reputation| reputation.ip == ip)
    }
}

impl CustomStore for &Shelf<Entry> {
    fn get(&self, source: &str, key: &str) -> Result<&Value, StoreError> {
        let entity = || Entity::Key(key.into());
        let entry = self.find("get", entity, |entry| entry.source == source && entry.key == key)?;
        Ok(&entry.data)
    }

    fn get_all(&self, key: &str) -> BTreeMap<&str, &Value> {
        let about = self.items.iter().filter(|entry| entry.key == key);
        about.map(|entry| (entry.source.as_str(), &entry.data)).collect()
    }

    fn list_sources(&self) -> Vec<&str> {
        let mut sources: Vec<_> = self.items.iter().map(|entry| entry.source.as_str()).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }
}

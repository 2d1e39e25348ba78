//! What stands in for a store that a recording does not have.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{
    ContainerFilter, ContainerInfo, ContainerStore, CustomStore, DataStore, DnsResponse, DnsStore, Entity,
    Health, IpReputationStore, KernelSymbolStore, Metrics, ProcessInfo, ProcessStore, Reputation, StoreError,
    Stores, SymbolInfo, SyscallStore, SystemInfo, SystemStore,
};

/// A registry without stores.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullStores;

/// Stands in for one store: every question fails, because the store is unhealthy.
#[derive(Clone, Copy, Debug)]
pub struct NullStore {
    /// The name of the store that is not there.
    store: &'static str,
    /// The name by which this one goes.
    name: &'static str,
    /// What it would keep, in words.
    what: &'static str,
}

impl NullStore {
    /// Stands in for the process store.
    pub const PROCESS: &'static Self = &Self::new("process", "null_process", "process");
    /// Stands in for the container store.
    pub const CONTAINER: &'static Self = &Self::new("container", "null_container", "container");
    /// Stands in for the DNS store.
    pub const DNS: &'static Self = &Self::new("dns", "null_dns", "DNS");
    /// Stands in for the symbol store.
    pub const SYMBOL: &'static Self = &Self::new("symbol", "null_symbol", "kernel symbol");
    /// Stands in for the system store.
    pub const SYSTEM: &'static Self = &Self::new("system", "null_system", "system");
    /// Stands in for the system-call store.
    pub const SYSCALL: &'static Self = &Self::new("syscall", "null_syscall", "syscall");
    /// Stands in for the store of IP reputations.
    pub const IP_REPUTATION: &'static Self =
        &Self::new("ip_reputation", "null_ip_reputation", "IP reputation");

    const fn new(store: &'static str, name: &'static str, what: &'static str) -> Self {
        Self { store, name, what }
    }

    fn fail<T>(&self, operation: &'static str) -> Result<T, StoreError> {
        Err(StoreError::unavailable(self.store, operation))
    }
}

impl DataStore for NullStore {
    fn name(&self) -> &str {
        self.name
    }

    fn health(&self) -> Health {
        Health::unhealthy(0, format!("{} store not available", self.what))
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

impl ProcessStore for NullStore {
    fn get_process(&self, _: u32) -> Result<ProcessInfo<'_>, StoreError> {
        self.fail("get_process")
    }

    fn get_process_by_host_pid(&self, _: u32) -> Result<ProcessInfo<'_>, StoreError> {
        self.fail("get_process_by_host_pid")
    }

    fn get_child_processes(&self, _: u32) -> Result<Vec<ProcessInfo<'_>>, StoreError> {
        self.fail("get_child_processes")
    }

    fn get_ancestry(&self, _: u32, _: usize) -> Result<Vec<ProcessInfo<'_>>, StoreError> {
        self.fail("get_ancestry")
    }
}

impl ContainerStore for NullStore {
    fn get_container(&self, _: &str) -> Result<ContainerInfo<'_>, StoreError> {
        self.fail("get_container")
    }

    fn get_container_by_name(&self, _: &str) -> Result<ContainerInfo<'_>, StoreError> {
        self.fail("get_container_by_name")
    }

    fn get_container_by_cgroup(&self, _: u64) -> Result<ContainerInfo<'_>, StoreError> {
        self.fail("get_container_by_cgroup")
    }

    fn list_containers(&self, _: &ContainerFilter<'_>) -> Result<Vec<ContainerInfo<'_>>, StoreError> {
        self.fail("list_containers")
    }
}

impl DnsStore for NullStore {
    fn get_dns_response(&self, _: &str) -> Result<DnsResponse<'_>, StoreError> {
        self.fail("get_dns_response")
    }
}

impl KernelSymbolStore for NullStore {
    fn resolve_symbol_by_address(&self, _: u64) -> Result<Vec<SymbolInfo<'_>>, StoreError> {
        self.fail("resolve_symbol_by_address")
    }

    fn get_symbol_address(&self, _: &str) -> Result<u64, StoreError> {
        self.fail("get_symbol_address")
    }

    fn resolve_symbols_batch(&self, _: &[u64]) -> Result<BTreeMap<u64, Vec<SymbolInfo<'_>>>, StoreError> {
        self.fail("resolve_symbols_batch")
    }

    fn containing_symbol(&self, _: u64) -> Result<SymbolInfo<'_>, StoreError> {
        self.fail("containing_symbol")
    }

    fn is_kernel_text(&self, _: u64) -> Result<bool, StoreError> {
        self.fail("is_kernel_text")
    }
}

impl SystemStore for NullStore {
    fn get_system_info(&self) -> &SystemInfo {
        static UNKNOWN: LazyLock<SystemInfo> = LazyLock::new(SystemInfo::default);
        &UNKNOWN
    }
}

impl SyscallStore for NullStore {
    fn get_syscall_name(&self, _: i32) -> Result<&str, StoreError> {
        self.fail("get_syscall_name")
    }

    fn get_syscall_id(&self, _: &str) -> Result<i32, StoreError> {
        self.fail("get_syscall_id")
    }

    fn get_native_syscall_name(&self, _: i32) -> Result<&str, StoreError> {
        self.fail("get_native_syscall_name")
    }
}

impl IpReputationStore for NullStore {
    fn get_reputation(&self, _: &str) -> Result<&Reputation, StoreError> {
        self.fail("get_reputation")
    }
}

impl Stores for NullStores {
    fn processes(&self) -> &dyn ProcessStore {
        NullStore::PROCESS
    }

    fn containers(&self) -> &dyn ContainerStore {
        NullStore::CONTAINER
    }

    fn dns(&self) -> &dyn DnsStore {
        NullStore::DNS
    }

    fn kernel_symbols(&self) -> &dyn KernelSymbolStore {
        NullStore::SYMBOL
    }

    fn system(&self) -> &dyn SystemStore {
        NullStore::SYSTEM
    }

    fn syscalls(&self) -> &dyn SyscallStore {
        NullStore::SYSCALL
    }

    fn ip_reputation(&self) -> &dyn IpReputationStore {
        NullStore::IP_REPUTATION
    }

    fn custom<'a>(&'a self, name: &str) -> Result<Box<dyn CustomStore + 'a>, StoreError> {
        Err(no_store(name, "custom"))
    }

    fn list(&self) -> Vec<&str> {
        Vec::new()
    }

    fn is_available(&self, _: &str) -> bool {
        false
    }
}

/// There is no store called `name`.
pub(super) fn no_store(name: &str, operation: &'static str) -> StoreError {
    StoreError {
        store: name.to_owned().into(),
        operation,
        cause: super::Cause::NotFound(Entity::Store(name.into())),
    }
}

/// The null object for a core store.
#[cfg(test)]
pub(super) fn stand_in(store: super::Store) -> &'static dyn DataStore {
    use super::Store;
    match store {
        Store::Process => NullStore::PROCESS,
        Store::Container => NullStore::CONTAINER,
        Store::Dns => NullStore::DNS,
        Store::System => NullStore::SYSTEM,
        Store::Syscall => NullStore::SYSCALL,
        Store::Symbol => NullStore::SYMBOL,
    }
}

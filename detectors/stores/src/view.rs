//! The stores as of one event, as detectors see them.

use detectors_api::stores::{
    self, CustomStore, Entity, IP_REPUTATION, IpReputationStore, NullStore, Store, StoreError,
};

use crate::MachineStores;
use crate::container::ContainersAt;
use crate::custom::CustomStoresAt;
use crate::dns::DnsAt;
use crate::process::ProcessesAt;
use crate::symbol::SymbolsAt;
use crate::syscall::SyscallsAt;
use crate::system::SystemAt;

/// The stores as of one event.
#[derive(Clone, Copy, Debug)]
pub struct StoresAt<'a> {
    stores: &'a MachineStores,
    processes: ProcessesAt<'a>,
    containers: ContainersAt<'a>,
    dns: DnsAt<'a>,
    symbols: SymbolsAt<'a>,
    system: SystemAt<'a>,
    syscalls: SyscallsAt<'a>,
    custom: CustomStoresAt<'a>,
}

impl<'a> StoresAt<'a> {
    pub(crate) fn new(stores: &'a MachineStores, seq: u64, time_ns: i64) -> Self {
        Self {
            stores,
            processes: stores.processes().at(seq, time_ns),
            containers: stores.containers().at(seq, time_ns),
            dns: stores.dns().at(seq, time_ns),
            symbols: stores.symbols().at(seq, time_ns),
            system: stores.system().at(seq, time_ns),
            syscalls: stores.syscalls().at(time_ns),
            custom: stores.custom().at(seq, time_ns),
        }
    }

    /// Path of the binary that a process ran as of the event; `None` if unknown.
    #[must_use]
    pub fn executable_path(&self, entity_id: u32) -> Option<&'a str> {
        self.processes.executable_path(entity_id)
    }

    fn has(&self, store: Store) -> bool {
        self.stores.available_names().contains(&store.name())
    }
}

impl stores::Stores for StoresAt<'_> {
    fn processes(&self) -> &dyn stores::ProcessStore {
        &self.processes
    }

    fn containers(&self) -> &dyn stores::ContainerStore {
        &self.containers
    }

    fn dns(&self) -> &dyn stores::DnsStore {
        if self.has(Store::Dns) {
            return &self.dns;
        }
        NullStore::DNS
    }

    fn kernel_symbols(&self) -> &dyn stores::KernelSymbolStore {
        if self.has(Store::Symbol) {
            return &self.symbols;
        }
        NullStore::SYMBOL
    }

    fn system(&self) -> &dyn stores::SystemStore {
        if self.has(Store::System) {
            return &self.system;
        }
        NullStore::SYSTEM
    }

    fn syscalls(&self) -> &dyn stores::SyscallStore {
        &self.syscalls
    }

    fn ip_reputation(&self) -> &dyn IpReputationStore {
        if self.custom.get(IP_REPUTATION).is_some() {
            return &self.custom;
        }
        NullStore::IP_REPUTATION
    }

    fn custom<'b>(&'b self, name: &str) -> Result<Box<dyn CustomStore + 'b>, StoreError> {
        match self.custom.get(name) {
            Some(store) => Ok(Box::new(store)),
            None => Err(StoreError {
                store: name.to_owned().into(),
                operation: "custom",
                cause: stores::Cause::NotFound(Entity::Store(name.into())),
            }),
        }
    }

    fn list(&self) -> Vec<&str> {
        let mut names = self.stores.available_names().to_vec();
        names.extend(self.custom.names());
        names.sort_unstable();
        names
    }
}

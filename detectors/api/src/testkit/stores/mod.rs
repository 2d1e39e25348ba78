//! Stores that say what a test wants.

mod answers;
mod shelf;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde_json::Value;

use answers::{Contained, Entry, Symbols};
use shelf::Shelf;

use crate::stores::{
    Cause, ContainerInfo, ContainerStore, CustomStore, DnsResponse, DnsStore, Entity, IP_REPUTATION,
    IpReputationStore, KERNEL, KernelSymbolStore, NullStore, ProcessInfo, ProcessStore, Reputation, Store,
    StoreError, Stores, SymbolInfo, SyscallStore, SystemInfo, SystemStore,
};

/// Stores that say what a test puts into them, whatever the event.
///
/// A store is there as soon as something is put into it, or [`with`](Self::with) says so; questions to the others fail, as those to
/// a store that a recording does not have.
///
/// ```
/// use detectors_api::stores::{ProcessInfo, Stores as _};
/// use detectors_api::testkit::MockStores;
///
/// let stores = MockStores::new().process(ProcessInfo { entity_id: 12345, exe: "/bin/bash", ..Default::default() });
/// assert_eq!(stores.processes().get_process(12345)?.exe, "/bin/bash");
/// assert!(stores.processes().get_process(1).unwrap_err().is_not_found());
/// assert!(stores.is_available("process") && !stores.is_available("dns"));
/// # Ok::<(), detectors_api::stores::StoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MockStores {
    processes: Shelf<ProcessInfo<'static>>,
    containers: Shelf<Contained>,
    dns: Shelf<DnsResponse<'static>>,
    symbols: Symbols,
    syscalls: Shelf<(i32, &'static str)>,
    system: Shelf<SystemInfo>,
    reputations: Shelf<Reputation>,
    custom: BTreeMap<String, Shelf<Entry>>,
}
impl Default for MockStores {
    fn default() -> Self {
        Self::new()
    }
}

impl MockStores {
    /// No stores.
    #[must_use]
    pub fn new() -> Self {
        Self {
            processes: Shelf::new(Store::Process.name()),
            containers: Shelf::new(Store::Container.name()),
            dns: Shelf::new(Store::Dns.name()),
            symbols: Symbols {
                shelf: Shelf::new(Store::Symbol.name()),
                text: None,
            },
            syscalls: Shelf::new(Store::Syscall.name()),
            system: Shelf::new(Store::System.name()),
            reputations: Shelf::new(IP_REPUTATION),
            custom: BTreeMap::new(),
        }
    }

    /// Adds a process. Its children are those that name it as their parent.
    #[must_use]
    pub fn process(mut self, process: ProcessInfo<'static>) -> Self {
        self.processes.put(process);
        self
    }

    /// Adds a container that no cgroup leads to.
    #[must_use]
    pub fn container(mut self, container: ContainerInfo<'static>) -> Self {
        self.containers.put(Contained {
            info: container,
            cgroup_id: None,
        });
        self
    }

    /// Adds a container and the cgroup (inode number of its directory) that leads to it.
    #[must_use]
    pub fn container_in_cgroup(mut self, container: ContainerInfo<'static>, cgroup_id: u64) -> Self {
        self.containers.put(Contained {
            info: container,
            cgroup_id: Some(cgroup_id),
        });
        self
    }

    /// Adds what is known about `response.query`.
    #[must_use]
    pub fn answer(mut self, response: DnsResponse<'static>) -> Self {
        self.dns.put(response);
        self
    }

    /// Adds a symbol of the kernel itself.
    #[must_use]
    pub fn symbol(self, name: &'static str, address: u64) -> Self {
        self.module_symbol(KERNEL, name, address)
    }

    /// Adds a symbol of a kernel module.
    #[must_use]
    pub fn module_symbol(mut self, module: &'static str, name: &'static str, address: u64) -> Self {
        self.symbols.shelf.put(SymbolInfo {
            name,
            address,
            module,
        });
        self
    }

    /// Says where the code of the kernel itself lies.
    #[must_use]
    pub fn kernel_text(mut self, addresses: Range<u64>) -> Self {
        self.symbols.shelf.there = true;
        self.symbols.text = Some(addresses);
        self
    }

    /// Adds a system call; it has the same number in events and in the kernel.
    #[must_use]
    pub fn syscall(mut self, number: i32, name: &'static str) -> Self {
        self.syscalls.put((number, name));
        self
    }

    /// Sets the facts about the host.
    #[must_use]
    pub fn host(mut self, info: SystemInfo) -> Self {
        self.system.items.clear();
        self.system.put(info);
        self
    }

    /// Adds what is known about the address `reputation.ip`.
    #[must_use]
    pub fn reputation(mut self, reputation: Reputation) -> Self {
        self.reputations.put(reputation);
        self
    }

    /// Adds what `source` says about `key` in the custom store called `store`.
    #[must_use]
    pub fn entry(
        mut self,
        store: impl Into<String>,
        source: impl Into<String>,
        key: impl Into<String>,
        data: impl Into<Value>,
    ) -> Self {
        self.custom_shelf(store.into()).put(Entry {
            source: source.into(),
            key: key.into(),
            data: data.into(),
        });
        self
    }

    /// The store called `name` is there, even if nothing is put into it. What is no core store is a custom one.
    #[must_use]
    pub fn with(mut self, name: impl fmt::Display) -> Self {
        *self.state(&name.to_string()).0 = true;
        self
    }

    /// The store called `name` is there, but cannot answer, because of `reason`.
    #[must_use]
    pub fn broken(mut self, name: impl fmt::Display, reason: impl Into<String>) -> Self {
        let (there, broken) = self.state(&name.to_string());
        *there = true;
        *broken = Some(reason.into());
        self
    }

    fn custom_shelf(&mut self, name: String) -> &mut Shelf<Entry> {
        self.custom
            .entry(name)
            .or_insert_with_key(|name| Shelf::new(name))
    }

    /// Whether the store called `name` is there, and why it cannot answer.
    fn state(&mut self, name: &str) -> (&mut bool, &mut Option<String>) {
        match Store::from_name(name) {
            Some(Store::Process) => self.processes.state(),
            Some(Store::Container) => self.containers.state(),
            Some(Store::Dns) => self.dns.state(),
            Some(Store::Symbol) => self.symbols.shelf.state(),
            Some(Store::Syscall) => self.syscalls.state(),
            Some(Store::System) => self.system.state(),
            None if name == IP_REPUTATION => self.reputations.state(),
            None => self.custom_shelf(name.to_owned()).state(),
        }
    }
}

impl Stores for MockStores {
    fn processes(&self) -> &dyn ProcessStore {
        if self.processes.there {
            &self.processes
        } else {
            NullStore::PROCESS
        }
    }

    fn containers(&self) -> &dyn ContainerStore {
        if self.containers.there {
            &self.containers
        } else {
            NullStore::CONTAINER
        }
    }

    fn dns(&self) -> &dyn DnsStore {
        if self.dns.there { &self.dns } else { NullStore::DNS }
    }

    fn kernel_symbols(&self) -> &dyn KernelSymbolStore {
        if self.symbols.shelf.there {
            &self.symbols
        } else {
            NullStore::SYMBOL
        }
    }

    fn system(&self) -> &dyn SystemStore {
        if self.system.there {
            &self.system
        } else {
            NullStore::SYSTEM
        }
    }

    fn syscalls(&self) -> &dyn SyscallStore {
        if self.syscalls.there {
            &self.syscalls
        } else {
            NullStore::SYSCALL
        }
    }

    fn ip_reputation(&self) -> &dyn IpReputationStore {
        if self.reputations.there {
            &self.reputations
        } else {
            NullStore::IP_REPUTATION
        }
    }

    fn custom<'a>(&'a self, name: &str) -> Result<Box<dyn CustomStore + 'a>, StoreError> {
        match self.custom.get(name) {
            Some(shelf) => Ok(Box::new(shelf)),
            None => Err(StoreError {
                store: name.to_owned().into(),
                operation: "custom",
                cause: Cause::NotFound(Entity::Store(name.into())),
            }),
        }
    }

    fn list(&self) -> Vec<&str> {
        let core = [
            (self.processes.there, Store::Process.name()),
            (self.containers.there, Store::Container.name()),
            (self.dns.there, Store::Dns.name()),
            (self.symbols.shelf.there, Store::Symbol.name()),
            (self.syscalls.there, Store::Syscall.name()),
            (self.system.there, Store::System.name()),
            (self.reputations.there, IP_REPUTATION),
        ];
        let core = core.into_iter().filter_map(|(there, name)| there.then_some(name));
        let mut names: Vec<_> = core.chain(self.custom.keys().map(String::as_str)).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::{ContainerFilter, ReputationStatus};

    #[test]
    fn a_family_has_ancestors_and_children() {
        let process = |entity_id, parent_entity_id| ProcessInfo {
            entity_id,
            parent_entity_id,
            ..Default::default()
        };
        // The last two are each other's parents, which must not go on for ever.
        let stores = MockStores::new()
            .process(process(1, None))
            .process(process(2, Some(1)))
            .process(process(3, Some(2)))
            .process(process(8, Some(9)))
            .process(process(9, Some(8)));
        let ids =
            |line: Vec<ProcessInfo<'_>>| line.iter().map(|process| process.entity_id).collect::<Vec<_>>();
        let processes = stores.processes();
        assert_eq!(ids(processes.get_ancestry(3, 9).expect("there")), [3, 2, 1]);
        assert_eq!(ids(processes.get_ancestry(3, 2).expect("there")), [3, 2]);
        assert_eq!(ids(processes.get_ancestry(8, 9).expect("there")), [8, 9]);
        assert!(ids(processes.get_ancestry(7, 9).expect("there")).is_empty());
        assert_eq!(ids(processes.get_child_processes(1).expect("there")), [2]);
    }

    #[test]
    fn what_is_put_in_is_found() -> Result<(), StoreError> {
        let stores = MockStores::new()
            .container_in_cgroup(
                ContainerInfo {
                    id: "c0ffee",
                    name: "web",
                    ..Default::default()
                },
                7,
            )
            .answer(DnsResponse {
                query: "example.org".to_owned(),
                ips: vec!["192.0.2.1"],
                ..Default::default()
            })
            .symbol("sys_open", 0x1000)
            .module_symbol("evil", "hook", 0x9000)
            .kernel_text(0x1000..0x2000)
            .syscall(101, "ptrace")
            .host(SystemInfo {
                hostname: "web-1".to_owned(),
                ..Default::default()
            })
            .reputation(Reputation {
                ip: "192.0.2.1".to_owned(),
                status: ReputationStatus::Deny,
                ..Default::default()
            })
            .entry("assets", "cmdb", "web-1", 3);
        assert_eq!(stores.containers().get_container_by_cgroup(7)?.name, "web");
        assert_eq!(
            stores
                .containers()
                .list_containers(&ContainerFilter::default())?
                .len(),
            1
        );
        assert_eq!(stores.dns().get_dns_response("example.org")?.ips, ["192.0.2.1"]);
        assert_eq!(
            stores.kernel_symbols().containing_symbol(0x1010)?.name,
            "sys_open"
        );
        assert_eq!(
            stores.kernel_symbols().resolve_symbol_by_address(0x9000)?[0].module,
            "evil"
        );
        assert!(!stores.kernel_symbols().is_kernel_text(0x9000)?);
        assert_eq!(stores.syscalls().get_syscall_id("ptrace")?, 101);
        assert_eq!(stores.system().get_system_info().hostname, "web-1");
        assert!(stores.ip_reputation().is_denied("192.0.2.1")?);
        assert_eq!(stores.custom("assets")?.get("cmdb", "web-1")?, &Value::from(3));
        assert_eq!(
            stores.list(),
            [
                "assets",
                "container",
                "dns",
                "ip_reputation",
                "symbol",
                "syscall",
                "system"
            ]
        );
        Ok(())
    }

    #[test]
    fn a_broken_store_is_there_and_fails() {
        let stores = MockStores::new()
            .broken(Store::Process, "out of memory")
            .with("assets");
        let error = stores.processes().get_process(1).expect_err("it is broken");
        assert_eq!(
            error.to_string(),
            "process.get_process: the store is unhealthy: out of memory"
        );
        assert!(!error.is_not_found());
        assert_eq!(stores.list(), ["assets", "process"]);
        assert_eq!(
            stores.health("process").expect("it is there").message,
            "out of memory"
        );
    }
}

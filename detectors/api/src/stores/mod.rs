//! What detectors see of the state around an event.
//!
//! Stores are asked as of one event: the answer is the state after all events up to and including it. Reading changes
//! nothing. A store that a recording does not have is stood in for by a null object, whose every question fails because the
//! store is unhealthy; so an accessor never has to be checked.

mod container;
mod custom;
mod dns;
mod error;
mod health;
mod null;
mod process;
mod symbol;
mod system;

use std::fmt;

pub use container::{ContainerFilter, ContainerInfo, ContainerStore, PodInfo, Runtime};
pub use custom::{CustomStore, IpReputationStore, Reputation, ReputationStatus, WritableStore};
pub use dns::{DnsResponse, DnsStore};
pub use error::{Cause, Entity, StoreError};
pub use health::{DataStore, Health, HealthStatus, Metadata, Metrics};
pub use null::{NullStore, NullStores};
pub use process::{ExecutableFile, ProcessInfo, ProcessStore};
pub use symbol::{KERNEL, KernelSymbolStore, SymbolInfo};
pub use system::{SyscallStore, SystemInfo, SystemStore};

/// The stores there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// Processes and their ancestry.
    Process,
    /// Containers.
    Container,
    /// DNS answers.
    Dns,
    /// Facts about the host.
    System,
    /// System call names and numbers.
    Syscall,
    /// Kernel symbols.
    Symbol,
}

impl Store {
    /// Every store, by name.
    pub const ALL: [Self; 6] = [
        Self::Container,
        Self::Dns,
        Self::Process,
        Self::Symbol,
        Self::Syscall,
        Self::System,
    ];

    /// The name that requirements use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Container => "container",
            Self::Dns => "dns",
            Self::System => "system",
            Self::Syscall => "syscall",
            Self::Symbol => "symbol",
        }
    }

    /// What it keeps, in a sentence.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Process => "Processes: who ran what, and who started whom",
            Self::Container => {
                "Containers, by the cgroups that processes are in and by what their runtimes say"
            }
            Self::Dns => "DNS answers that were seen: names and addresses",
            Self::System => "Facts about the recorded host",
            Self::Syscall => "Names and numbers of system calls",
            Self::Symbol => "Symbols of the kernel and its modules",
        }
    }

    /// The store called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|store| store.name() == name)
    }
}

impl AsRef<str> for Store {
    fn as_ref(&self) -> &str {
        self.name()
    }
}

impl From<Store> for String {
    fn from(store: Store) -> Self {
        store.name().to_owned()
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All stores as of an event.
///
/// The accessors never fail: a store that the recording does not have is stood in for by a [`NullStore`].
pub trait Stores {
    /// The process store.
    fn processes(&self) -> &dyn ProcessStore;

    /// The container store.
    fn containers(&self) -> &dyn ContainerStore;

    /// The DNS store.
    fn dns(&self) -> &dyn DnsStore;

    /// The kernel symbol store.
    fn kernel_symbols(&self) -> &dyn KernelSymbolStore;

    /// The system store.
    fn system(&self) -> &dyn SystemStore;

    /// The system-call store.
    fn syscalls(&self) -> &dyn SyscallStore;

    /// The store of IP reputations.
    fn ip_reputation(&self) -> &dyn IpReputationStore;

    /// A store that the user brought along.
    ///
    /// # Errors
    /// Not found if there is none of this name.
    fn custom<'a>(&'a self, name: &str) -> Result<Box<dyn CustomStore + 'a>, StoreError>;

    /// The names of the stores that the recording has, sorted bytewise.
    fn list(&self) -> Vec<&str>;

    /// Whether the recording has a store called `name`. That is the same for all of its events.
    fn is_available(&self, name: &str) -> bool {
        self.list().contains(&name)
    }

    /// Any store, by name.
    ///
    /// # Errors
    /// Not found if the recording has none of this name.
    fn store<'a>(&'a self, name: &str) -> Result<Box<dyn DataStore + 'a>, StoreError> {
        if !self.is_available(name) {
            return Err(null::no_store(name, "store"));
        }
        let store: &dyn DataStore = match Store::from_name(name) {
            Some(Store::Process) => self.processes(),
            Some(Store::Container) => self.containers(),
            Some(Store::Dns) => self.dns(),
            Some(Store::Symbol) => self.kernel_symbols(),
            Some(Store::System) => self.system(),
            Some(Store::Syscall) => self.syscalls(),
            None if name == IP_REPUTATION => self.ip_reputation(),
            None => return Ok(self.custom(name)?),
        };
        Ok(Box::new(store))
    }

    /// What a store is.
    ///
    /// # Errors
    /// Not found if the recording has none of this name.
    fn metadata(&self, name: &str) -> Result<Metadata, StoreError> {
        self.store(name).map(|store| Metadata {
            name: store.name().to_owned(),
            description: match Store::from_name(name) {
                Some(store) => store.description(),
                None if name == IP_REPUTATION => "What sources think of IP addresses",
                None => "Entries that the user brought along",
            }
            .to_owned(),
        })
    }

    /// Whether a store can answer.
    ///
    /// # Errors
    /// Not found if the recording has none of this name.
    fn health(&self, name: &str) -> Result<Health, StoreError> {
        self.store(name).map(|store| store.health())
    }

    /// How much a store keeps.
    ///
    /// # Errors
    /// Not found if the recording has none of this name.
    fn metrics(&self, name: &str) -> Result<Metrics, StoreError> {
        self.store(name).map(|store| store.metrics())
    }
}

/// The name of the store of IP reputations.
pub const IP_REPUTATION: &str = "ip_reputation";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_objects_fail_with_a_reason() {
        let error = NullStores
            .processes()
            .get_process(1)
            .expect_err("there is no store");
        assert_eq!(
            error.to_string(),
            "process.get_process: the store is unhealthy: the recording does not have it"
        );
        assert_eq!(NullStores.system().get_system_info(), &SystemInfo::default());
        for store in Store::ALL {
            assert!(!NullStores.is_available(store.name()));
            let null = null::stand_in(store);
            assert_eq!(null.name(), format!("null_{store}"));
            assert_eq!(null.health().status, HealthStatus::Unhealthy);
            assert_eq!(null.metrics(), Metrics::default());
        }
        assert_eq!(
            NullStore::SYMBOL.health().message,
            "kernel symbol store not available"
        );
    }

    #[test]
    fn unknown_stores_are_not_found() {
        for error in [
            NullStores.custom("threats").err(),
            NullStores.metadata("threats").err(),
            NullStores.health("threats").err(),
            NullStores.metrics("threats").err(),
        ] {
            assert!(error.is_some_and(|error| error.is_not_found()));
        }
    }

    #[test]
    fn names_lead_back_to_stores() {
        for store in Store::ALL {
            assert_eq!(Store::from_name(store.name()), Some(store));
        }
        assert_eq!(Store::from_name("processes"), None);
    }
}

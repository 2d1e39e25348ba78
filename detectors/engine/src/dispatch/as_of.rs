//! The stores as of an event, made when somebody asks.

use std::cell::OnceCell;
use std::fmt;

use detectors_api::event::Event;
use detectors_api::stores::{
    ContainerStore, CustomStore, DnsStore, IpReputationStore, KernelSymbolStore, ProcessStore, StoreError,
    Stores, SyscallStore, SystemStore,
};
use detectors_stores::{StoreSource, StoresAt};

/// The stores as of an event. Most calls of detectors ask nothing: for them the stores need not even be told about the event.
pub(crate) struct AsOf<'a> {
    source: &'a dyn StoreSource,
    event: &'a Event<'a>,
    at: OnceCell<StoresAt<'a>>,
}

impl<'a> AsOf<'a> {
    pub(super) fn new(source: &'a dyn StoreSource, event: &'a Event<'a>) -> Self {
        Self {
            source,
            event,
            at: OnceCell::new(),
        }
    }

    /// Path of the binary that a process ran as of the event; `None` if unknown.
    pub(crate) fn executable_path(&self, entity_id: u32) -> Option<&'a str> {
        self.at().executable_path(entity_id)
    }

    fn at(&self) -> &StoresAt<'a> {
        self.at.get_or_init(|| {
            let time_ns = self.event.timestamp_ns().unwrap_or_default();
            self.source.stores(self.event.seq()).at(self.event.seq(), time_ns)
        })
    }
}

impl fmt::Debug for AsOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsOf")
            .field("seq", &self.event.seq())
            .finish_non_exhaustive()
    }
}

impl Stores for AsOf<'_> {
    fn processes(&self) -> &dyn ProcessStore {
        self.at().processes()
    }

    fn containers(&self) -> &dyn ContainerStore {
        self.at().containers()
    }

    fn dns(&self) -> &dyn DnsStore {
        self.at().dns()
    }

    fn kernel_symbols(&self) -> &dyn KernelSymbolStore {
        self.at().kernel_symbols()
    }

    fn system(&self) -> &dyn SystemStore {
        self.at().system()
    }

    fn syscalls(&self) -> &dyn SyscallStore {
        self.at().syscalls()
    }

    fn ip_reputation(&self) -> &dyn IpReputationStore {
        self.at().ip_reputation()
    }

    fn custom<'b>(&'b self, name: &str) -> Result<Box<dyn CustomStore + 'b>, StoreError> {
        self.at().custom(name)
    }

    fn list(&self) -> Vec<&str> {
        self.at().list()
    }
}

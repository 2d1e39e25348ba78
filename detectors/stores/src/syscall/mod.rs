//! The system-call store.

use detectors_api::stores::{self, DataStore, Entity, Health, Metrics, Store, StoreError};

/// The system-call store of a recording.
#[derive(Debug, Default)]
pub struct SyscallStore {}

impl SyscallStore {
    /// The system calls of an architecture (`uname -m`); those of x86-64 if it is unknown.
    #[must_use]
    pub fn for_architecture(_architecture: &str) -> Self {
        Self {}
    }

    /// The store as of an event whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, time_ns: i64) -> SyscallsAt<'_> {
        SyscallsAt { store: self, time_ns }
    }
}

/// The system-call store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct SyscallsAt<'a> {
    store: &'a SyscallStore,
    time_ns: i64,
}

impl DataStore for SyscallsAt<'_> {
    fn name(&self) -> &str {
        Store::Syscall.name()
    }

    fn health(&self) -> Health {
        Health::healthy(self.time_ns)
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

impl stores::SyscallStore for SyscallsAt<'_> {
    fn get_syscall_name(&self, id: i32) -> Result<&str, StoreError> {
        Err(StoreError::not_found(
            Store::Syscall,
            "get_syscall_name",
            Entity::SyscallId(id),
        ))
    }

    fn get_syscall_id(&self, name: &str) -> Result<i32, StoreError> {
        Err(StoreError::not_found(
            Store::Syscall,
            "get_syscall_id",
            Entity::SyscallName(name.into()),
        ))
    }

    fn get_native_syscall_name(&self, number: i32) -> Result<&str, StoreError> {
        Err(StoreError::not_found(
            Store::Syscall,
            "get_native_syscall_name",
            Entity::SyscallId(number),
        ))
    }
}

//! What detectors see of the state around an event.
//!
//! Stores are asked as of one event: the answer is the state after all events up to and including it. Reading changes
//! nothing. A store that a recording does not have is stood in for by a null object, whose every question fails with
//! [`StoreError::Unhealthy`]; so an accessor never has to be checked.

use std::fmt;

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

    /// The store called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|store| store.name() == name)
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a store has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store does not know the entity, as of this event. Normal: treat it as "no information".
    #[error("the {store} store knows no {entity}")]
    NotFound {
        /// The store.
        store: Store,
        /// What was asked for.
        entity: String,
    },
    /// The store cannot answer at all: the recording does not have it.
    #[error("the {store} store is unhealthy: {reason}")]
    Unhealthy {
        /// The store.
        store: Store,
        /// Why.
        reason: String,
    },
    /// The question makes no sense.
    #[error("the {store} store cannot answer: {reason}")]
    InvalidArgument {
        /// The store.
        store: Store,
        /// Why.
        reason: String,
    },
}

/// What is known about a process, as of some event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessInfo<'a> {
    /// Entity id.
    pub entity_id: u32,
    /// Entity id of the process that created it.
    pub parent_entity_id: Option<u32>,
    /// Entity id of the process that took it over when its parent died, where that was seen.
    pub adopted_by: Option<u32>,
    /// Thread-group id in the root pid namespace.
    pub host_pid: u32,
    /// Thread-group id in its own pid namespace.
    pub pid: Option<u32>,
    /// The parent's thread-group id in the root pid namespace.
    pub host_ppid: Option<u32>,
    /// The parent's thread-group id in the parent's pid namespace.
    pub ppid: Option<u32>,
    /// comm; empty if unknown.
    pub name: &'a str,
    /// Path of the running binary; empty if unknown.
    pub exe: &'a str,
    /// When its leader started: ns since the Unix epoch.
    pub start_ns: Option<u64>,
    /// When its leader exited: ns since the Unix epoch. `None` while it runs.
    pub exit_ns: Option<u64>,
    /// Real user id, where that is known.
    pub uid: Option<u32>,
    /// Real group id when it was first seen or created, where that is known.
    pub gid: Option<u32>,
    /// Only known because other processes mention it.
    pub inferred: bool,
}

/// Processes as of an event.
pub trait ProcessStore {
    /// The process with this entity id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown process, [`StoreError::Unhealthy`] without a store.
    fn get_process(&self, entity_id: u32) -> Result<ProcessInfo<'_>, StoreError>;

    /// Its children, dead or alive, by start time, host pid and entity id; none for an unknown process.
    ///
    /// # Errors
    /// [`StoreError::Unhealthy`] without a store.
    fn get_child_processes(&self, entity_id: u32) -> Result<Vec<ProcessInfo<'_>>, StoreError>;

    /// The process, its parent, grandparent …: at most `max_depth` entries, the process itself included. Empty for an
    /// unknown process.
    ///
    /// # Errors
    /// [`StoreError::Unhealthy`] without a store.
    fn get_ancestry(&self, entity_id: u32, max_depth: usize) -> Result<Vec<ProcessInfo<'_>>, StoreError>;
}

/// All stores as of an event.
pub trait Stores {
    /// The process store.
    fn processes(&self) -> &dyn ProcessStore;

    /// Whether `store` can be asked.
    fn is_available(&self, store: Store) -> bool;
}

/// Stands in for every store that a recording does not have.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullStore;

impl ProcessStore for NullStore {
    fn get_process(&self, _entity_id: u32) -> Result<ProcessInfo<'_>, StoreError> {
        Err(unavailable(Store::Process))
    }

    fn get_child_processes(&self, _entity_id: u32) -> Result<Vec<ProcessInfo<'_>>, StoreError> {
        Err(unavailable(Store::Process))
    }

    fn get_ancestry(&self, _entity_id: u32, _max_depth: usize) -> Result<Vec<ProcessInfo<'_>>, StoreError> {
        Err(unavailable(Store::Process))
    }
}

impl Stores for NullStore {
    fn processes(&self) -> &dyn ProcessStore {
        self
    }

    fn is_available(&self, _store: Store) -> bool {
        false
    }
}

fn unavailable(store: Store) -> StoreError {
    StoreError::Unhealthy {
        store,
        reason: "the recording does not have it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_objects_fail_with_a_reason() {
        let error = NullStore
            .processes()
            .get_process(1)
            .expect_err("there is no store");
        assert_eq!(
            error.to_string(),
            "the process store is unhealthy: the recording does not have it"
        );
        assert!(!NullStore.is_available(Store::Process));
    }

    #[test]
    fn names_lead_back_to_stores() {
        for store in Store::ALL {
            assert_eq!(Store::from_name(store.name()), Some(store));
        }
        assert_eq!(Store::from_name("processes"), None);
    }
}

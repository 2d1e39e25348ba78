//! Why a store has no answer.

use std::borrow::Cow;
use std::fmt;

use super::Store;

/// Why a store has no answer: the store, the operation, and the cause, written `store.operation: cause`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{store}.{operation}: {cause}")]
pub struct StoreError {
    /// Name of the store.
    pub store: Cow<'static, str>,
    /// The operation, such as `get_process`.
    pub operation: &'static str,
    /// Why.
    pub cause: Cause,
}

/// Why a store has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The store does not know it, as of this event. Normal: treat it as "no information".
    #[error("no {0} is known")]
    NotFound(Entity),
    /// The store cannot answer at all, such as one that the recording does not have.
    #[error("the store is unhealthy: {0}")]
    Unhealthy(Cow<'static, str>),
    /// The store has no such operation.
    #[error("the store does not have this operation")]
    NotImplemented,
    /// The question makes no sense.
    #[error("invalid argument: {0}")]
    InvalidArgument(Cow<'static, str>),
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entity {
    /// A process, by entity id.
    Process(u32),
    /// A process, by its id in the root pid namespace.
    HostPid(u32),
    /// A container, by id.
    Container(Box<str>),
    /// A container, by name.
    ContainerName(Box<str>),
    /// A container, by the inode number of a cgroup's directory.
    Cgroup(u64),
    /// Answers about a domain or an address.
    Dns(Box<str>),
    /// A kernel symbol at an address.
    Address(u64),
    /// A kernel symbol, by name.
    Symbol(Box<str>),
    /// A system call, by number.
    SyscallId(i32),
    /// A system call, by name.
    SyscallName(Box<str>),
    /// What a custom store keeps under a key.
    Key(Box<str>),
    /// A store, by name.
    Store(Box<str>),
    /// Facts about the host.
    Host,
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(id) => write!(f, "process with entity id {id}"),
            Self::HostPid(pid) => write!(f, "process {pid}"),
            Self::Container(id) => write!(f, "container with id `{id}`"),
            Self::ContainerName(name) => write!(f, "container called `{name}`"),
            Self::Cgroup(id) => write!(f, "container in cgroup {id}"),
            Self::Dns(query) => write!(f, "answer about `{query}`"),
            Self::Address(address) => write!(f, "symbol at {address:#x}"),
            Self::Symbol(name) => write!(f, "symbol `{name}`"),
            Self::SyscallId(id) => write!(f, "system call {id}"),
            Self::SyscallName(name) => write!(f, "system call `{name}`"),
            Self::Key(key) => write!(f, "entry `{key}`"),
            Self::Store(name) => write!(f, "store `{name}`"),
            Self::Host => f.write_str("host"),
        }
    }
}

impl StoreError {
    /// The store does not know `entity`.
    #[must_use]
    pub const fn not_found(store: Store, operation: &'static str, entity: Entity) -> Self {
        Self {
            store: Cow::Borrowed(store.name()),
            operation,
            cause: Cause::NotFound(entity),
        }
    }

    /// The recording does not have the store.
    #[must_use]
    pub const fn unavailable(store: &'static str, operation: &'static str) -> Self {
        Self {
            store: Cow::Borrowed(store),
            operation,
            cause: Cause::Unhealthy(Cow::Borrowed("the recording does not have it")),
        }
    }

    /// Whether the store merely does not know what was asked for.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self.cause, Cause::NotFound(_))
    }
}

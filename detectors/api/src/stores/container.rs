//! The container store, as detectors see it.

use std::fmt;

use super::{DataStore, StoreError};

/// What runs a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// The cgroup's path does not tell.
    #[default]
    Unknown,
    /// Docker.
    Docker,
    /// containerd.
    Containerd,
    /// CRI-O.
    Crio,
    /// Podman.
    Podman,
    /// Garden (Cloud Foundry).
    Garden,
}

impl Runtime {
    /// Every runtime.
    pub const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Docker,
        Self::Containerd,
        Self::Crio,
        Self::Podman,
        Self::Garden,
    ];

    /// Its name in events: `unknown`, `docker`, `containerd`, `crio`, `podman`, `garden`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Podman => "podman",
            Self::Garden => "garden",
        }
    }

    /// The runtime with this name; `cri-o` is another name of `crio`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = if name == "cri-o" { "crio" } else { name };
        Self::ALL.into_iter().find(|runtime| runtime.as_str() == name)
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known about a container, as of some event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerInfo<'a> {
    /// Its full id.
    pub id: &'a str,
    /// Name; empty until a runtime told it.
    pub name: &'a str,
    /// Image; empty until a runtime told it.
    pub image: &'a str,
    /// Digest of the image; empty until a runtime told it.
    pub image_digest: &'a str,
    /// What runs it.
    pub runtime: Runtime,
    /// When its cgroup was made: ns since the Unix epoch.
    pub start_ns: Option<u64>,
    /// When it was started, as its runtime says: ns since the Unix epoch. `None` until a runtime told it.
    pub reported_start_ns: Option<u64>,
    /// When its last cgroup was removed: ns since the Unix epoch. `None` while it lives.
    pub end_ns: Option<u64>,
    /// Its pod, if it is in one.
    pub pod: Option<PodInfo<'a>>,
}

/// A Kubernetes pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodInfo<'a> {
    /// Name.
    pub name: &'a str,
    /// UID.
    pub uid: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Whether the container is the pod's sandbox.
    pub sandbox: bool,
}

/// Which containers are wanted: each part is an exact, case-sensitive comparison, all must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerFilter<'a> {
    /// By name.
    pub name: Option<&'a str>,
    /// By image.
    pub image: Option<&'a str>,
    /// By name of the runtime.
    pub runtime: Option<&'a str>,
}

impl ContainerFilter<'_> {
    /// Whether `container` is wanted.
    #[must_use]
    pub fn matches(&self, container: &ContainerInfo<'_>) -> bool {
        self.name.is_none_or(|name| name == container.name)
            && self.image.is_none_or(|image| image == container.image)
            && self
                .runtime
                .is_none_or(|runtime| runtime == container.runtime.as_str())
    }
}

/// Containers as of an event.
pub trait ContainerStore: DataStore {
    /// The container with this id: all of it, not a prefix. It may have ended.
    ///
    /// # Errors
    /// Not found for an unknown container, unhealthy without a store.
    fn get_container(&self, id: &str) -> Result<ContainerInfo<'_>, StoreError>;

    /// A container with this name: one that lives rather than one that has ended, then the one that started last, then
    /// the smallest id. Nothing is found under an empty name.
    ///
    /// # Errors
    /// As [`get_container`](Self::get_container).
    fn get_container_by_name(&self, name: &str) -> Result<ContainerInfo<'_>, StoreError>;

    /// The container that a cgroup belongs to, by the inode number of its directory, of which the low 32 bits count.
    ///
    /// # Errors
    /// As [`get_container`](Self::get_container).
    fn get_container_by_cgroup(&self, cgroup_id: u64) -> Result<ContainerInfo<'_>, StoreError>;

    /// The containers that live, by start time and id.
    ///
    /// # Errors
    /// Unhealthy without a store.
    fn list_containers(&self, filter: &ContainerFilter<'_>) -> Result<Vec<ContainerInfo<'_>>, StoreError>;
}

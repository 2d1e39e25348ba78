//! The system and system-call stores, as detectors see them.

use std::collections::BTreeMap;

use super::{DataStore, StoreError};

/// Facts about the recorded host; empty or `None` where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemInfo {
    /// `x86_64` or `arm64`; as `uname -m` on others.
    pub architecture: String,
    /// Kernel release.
    pub kernel_release: String,
    /// Host name.
    pub hostname: String,
    /// Boot id: tells boots apart.
    pub boot_id: String,
    /// When the host started: ns since the Unix epoch.
    pub boot_time_ns: Option<u64>,
    /// When the recorder started: ns since the Unix epoch.
    pub start_time_ns: Option<u64>,
    /// `NAME` of os-release.
    pub os_name: String,
    /// `VERSION` of os-release.
    pub os_version: String,
    /// `PRETTY_NAME` of os-release.
    pub os_pretty_name: String,
    /// Name and version of the recorder.
    pub recorder_version: String,
    /// Inode numbers of the first process's namespaces, by the names in `/proc/1/ns`.
    pub init_namespaces: BTreeMap<String, u32>,
}

/// Facts about the host.
pub trait SystemStore: DataStore {
    /// All of them. They do not change during a recording; without a store, all are unknown.
    fn get_system_info(&self) -> &SystemInfo;
}

/// System calls of the recorded host's architecture.
pub trait SyscallStore: DataStore {
    /// The name of a system call, by its number in events.
    ///
    /// # Errors
    /// Not found for a number that events do not use, unhealthy without a store.
    fn get_syscall_name(&self, id: i32) -> Result<&str, StoreError>;

    /// The number of a system call in events.
    ///
    /// # Errors
    /// Not found for an unknown name, unhealthy without a store.
    fn get_syscall_id(&self, name: &str) -> Result<i32, StoreError>;

    /// The name of a system call, by the kernel's own number for native programs: other than in events from 449 on.
    ///
    /// # Errors
    /// As [`get_syscall_name`](Self::get_syscall_name).
    fn get_native_syscall_name(&self, number: i32) -> Result<&str, StoreError>;
}

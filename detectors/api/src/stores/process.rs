//! The process store, as detectors see it.

use super::{DataStore, StoreError};

/// What is known about a process, as of some event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// comm of its leader (at most 15 bytes); empty if unknown.
    pub name: &'a str,
    /// Last part of the path that it executed last, as given to the kernel (at most 16 bytes); empty if unknown.
    pub exec_name: &'a str,
    /// Path of the running binary; empty if unknown.
    pub exe: &'a str,
    /// The file that it runs, where its exec was seen.
    pub exe_file: Option<ExecutableFile>,
    /// When its leader started: ns since the Unix epoch.
    pub start_ns: Option<u64>,
    /// When its last thread exited: ns since the Unix epoch. `None` while it runs.
    pub exit_ns: Option<u64>,
    /// When its leader exited, which can be earlier than the others: ns since the Unix epoch.
    pub leader_exit_ns: Option<u64>,
    /// What the exit that ended it said: status given to `exit`.
    pub exit_code: Option<i32>,
    /// The signal that killed it, by number.
    pub exit_signal: Option<i32>,
    /// Real user id, where that is known.
    pub uid: Option<u32>,
    /// Real group id when it was first seen or created, where that is known.
    pub gid: Option<u32>,
    /// Id of its container; empty outside containers, and if unknown.
    pub container_id: &'a str,
    /// Only known because other processes mention it.
    pub inferred: bool,
}

/// Which file a process runs, whatever its path means by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExecutableFile {
    /// Device number, as the kernel has it.
    pub dev: u32,
    /// Inode number.
    pub inode: u64,
    /// When the inode last changed: ns since the Unix epoch.
    pub ctime_ns: u64,
    /// Type and permission bits (`st_mode`).
    pub mode: u32,
}

/// Processes as of an event.
pub trait ProcessStore: DataStore {
    /// The process with this entity id.
    ///
    /// # Errors
    /// Not found for an unknown process, unhealthy without a store.
    fn get_process(&self, entity_id: u32) -> Result<ProcessInfo<'_>, StoreError>;

    /// The process that had this id in the root pid namespace at the time of the event: the latest one that had started.
    ///
    /// # Errors
    /// As [`get_process`](Self::get_process).
    fn get_process_by_host_pid(&self, host_pid: u32) -> Result<ProcessInfo<'_>, StoreError>;

    /// Its children, dead or alive, by start time, host pid and entity id; none for an unknown process.
    ///
    /// # Errors
    /// Unhealthy without a store.
    fn get_child_processes(&self, entity_id: u32) -> Result<Vec<ProcessInfo<'_>>, StoreError>;

    /// The process, its parent, grandparent …: at most `max_depth` entries, the process itself included. Empty for an
    /// unknown process.
    ///
    /// # Errors
    /// Unhealthy without a store.
    fn get_ancestry(&self, entity_id: u32, max_depth: usize) -> Result<Vec<ProcessInfo<'_>>, StoreError>;
}

//! What was running when a recording started.

use crate::rows::rows;

rows! {
    table "stores/process";
    /// A task that was alive when a recording started.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct TaskSnapshot {
        /// Thread-group id in the root pid namespace.
        pub host_pid: u32,
        /// Thread id in the root pid namespace; that of the leader equals `host_pid`.
        pub host_tid: u32,
        /// Thread-group id in the task's own pid namespace.
        pub pid: u32,
        /// Thread id in the task's own pid namespace.
        pub tid: u32,
        /// Thread-group id of the parent in the root pid namespace; 0 for none.
        pub host_ppid: u32,
        /// Thread-group id of the parent in the task's pid namespace; 0 if it is not visible there.
        pub ppid: u32,
        /// When the task started: ns since the Unix epoch.
        pub start_ns: u64,
        /// When the parent's leader started: ns since the Unix epoch; 0 if unknown.
        pub parent_start_ns: u64,
        /// comm.
        pub comm: String,
        /// Path of the running binary; empty for kernel threads and where it could not be read.
        pub exe: String,
        /// Real user id.
        pub uid: u32,
        /// Real group id.
        pub gid: u32,
        /// Inode number of the cgroup directory; 0 if unknown.
        pub cgroup_id: u64,
        /// A kernel thread.
        pub kernel_thread: bool,
        /// The start times come from procfs, which counts in clock ticks (10 ms): entity ids made from them may be off.
        pub coarse: bool,
    }
}

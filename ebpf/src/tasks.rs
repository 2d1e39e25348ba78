//! The tasks that are alive when a recording starts.
//!
//! The kernel's task iterator gives all threads with exact start times. Where a kernel has none, procfs gives them with start times
//! cut to clock ticks (10 ms); such a task is marked coarse, because its entity id can differ from that in its events.

use std::io::Read;

use aya::programs::{Iter, Program};
use aya::{Btf, Ebpf};

use crate::abi::{Body, parse};
use crate::error::{Error, with_causes};

/// A live task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Thread id in the root pid namespace.
    pub tid: u32,
    /// Process id in the root pid namespace.
    pub pid: u32,
    /// Thread id in its own pid namespace.
    pub ns_tid: u32,
    /// Process id in its own pid namespace.
    pub ns_pid: u32,
    /// Process id of the parent process in the root pid namespace, 0 for none.
    pub ppid: u32,
    /// Process id of the parent process in the task's own pid namespace, 0 if it is not in there.
    pub ns_ppid: u32,
    /// Start, ns since boot.
    pub start: u64,
    /// Start of the parent process, ns since boot.
    pub parent_start: u64,
    /// Name.
    pub comm: String,
    /// Path of the executable; empty for kernel threads, and where it cannot be read.
    pub exe: String,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Inode number of the cgroup's directory, 0 if unknown.
    pub cgroup_id: u64,
    /// Inode number of the mount namespace, 0 if unknown.
    pub mnt_ns: u32,
    /// Whether it is a kernel thread.
    pub kernel_thread: bool,
    /// Whether the start times are cut to clock ticks.
    pub coarse: bool,
}

/// Runs an iterator of the given kind to its end: what it writes, or why it cannot be run.
pub(crate) fn run_iterator(program: &mut Program, kind: &str, btf: &Btf) -> Result<Vec<u8>, String> {
    <&mut Iter>::try_from(&mut *program)
        .and_then(|iterator| iterator.load(kind, btf))
        .map_err(|error| with_causes(&error))?;
    run_loaded_iterator(program)
}

/// The same for one that has been loaded.
pub(crate) fn run_loaded_iterator(program: &mut Program) -> Result<Vec<u8>, String> {
    let iterator = <&mut Iter>::try_from(program).map_err(|error| with_causes(&error))?;
    let mut bytes = Vec::new();
    iterator
        .attach()
        .and_then(|link| iterator.take_link(link))
        .map_err(|error| with_causes(&error))?
        .into_file()
        .map_err(|error| with_causes(&error))?
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

pub(crate) fn read_iterator(ebpf: &mut Ebpf, btf: &Btf) -> Result<Vec<Task>, Error> {
    const NAME: &str = "list_tasks";
    let refused = |reason: String| Error::Map {
        map: "task iterator",
        reason,
    };
    let program = ebpf.program_mut(NAME).ok_or(Error::Missing(NAME))?;
    let bytes = run_iterator(program, "task", btf).map_err(refused)?;
    let mut tasks = Vec::new();
    for bytes in bytes.chunks(size_of::<crate::abi::Header>()) {
        let record = parse(bytes)?;
        if record.body == Body::Task {
            let head = record.head;
            tasks.push(Task {
                tid: head.tid,
                pid: head.pid,
                ns_tid: head.ns_tid,
                ns_pid: head.ns_pid,
                ppid: head.ppid,
                ns_ppid: head.ns_ppid,
                start: head.task_start,
                parent_start: head.parent_start,
                comm: head.comm(),
                exe: executable(head.pid),
                uid: head.uid,
                gid: head.gid,
                cgroup_id: head.cgroup_id,
                mnt_ns: head.mnt_ns,
                kernel_thread: head.kernel_thread(),
                coarse: false,
            });
        }
    }
    tasks.sort_by_key(|task| (task.pid, task.tid));
    Ok(tasks)
}

/// Path of the executable of process `pid`; empty if it has none or it cannot be read. A deleted file keeps its name.
#[must_use]
pub fn executable(pid: u32) -> String {
    let Ok(path) = std::fs::read_link(format!("/proc/{pid}/exe")) else {
        return String::new();
    };
    let path = path.to_string_lossy();
    let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
    // The kernel shows a memory file as if it hung on the root.
    path.strip_prefix('/')
        .filter(|rest| rest.starts_with("memfd:"))
        .unwrap_or(path)
        .to_owned()
}

/// The tasks from procfs. Tasks that end meanwhile are left out.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn from_procfs() -> Result<Vec<Task>, procfs::ProcError> {
    let tick_ns = 1_000_000_000 / procfs::ticks_per_second();
    let mut tasks = Vec::new();
    for process in procfs::process::all_processes()?.flatten() {
        let Ok(threads) = process.tasks() else { continue };
        let exe = u32::try_from(process.pid).map(executable).unwrap_or_default();
        for thread in threads.flatten() {
            let (Ok(stat), Ok(status)) = (thread.stat(), thread.status()) else {
                continue;
            };
            let number = |value: i32| u32::try_from(value).unwrap_or_default();
            let innermost = |values: &Option<Vec<i32>>, outer: i32| {
                number(
                    values
                        .as_ref()
                        .and_then(|values| values.last().copied())
                        .unwrap_or(outer),
                )
            };
            tasks.push(Task {
                tid: number(thread.tid),
                pid: number(status.tgid),
                ns_tid: innermost(&status.nspid, thread.tid),
                ns_pid: innermost(&status.nstgid, status.tgid),
                ppid: number(status.ppid),
                ns_ppid: 0,
                start: stat.starttime.saturating_mul(tick_ns),
                parent_start: 0,
                comm: status.name.clone(),
                exe: exe.clone(),
                uid: status.ruid,
                gid: status.rgid,
                cgroup_id: 0,
                mnt_ns: 0,
                // PF_KTHREAD
                kernel_thread: stat.flags & 0x0020_0000 != 0,
                coarse: true,
            });
        }
    }
    tasks.sort_by_key(|task| (task.pid, task.tid));
    let starts: std::collections::BTreeMap<u32, u64> = tasks
        .iter()
        .filter(|task| task.tid == task.pid)
        .map(|task| (task.pid, task.start))
        .collect();
    // In one pid namespace, numbers are the same inside and outside.
    for task in &mut tasks {
        task.parent_start = starts.get(&task.ppid).copied().unwrap_or_default();
        if task.ns_pid == task.pid {
            task.ns_ppid = task.ppid;
        }
    }
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn procfs_lists_this_task() {
        let tasks = from_procfs().unwrap();
        let own = tasks.iter().find(|task| task.tid == std::process::id()).unwrap();
        assert_eq!(own.exe, std::env::current_exe().unwrap().to_string_lossy());
        assert!(own.coarse && own.start > 0 && own.parent_start > 0);
        assert!(own.parent_start <= own.start);
    }
}

//! Which program each process runs: what the kernel no longer tells when a process ends.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ebpf::abi::{Body, Header, Record};
use ebpf::tasks::{Task, executable};

/// ns of a clock tick of procfs, in which processes are identified there.
const TICK_NS: u64 = 10_000_000;

/// Processes that have ended and are still known: their sockets are closed after their end.
const MAX_ENDED: usize = 1024;

/// A process as its last event left it.
#[derive(Clone, Debug)]
struct Process {
    /// ns since boot; tells it from others that had its id.
    start: u64,
    exe: Arc<str>,
    mnt_ns: u32,
}

/// The live processes, and those that have just ended, by id in the root pid namespace.
#[derive(Debug, Default)]
pub(super) struct Processes {
    known: HashMap<u32, Process>,
    /// Ids and starts, in order.
    ended: VecDeque<(u32, u64)>,
}

impl Processes {
    /// The processes of a list of tasks.
    pub(super) fn of(tasks: &[Task]) -> Self {
        let leaders = tasks.iter().filter(|task| task.tid == task.pid && !task.coarse);
        Self {
            known: leaders
                .map(|task| {
                    let process = Process {
                        start: task.start,
                        exe: task.exe.as_str().into(),
                        mnt_ns: task.mnt_ns,
                    };
                    (task.pid, process)
                })
                .collect(),
            ended: VecDeque::new(),
        }
    }

    /// The program of the process that a record is about.
    pub(super) fn executable(&mut self, head: &Header) -> Arc<str> {
        Arc::clone(&self.process(head).exe)
    }

    /// The mount namespace of the parent process, if it is known.
    pub(super) fn parent_mnt_ns(&self, head: &Header) -> Option<u32> {
        self.known
            .get(&head.ppid)
            .filter(|parent| parent.start == head.parent_start && parent.mnt_ns != 0)
            .map(|parent| parent.mnt_ns)
    }

    /// Takes in what a record says about processes. Call it for every record, in order: before an exec's own event is made,
    /// after every other.
    pub(super) fn follow(&mut self, record: &Record) {
        let head = &record.head;
        match &record.body {
            Body::Fork(fork) if fork.child.tid == fork.child.pid => {
                let parent = self.process(head).clone();
                let child = Process {
                    start: fork.child.start,
                    ..parent
                };
                self.known.insert(fork.child.pid, child);
            }
            Body::Exec(exec) => {
                let process = self.process(head);
                process.exe = exec.path.as_str().into();
                process.mnt_ns = head.mnt_ns;
            }
            Body::Exit(exit) if exit.group_dead() => {
                self.ended.push_back((head.pid, head.leader_start));
                if self.ended.len() > MAX_ENDED
                    && let Some((pid, start)) = self.ended.pop_front()
                    && self.known.get(&pid).is_some_and(|process| process.start == start)
                {
                    self.known.remove(&pid);
                }
            }
            _ => {}
        }
    }

    fn process(&mut self, head: &Header) -> &mut Process {
        let process = self.known.entry(head.pid).or_insert_with(|| look_up(head));
        if process.start != head.leader_start {
            *process = look_up(head);
        }
        process
    }
}

/// A process whose beginning was not seen, from procfs if it is still there.
fn look_up(head: &Header) -> Process {
    let same = procfs_start_ticks(head.pid) == Some(head.leader_start / TICK_NS);
    Process {
        start: head.leader_start,
        exe: if same { executable(head.pid) } else { String::new() }.into(),
        mnt_ns: head.mnt_ns,
    }
}

fn procfs_start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the task can hold anything, parentheses too.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_of_this_process() {
        let tasks = ebpf::tasks::from_procfs().unwrap();
        let own = tasks.iter().find(|task| task.tid == std::process::id()).unwrap();
        assert_eq!(procfs_start_ticks(std::process::id()), Some(own.start / TICK_NS));
    }
}

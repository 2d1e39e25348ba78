//! How snapshots and events change the process store.

use arrow::array::RecordBatch;
use detectors_api::entity::entity_id;
use detectors_api::event::Event;

use super::history::{Facts, Index};
use super::{ProcessStore, TaskSnapshot};
use crate::fold::Fold;
use crate::rows::{Row, RowsError};

/// A start time from procfs is up to a tick (10 ms) early, and the clocks' offset is sampled anew.
const COARSE_NS: u64 = 20_000_000;

/// How many incarnations of an id are looked at to find the one that is meant: more would need as many tasks alive at once
/// whose 32-bit ids collide.
const COLLISIONS: usize = 8;

/// Longest comm in bytes, without the terminator.
const COMM_LEN: usize = 15;

/// A process as something mentions it.
#[derive(Clone, Copy)]
struct Mention {
    id: u32,
    /// 0 if unknown.
    host_pid: u32,
    start_ns: Option<u64>,
    coarse: bool,
}

impl Fold for ProcessStore {
    fn event_types(&self) -> &'static [&'static str] {
        &["sched_process_exec", "sched_process_exit", "sched_process_fork"]
    }

    fn input(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        for task in TaskSnapshot::from_batch(rows)? {
            self.add_task(seq, &task);
        }
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>) {
        let applied = match event.name() {
            "sched_process_fork" => self.fork(event),
            "sched_process_exec" => self.exec(event),
            "sched_process_exit" => self.exit(event),
            _ => Some(()),
        };
        self.unusable += u64::from(applied.is_none());
    }

    fn keyframe(&self) -> Option<RecordBatch> {
        None
    }

    fn restore(&mut self, _seq: u64, _rows: &RecordBatch) -> Result<(), RowsError> {
        Ok(())
    }

    fn weight(&self) -> u64 {
        self.len() as u64
    }

    fn compact(&mut self, _seq: u64) {}

    fn forget(&mut self, _seq: u64, _horizon_ns: u64) {}
}

impl ProcessStore {
    /// Takes a task that was alive before the event. Threads other than leaders change nothing.
    fn add_task(&mut self, since: u64, task: &TaskSnapshot) {
        if task.host_tid != task.host_pid {
            return;
        }
        let mention = |host_pid, start_ns| Mention {
            id: entity_id(host_pid, start_ns),
            host_pid,
            start_ns: Some(start_ns),
            coarse: task.coarse,
        };
        let parent = (task.host_ppid != 0 && task.parent_start_ns != 0)
            .then(|| self.resolve(since, mention(task.host_ppid, task.parent_start_ns)));
        let index = self.resolve(since, mention(task.host_pid, task.start_ns));
        let (name, exe) = (self.texts.number(&task.comm), self.texts.number(&task.exe));
        self.update(since, index, |facts| {
            facts.pid = Some(task.pid);
            facts.host_ppid = Some(task.host_ppid);
            facts.ppid = (task.ppid != 0).then_some(task.ppid);
            facts.name = name;
            facts.exe = exe;
            facts.uid = Some(task.uid);
            facts.gid = Some(task.gid);
            facts.inferred = false;
        });
        if let Some(parent) = parent {
            self.set_parent(since, index, parent);
        }
    }

    fn fork(&mut self, event: &Event<'_>) -> Option<()> {
        let seq = event.seq();
        let number = |field: &str| event.get::<u32>(field).filter(|number| *number != 0);
        let start = |field: &str| event.get::<u64>(field).filter(|ns| *ns != 0);
        let mention = |host_pid, start_ns| Mention {
            id: entity_id(host_pid, start_ns),
            host_pid,
            start_ns: Some(start_ns),
            coarse: false,
        };
        let actor = self.actor(event);
        let (child_tid, child_pid) = (number("child_tid")?, number("child_pid")?);
        if child_tid != child_pid {
            return Some(());
        }
        let child = mention(child_tid, start("start_time")?);
        let parent = match (number("parent_process_pid"), start("parent_process_start_time")) {
            (Some(pid), Some(start)) => Some(self.resolve(seq, mention(pid, start))),
            _ => actor,
        };
        let latest = self.latest(child.id).map(|index| self.process(index));
        // Dead, and nobody knows since when it lived: this is another one.
        let reused = latest.is_some_and(|process| process.exited() && process.latest().start_ns.is_none());
        let index = if reused {
            self.incarnate(seq, child)
        } else {
            self.resolve(seq, child)
        };
        let inherited = parent.map(|parent| self.facts(parent)).unwrap_or_default();
        self.update(seq, index, |facts| {
            facts.pid = number("child_ns_pid").or(facts.pid);
            facts.host_ppid = facts
                .host_ppid
                .or((inherited.host_pid != 0).then_some(inherited.host_pid));
            facts.ppid = facts.ppid.or(number("parent_process_ns_pid"));
            facts.name = facts.name.or(inherited.name);
            facts.exe = facts.exe.or(inherited.exe);
            facts.uid = facts.uid.or(inherited.uid);
            facts.gid = facts.gid.or(inherited.gid);
            facts.inferred = false;
        });
        if let Some(parent) = parent {
            self.set_parent(seq, index, parent);
        }
        Some(())
    }

    fn exec(&mut self, event: &Event<'_>) -> Option<()> {
        let seq = event.seq();
        let index = self.actor(event)?;
        let comm = match event.thread().name() {
            "" => comm_of(event.get::<&str>("cmdpath").unwrap_or_default()),
            comm => comm,
        };
        let name = self.texts.number(comm);
        let exe = self
            .texts
            .number(event.get::<&str>("pathname").unwrap_or_default());
        let (parent_pid, parent_ns_pid) = (event.parent().host_pid(), event.parent().pid());
        let parent = self.mentioned_parent(event);
        self.update(seq, index, |facts| {
            facts.name = name.or(facts.name);
            facts.exe = exe.or(facts.exe);
            facts.host_ppid = facts.host_ppid.or(parent_pid);
            facts.ppid = facts.ppid.or(parent_ns_pid);
        });
        if let Some(parent) = parent {
            match self.facts(index).parent {
                None => self.set_parent(seq, index, parent),
                Some(creator) if creator != parent && self.facts(index).adopted_by != Some(parent) => {
                    self.update(seq, index, |facts| facts.adopted_by = Some(parent));
                    self.add_child(seq, parent, index);
                }
                Some(_) => {}
            }
        }
        Some(())
    }

    fn exit(&mut self, event: &Event<'_>) -> Option<()> {
        let index = self.actor(event)?;
        let leader = event.thread().host_tid()? == event.process().host_pid()?;
        if leader {
            let ns = u64::try_from(event.timestamp_ns()?).ok()?;
            self.processes[index.position()].exit(event.seq(), ns);
        }
        Some(())
    }

    /// The acting process, with what the event says about it.
    fn actor(&mut self, event: &Event<'_>) -> Option<Index> {
        let seq = event.seq();
        let (process, thread) = (event.process(), event.thread());
        let host_pid = process.host_pid().unwrap_or_default();
        let leader = thread.host_tid().is_some_and(|tid| tid == host_pid);
        let start_ns = thread
            .start_time_ns()
            .and_then(|ns| u64::try_from(ns).ok())
            .filter(|ns| leader && *ns != 0);
        let id = process.entity_id().filter(|id| *id != 0)?;
        let index = self.resolve(
            seq,
            Mention {
                id,
                host_pid,
                start_ns,
                coarse: false,
            },
        );
        let name = if leader {
            self.texts.number(thread.name())
        } else {
            Default::default()
        };
        let exe = self.texts.number(process.executable_path());
        // A process may have renamed itself, and an exec may have been lost: its own word is newer than what it inherited.
        self.update(seq, index, |facts| {
            facts.pid = facts.pid.or(process.pid());
            facts.name = name.or(facts.name);
            facts.exe = exe.or(facts.exe);
            facts.uid = process.uid().or(facts.uid);
            facts.inferred = false;
        });
        Some(index)
    }

    /// The parent that the event carries.
    fn mentioned_parent(&mut self, event: &Event<'_>) -> Option<Index> {
        let parent = event.parent();
        let id = parent.entity_id().filter(|id| *id != 0)?;
        let index = self.resolve(
            event.seq(),
            Mention {
                id,
                host_pid: parent.host_pid().unwrap_or_default(),
                start_ns: None,
                coarse: false,
            },
        );
        self.update(event.seq(), index, |facts| facts.pid = facts.pid.or(parent.pid()));
        Some(index)
    }

    /// Notes who created a process, unless that is known.
    fn set_parent(&mut self, seq: u64, child: Index, parent: Index) {
        if child != parent && self.facts(child).parent.is_none() {
            self.update(seq, child, |facts| facts.parent = Some(parent));
            self.add_child(seq, parent, child);
        }
    }

    /// The process that is meant; a new, inferred one if there is none.
    fn resolve(&mut self, seq: u64, mention: Mention) -> Index {
        let known = self.by_id.get(&mention.id).and_then(|incarnations| {
            let latest_first = incarnations.iter().rev().map(|(_, index)| *index);
            latest_first
                .take(COLLISIONS)
                .find(|index| mention.means(&self.facts(*index)))
        });
        let rough = || {
            let index = *self.coarse.get(&mention.host_pid)?;
            // Without a start time, only a process that is still there can be meant.
            let there = mention.start_ns.is_some() || !self.process(index).exited();
            (there && mention.means(&self.facts(index))).then_some(index)
        };
        let index = match known {
            Some(index) => index,
            None => {
                let Some(index) = rough() else {
                    return self.incarnate(seq, mention);
                };
                self.by_id.entry(mention.id).or_default().push((seq, index));
                index
            }
        };
        if !mention.coarse && mention.start_ns.is_some() && self.facts(index).coarse {
            self.coarse.remove(&mention.host_pid);
        }
        self.update(seq, index, |facts| {
            if facts.host_pid == 0 {
                facts.host_pid = mention.host_pid;
            }
            if mention.start_ns.is_some() && (facts.start_ns.is_none() || facts.coarse && !mention.coarse) {
                facts.id = mention.id;
                facts.start_ns = mention.start_ns;
                facts.coarse = mention.coarse;
            }
        });
        index
    }

    /// A new process, of which nothing is known but the mention.
    fn incarnate(&mut self, seq: u64, mention: Mention) -> Index {
        let index = self.add(
            seq,
            Facts {
                id: mention.id,
                host_pid: mention.host_pid,
                start_ns: mention.start_ns,
                coarse: mention.coarse,
                inferred: true,
                ..Facts::default()
            },
        );
        if mention.coarse {
            self.coarse.insert(mention.host_pid, index);
        }
        index
    }
}

impl Mention {
    /// Whether this may be the process of which `facts` are known.
    fn means(&self, facts: &Facts) -> bool {
        let same_pid = self.host_pid == 0 || facts.host_pid == 0 || self.host_pid == facts.host_pid;
        let same_start = match (self.start_ns, facts.start_ns) {
            (Some(mentioned), Some(known)) if self.coarse || facts.coarse => {
                mentioned.abs_diff(known) <= COARSE_NS
            }
            (Some(mentioned), Some(known)) => mentioned == known,
            _ => true,
        };
        same_pid && same_start
    }
}

/// The comm that the kernel gives to a process that executes `path`.
fn comm_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    &name[..name.floor_char_boundary(COMM_LEN)]
}

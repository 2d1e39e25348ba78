//! How snapshots and events change the process store.

use arrow::array::RecordBatch;
use detectors_api::stores::ExecutableFile;

use super::actor::Actor;
use super::facts::{Index, Known, Look, Now};
use super::intern::Text;
use super::mention::Mention;
use super::thread::{NEVER, Thread};
use super::{ProcessStore, TaskSnapshot};
use crate::fold::Fold;
use crate::reads::{Reads, Seen};
use crate::rows::{Row, RowsError};

/// Longest comm in bytes, without the terminator.
const COMM_LEN: usize = 15;
/// Longest name of what was executed, in bytes.
const EXEC_NAME_LEN: usize = 16;
/// The core-dump bit of a signal code is no part of the signal's number.
pub(super) const SIGNAL: i32 = 0x7f;

/// What the store reads of events; the modules below name the places of the fields.
const READS: [Reads; 3] = [
    Reads {
        event_type: "sched_process_fork",
        fields: &[
            "child_tid",
            "child_pid",
            "child_ns_tid",
            "child_ns_pid",
            "start_time",
            "parent_process_pid",
            "parent_process_ns_pid",
            "parent_process_start_time",
            "leader_pid",
            "leader_start_time",
        ],
    },
    Reads {
        event_type: "sched_process_exec",
        fields: &["cmdpath", "pathname", "dev", "inode", "ctime", "inode_mode"],
    },
    Reads {
        event_type: "sched_process_exit",
        fields: &["exit_code", "signal_code", "process_group_exit"],
    },
];

mod fork {
    pub(super) const CHILD_TID: usize = 0;
    pub(super) const CHILD_PID: usize = 1;
    pub(super) const CHILD_NS_TID: usize = 2;
    pub(super) const CHILD_NS_PID: usize = 3;
    pub(super) const START: usize = 4;
    pub(super) const PARENT_PID: usize = 5;
    pub(super) const PARENT_NS_PID: usize = 6;
    pub(super) const PARENT_START: usize = 7;
    pub(super) const LEADER_PID: usize = 8;
    pub(super) const LEADER_START: usize = 9;
}

mod exec {
    pub(super) const CMDPATH: usize = 0;
    pub(super) const PATHNAME: usize = 1;
    pub(super) const DEV: usize = 2;
    pub(super) const INODE: usize = 3;
    pub(super) const CTIME: usize = 4;
    pub(super) const MODE: usize = 5;
}

pub(super) mod exit {
    pub(in super::super) const CODE: usize = 0;
    pub(in super::super) const SIGNAL: usize = 1;
    pub(in super::super) const COMPLETE: usize = 2;
}

impl Fold for ProcessStore {
    fn reads(&self) -> &'static [Reads] {
        &READS
    }

    fn input(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        self.add_tasks(Now { seq, time_ns: 0 }, &TaskSnapshot::from_batch(rows)?);
        Ok(())
    }

    fn event(&mut self, event: &Seen<'_>) {
        let time_ns = event.time_ns();
        let now = Now {
            seq: event.seq(),
            time_ns: time_ns.unwrap_or_default(),
        };
        let actor = self.actors.who(event, &mut self.table.values.texts);
        let applied = match event.kind() {
            0 => self.fork(now, event, &actor),
            1 => self.exec(now, event, &actor),
            _ => time_ns.and_then(|exit_ns| self.exit(now, event, &actor, exit_ns)),
        };
        self.unusable += u64::from(applied.is_none());
    }

    fn keyframe(&self) -> Option<RecordBatch> {
        Some(self.to_keyframe())
    }

    fn restore(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        self.take_keyframe(seq, rows)
    }

    fn weight(&self) -> u64 {
        self.things()
    }

    fn things(&self) -> u64 {
        let processes = self.table.processes.len() - self.table.forgotten;
        (processes + self.threads.present()) as u64
    }

    fn compact(&mut self, seq: u64) {
        self.compact_history(seq);
    }

    fn forget(&mut self, seq: u64, horizon_ns: u64) {
        self.forget_ended(seq, horizon_ns);
    }
}

impl ProcessStore {
    /// Takes the tasks that were alive before the event: leaders first, for other threads say no more of their process than
    /// its pid.
    fn add_tasks(&mut self, now: Now, tasks: &[TaskSnapshot]) {
        for task in tasks.iter().filter(|task| task.host_tid == task.host_pid) {
            self.add_leader(now, task);
        }
        for task in tasks.iter().filter(|task| task.host_tid != task.host_pid) {
            let Some(process) = self.by_pid.now(task.host_pid).last() else {
                self.unusable += 1;
                continue;
            };
            let mention = Mention {
                coarse: task.coarse,
                ..Mention::started(task.host_tid, task.start_ns)
            };
            let name = self.table.values.texts.number(&task.comm);
            self.see_thread(now, process, mention, Some(task.tid).into(), name);
        }
    }

    fn add_leader(&mut self, now: Now, task: &TaskSnapshot) {
        let mention = |host_pid, start_ns| Mention {
            coarse: task.coarse,
            ..Mention::started(host_pid, start_ns)
        };
        let parent = (task.host_ppid != 0 && task.parent_start_ns != 0)
            .then(|| self.resolve(now, mention(task.host_ppid, task.parent_start_ns)));
        let index = self.resolve(now, mention(task.host_pid, task.start_ns));
        self.table.update(now, index, |facts, values| {
            facts.pid = Some(task.pid).into();
            facts.host_ppid = Some(task.host_ppid).into();
            facts.ppid = Some(task.ppid).filter(|ppid| *ppid != 0).into();
            let (name, path) = (values.texts.number(&task.comm), values.texts.number(&task.exe));
            values.change_look(facts, |look| {
                look.name = name;
                look.runs(path);
            });
            values.change_setting(facts, |setting| {
                setting.uid = Some(task.uid).into();
                setting.gid = Some(task.gid).into();
                setting.inferred = false;
            });
        });
        if let Some(parent) = parent {
            self.set_parent(now, index, parent);
        }
    }

    fn fork(&mut self, now: Now, event: &Seen<'_>, who: &Actor) -> Option<()> {
        let number = |field| event.number::<u32>(field).filter(|number| *number != 0);
        let start = |field| event.number::<u64>(field).filter(|ns| *ns != 0);
        let task = |pid, started| Some(Mention::started(number(pid)?, start(started)?));
        let actor = self.act(now, who, |_| {});
        let (child_tid, child_pid) = (number(fork::CHILD_TID)?, number(fork::CHILD_PID)?);
        let child = Mention::started(child_tid, start(fork::START)?);
        let parent = match task(fork::PARENT_PID, fork::PARENT_START) {
            // Mostly the parent itself acts.
            Some(parent) if Some(parent) == who.mention() => actor,
            Some(parent) => Some(self.resolve(now, parent)),
            None => actor,
        };
        if child_tid != child_pid {
            let process = match task(fork::LEADER_PID, fork::LEADER_START) {
                Some(leader) if leader.host_pid == child_pid => self.resolve(now, leader),
                _ => actor.filter(|actor| self.table.facts(*actor).host_pid == child_pid)?,
            };
            // All threads have the parent of their process: this tells who that is by now.
            if let Some(parent) = parent {
                self.meet_parent(now, process, parent);
            }
            let tid = number(fork::CHILD_NS_TID).into();
            self.see_thread(now, process, child, tid, who.comm);
            return Some(());
        }
        let latest = self.by_id.now(child.id).last();
        let latest = latest.map(|index| self.table.facts(index));
        // Dead, and nobody knows since when it lived: this is another one.
        let reused =
            latest.is_some_and(|facts| self.table.values.is_over(facts) && facts.start_ns.known().is_none());
        let index = if reused {
            self.incarnate(now, child)
        } else {
            self.resolve(now, child)
        };
        let creator = parent.map(|parent| *self.table.facts(parent)).unwrap_or_default();
        self.table.update(now, index, |facts, values| {
            let host_ppid = Some(creator.host_pid).filter(|pid| *pid != 0);
            facts.pid = Known::from(number(fork::CHILD_NS_PID)).or(facts.pid);
            facts.host_ppid = facts.host_ppid.or(host_ppid);
            facts.ppid = facts.ppid.or(number(fork::PARENT_NS_PID));
            values.inherit(facts, &creator);
        });
        if let Some(parent) = parent {
            self.set_parent(now, index, parent);
        }
        Some(())
    }

    fn exec(&mut self, now: Now, event: &Seen<'_>, who: &Actor) -> Option<()> {
        let given = base_name(event.text(exec::CMDPATH).unwrap_or_default());
        let texts = &mut self.table.values.texts;
        let name = match who.comm {
            comm if comm.is_empty() => texts.number(cut(given, COMM_LEN)),
            comm => comm,
        };
        let image = Look {
            name,
            path: texts.number(event.text(exec::PATHNAME).unwrap_or_default()),
            exec_name: texts.number(cut(given, EXEC_NAME_LEN)),
            file: executable_file(event),
        };
        let index = self.act(now, who, |look| {
            *look = Look {
                name: image.name.or(look.name),
                path: image.path.or(look.path),
                ..image
            };
        })?;
        let parent = self.mentioned_parent(now, who);
        self.table.update(now, index, |facts, _| {
            facts.host_ppid = facts.host_ppid.or(who.parent_host_pid);
            facts.ppid = facts.ppid.or(who.parent_pid);
        });
        if let Some(parent) = parent {
            self.meet_parent(now, index, parent);
        }
        self.end_other_threads(now, index);
        self.live_on(now, index);
        Some(())
    }

    /// The acting process, with what the event says about it; `execute` changes what it looks like then.
    pub(super) fn act(&mut self, now: Now, who: &Actor, execute: impl FnOnce(&mut Look)) -> Option<Index> {
        let index = self.resolve(now, who.mention()?);
        // A process may have renamed itself, and an exec may have been lost: its own word is newer than what it inherited.
        self.table.update(now, index, |facts, values| {
            facts.pid = facts.pid.or(who.pid);
            values.change_look(facts, |look| {
                if who.is_leader() {
                    look.name = who.comm.or(look.name);
                }
                look.runs(who.exe);
                execute(look);
            });
            values.change_setting(facts, |setting| {
                setting.uid = who.uid.or(setting.uid);
                setting.container = who.container.or(setting.container);
                setting.inferred = false;
            });
        });
        Some(index)
    }

    /// The parent that the event carries.
    pub(super) fn mentioned_parent(&mut self, now: Now, who: &Actor) -> Option<Index> {
        let mention = Mention {
            id: Some(who.parent_id).filter(|id| *id != 0)?,
            host_pid: who.parent_host_pid.unwrap_or_default(),
            start_ns: None,
            coarse: false,
        };
        let index = self.resolve(now, mention);
        self.table
            .update(now, index, |facts, _| facts.pid = facts.pid.or(who.parent_pid));
        Some(index)
    }

    /// Notes who created a process, unless that is known.
    fn set_parent(&mut self, now: Now, child: Index, parent: Index) {
        if child != parent && self.table.facts(child).parent.is_none() {
            self.table
                .update(now, child, |facts, _| facts.parent = Some(parent));
            self.table.add_child(parent, child);
        }
    }

    /// Notes who is a process's parent by now: the one that created it, if none is known, or one that adopted it.
    pub(super) fn meet_parent(&mut self, now: Now, child: Index, parent: Index) {
        let facts = self.table.facts(child);
        match facts.parent {
            None => self.set_parent(now, child, parent),
            Some(creator) if ![creator, child].contains(&parent) => {
                if self.table.values.setting(facts).adopted_by != Some(parent) {
                    self.table.update(now, child, |facts, values| {
                        values.change_setting(facts, |setting| setting.adopted_by = Some(parent));
                    });
                    self.table.add_adopted(now, parent, child);
                }
            }
            Some(_) => {}
        }
    }

    /// The thread that is meant; a new one if it is not known. It is not the leader.
    pub(super) fn see_thread(
        &mut self,
        now: Now,
        process: Index,
        mention: Mention,
        tid: Known,
        name: Text,
    ) -> Index {
        if let Some(known) = self.threads.find(now, process, &mention) {
            return known;
        }
        let index = self.threads.add(Thread {
            id: mention.id,
            host_tid: mention.host_pid,
            tid,
            process,
            name,
            start_ns: mention.start_ns.unwrap_or_default(),
            coarse: mention.coarse,
            since: now.seq,
            exit_ns: 0,
            exit_seq: NEVER,
            forgotten: NEVER,
        });
        self.table.add_thread(now, process, index, true);
        let last_exit_ns = self.table.last_exit_ns(process);
        self.settle(now, process, last_exit_ns, |_| {});
        index
    }
}

/// The file that was executed; `None` if the event does not tell. No file has inode number 0.
fn executable_file(event: &Seen<'_>) -> Option<ExecutableFile> {
    Some(ExecutableFile {
        dev: event.number(exec::DEV)?,
        inode: event.number(exec::INODE).filter(|inode| *inode != 0)?,
        ctime_ns: event.number(exec::CTIME).unwrap_or_default(),
        mode: event.number(exec::MODE).unwrap_or_default(),
    })
}

/// The last part of a path: `/` if it is nothing but slashes.
fn base_name(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if !path.is_empty() => "/",
        trimmed => {
            let slash = trimmed.bytes().rposition(|byte| byte == b'/');
            &trimmed[slash.map_or(0, |slash| slash + 1)..]
        }
    }
}

/// The first `length` bytes of a text, or less if that would split a character.
fn cut(text: &str, length: usize) -> &str {
    &text[..text.floor_char_boundary(length)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_names_are_what_follows_the_last_slash() {
        for (path, name) in [
            ("/usr/bin/id", "id"),
            ("id", "id"),
            ("/opt/app/", "app"),
            ("//", "/"),
            ("", ""),
        ] {
            assert_eq!(base_name(path), name, "{path}");
        }
        assert_eq!(cut("some-long-binary-name", EXEC_NAME_LEN), "some-long-binary");
        assert_eq!(cut("fourteen-bytesé", COMM_LEN), "fourteen-bytes");
    }
}
